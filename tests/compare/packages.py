"""Debian's kernel and what its modules are built with, unpacked into the build folder.

A kernel that is there already is not fetched again: packages of one version do not change.
"""

import os
import re
import shutil
import subprocess
from collections import namedtuple

from compare.apt import Apt, Unavailable
from harness.machine import HarnessError

READY = "ready"

# release: as `uname -r` has it; version: its numbers alone; folder: where it was unpacked.
Linux = namedtuple("Linux", "release version folder")


def version_of(release):
    """6.12.95 of 6.12.95+deb12-amd64."""
    return re.match(r"[\d.]*\d", release).group(0)


def _order(release):
    return [int(number) for number in re.findall(r"\d+", release)]


def choose(releases, wanted, trouble=""):
    """The wanted version's release, or else the newest of its series, or else the newest."""
    series = wanted.rsplit(".", 1)[0] + "."
    for good in (lambda r: version_of(r) == wanted, lambda r: r.startswith(series),
                 lambda r: True):
        found = [release for release in releases if good(release)]
        if found:
            return max(found, key=_order)
    raise Unavailable("apt knows no linux-image-*-amd64 package"
                      + (" (%s)" % trouble if trouble else ""))


def _unpacked(folder):
    """Releases that were unpacked to the end."""
    if not os.path.isdir(folder):
        return []
    return [name for name in os.listdir(folder)
            if os.path.exists(os.path.join(folder, name, READY))]


def _run(command, what):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          universal_newlines=True, check=False)
    if done.returncode:
        raise HarnessError("%s: %s" % (what, done.stdout.strip()[-300:]))


def _unpack(path, folder):
    """All of a package; of the image, which is mostly modules, the kernel itself."""
    name = os.path.basename(path)
    if not name.startswith("linux-image-"):
        _run(["dpkg-deb", "-x", path, folder], name)
        return
    tar = os.path.join(folder, "image.tar")
    with open(tar, "wb") as file:
        done = subprocess.run(["dpkg-deb", "--fsys-tarfile", path], stdout=file, check=False)
    if done.returncode:
        raise HarnessError("%s: dpkg-deb cannot read it" % name)
    _run(["tar", "-x", "-f", tar, "-C", folder, "./boot"], name)
    os.remove(tar)


def _fetch(apt, release, folder):
    """Download and unpack; the folder is marked as ready when all of it is there."""
    shutil.rmtree(folder, ignore_errors=True)
    packages = os.path.join(folder, "packages")
    os.makedirs(packages)
    for path in apt.download(apt.packages(release), packages):
        _unpack(path, folder)
    shutil.rmtree(packages)
    with open(os.path.join(folder, READY), "w", encoding="utf-8"):
        pass


def get(folder, wanted, progress, exact=False):
    """The Linux to compare with; Unavailable says why there is none.

    exact: another version than the wanted one will not do.
    """
    folder = os.path.abspath(folder)
    release = next((r for r in _unpacked(folder) if version_of(r) == wanted), None)
    if not release:
        progress("apt-get update, in a folder of its own")
        apt = Apt(os.path.join(folder, "apt"))
        trouble = apt.update()
        release = choose(apt.releases(), wanted, trouble)
        if exact and version_of(release) != wanted:
            raise HarnessError("there is no Linux %s to be had; %s is the nearest"
                               % (wanted, release))
        if release not in _unpacked(folder):
            progress("fetching Linux " + release)
            _fetch(apt, release, os.path.join(folder, release))
    return Linux(release, version_of(release), os.path.join(folder, release))


def kernel(linux):
    """The kernel's path."""
    return os.path.join(linux.folder, "boot", "vmlinuz-" + linux.release)
