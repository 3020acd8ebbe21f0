"""Debian's packages without installing any: apt with lists, a cache and sources of its own.

The sources are copies of the machine's, so that mirrors, keys and proxies are those which it
uses already. The release's backports are added, derived from its own entry by tools/deps.
Nothing outside the folder changes, and root is not needed.
"""

import os
import re
import shlex
import shutil
import subprocess

from harness.machine import HarnessError

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
# Read after the machine's own configuration, whose hooks are for its own cache.
CONFIGURATION = """\
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
Dir::State::lists "{folder}/lists";
Dir::Cache "{folder}/cache";
Dir::Etc::sourcelist "{folder}/sources.list";
Dir::Etc::sourceparts "{folder}/sources.list.d";
APT::Sandbox::User "root";
Acquire::Retries "1";
Acquire::http::Timeout "20";
Acquire::https::Timeout "20";
"""
# Seconds for one command: a mirror that is slower than that is none.
LIMIT = 600
# Not the real-time and cloud variants, nor the packages that only name the newest.
IMAGE = re.compile(r"linux-image-(\d+\.\d+\.\d+\+deb[\d.]+-amd64)")
NEEDED = re.compile(r"\b(linux-(?:headers|kbuild)-[^\s,(]+)")


class Unavailable(HarnessError):
    """The packages cannot be had here; the message says why."""


def _last_line(text):
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else "no reason was given"


class Apt:
    """apt-get and apt-cache with a folder of their own."""

    def __init__(self, folder):
        if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
            raise Unavailable("this system has no apt-get and dpkg-deb")
        self.folder = os.path.abspath(folder)
        self.configuration = os.path.join(self.folder, "apt.conf")
        self.parts = os.path.join(self.folder, "sources.list.d")
        for name in ("lists/partial", "cache/archives/partial"):
            os.makedirs(os.path.join(self.folder, name), exist_ok=True)
        with open(self.configuration, "w", encoding="utf-8") as file:
            file.write(CONFIGURATION.format(folder=self.folder))

    def _run(self, program, *arguments, cwd=None):
        environment = dict(os.environ, LC_ALL="C", APT_CONFIG=self.configuration)
        own = ["-q", "-c", self.configuration] if program.startswith("apt") else []
        try:
            return subprocess.run([program] + own + list(arguments), cwd=cwd, env=environment,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, universal_newlines=True, check=False,
                                  timeout=LIMIT)
        except subprocess.TimeoutExpired:
            raise Unavailable("%s took more than %d s" % (program, LIMIT))

    def _copy_sources(self):
        """The machine's sources, and no others."""
        said = subprocess.run(["apt-config", "shell", "one", "Dir::Etc::sourcelist/f",
                               "parts", "Dir::Etc::sourceparts/d"], stdout=subprocess.PIPE,
                              universal_newlines=True, check=False).stdout
        places = dict(word.split("=", 1) for word in shlex.split(said))
        shutil.rmtree(self.parts, ignore_errors=True)
        os.makedirs(self.parts)
        with open(os.path.join(self.folder, "sources.list"), "w", encoding="utf-8"):
            pass
        if os.path.isfile(places.get("one", "")):
            shutil.copy(places["one"], os.path.join(self.parts, "machine.list"))
        if os.path.isdir(places.get("parts", "")):
            for name in os.listdir(places["parts"]):
                if name.endswith((".list", ".sources")):
                    shutil.copy(os.path.join(places["parts"], name), self.parts)

    def update(self):
        """Fetch the lists; what apt said last of what went wrong, or nothing.

        A source that has nothing to do with Debian may well be broken: what counts is whether
        the packages can be had afterwards.
        """
        self._copy_sources()
        done = self._run("apt-get", "update")
        backports = self._run(os.path.join(ROOT, "tools", "deps"), "--backports")
        if not backports.returncode:
            ending = "sources" if backports.stdout.startswith("Types:") else "list"
            path = os.path.join(self.parts, "nudge-backports." + ending)
            with open(path, "w", encoding="utf-8") as file:
                file.write(backports.stdout)
            done = self._run("apt-get", "update")
        return _last_line(done.stderr) if done.stderr.strip() else ""

    def releases(self):
        """The releases of Debian's generic kernel that can be had, such as 6.12.95+deb12-amd64.

        Of some that are no longer the newest the archive has the image, but not the headers.
        """
        said = self._run("apt-cache", "search", "--names-only", "^linux-(image|headers)-").stdout
        names = {line.split(" ", 1)[0] for line in said.splitlines()}
        found = [match.group(1) for match in map(IMAGE.fullmatch, sorted(names)) if match]
        return [release for release in found if "linux-headers-" + release in names]

    def packages(self, release):
        """The names of a kernel's packages: the image, its headers and what those need."""
        said = self._run("apt-cache", "show", "linux-headers-" + release).stdout
        depends = re.search(r"^Depends: (.*)$", said, re.MULTILINE)
        needed = NEEDED.findall(depends.group(1)) if depends else []
        if not needed:
            raise Unavailable("apt knows linux-image-%s, but not its headers" % release)
        return ["linux-image-" + release, "linux-headers-" + release] + needed

    def download(self, names, folder):
        """Put the packages' files into a folder; their paths, in the order of the names."""
        done = self._run("apt-get", "download", *names, cwd=folder)
        paths = [os.path.join(folder, file) for name in names for file in os.listdir(folder)
                 if file.startswith(name + "_") and file.endswith(".deb")]
        if done.returncode or len(paths) != len(names):
            raise Unavailable("apt-get download: " + _last_line(done.stderr))
        return paths
