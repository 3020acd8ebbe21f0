"""What Linux is started with: our module, our first program, and the ramdisk that holds both."""

import os
import re
import shutil
import subprocess

from compare import cpio
from harness.machine import HarnessError

HERE = os.path.dirname(os.path.realpath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
MODULE = "nudge_compare.ko"
METHOD = "tests/bench/method.h"  # which both sides keep to
FOLDERS, DEVICES = ("dev", "sys", "proc"), {"dev/console": (5, 1)}
# Words of the make that called us, which Linux's make would take for its own.
NOT_HANDED_ON = ("MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES", "MAKELEVEL", "O")


def _read(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise HarnessError("%s: %s" % (path, error.strerror)) from error


def _run(command, what):
    environment = {key: value for key, value in os.environ.items() if key not in NOT_HANDED_ON}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, cwd=ROOT,
                          stderr=subprocess.STDOUT, universal_newlines=True, check=False)
    if done.returncode:
        raise HarnessError("%s was not built:\n%s" % (what, done.stdout[-2000:].rstrip()))


def compiler(config):
    """The compiler that a kernel was built with, from its configuration: modules want the same."""
    named = re.search(r'^CONFIG_CC_VERSION_TEXT="\S*?(gcc-\d+) ', config, re.MULTILINE)
    if not named:
        raise HarnessError("the kernel's configuration names no gcc that built it")
    return named.group(1)


def compiler_name(linux):
    """The compiler that this kernel's modules need."""
    path = os.path.join(linux.folder, "boot", "config-" + linux.release)
    return compiler(_read(path).decode("utf-8", "replace"))


def compiler_of(linux):
    """The compiler for this kernel's modules; an error that names it if it is not installed."""
    name = compiler_name(linux)
    if not shutil.which(name):
        raise HarnessError("Linux %s was built with %s, which its modules need, too: install it"
                           % (linux.release, name))
    return name


def _headers(linux):
    """The folders of the headers: of this build, and of the whole release."""
    common = re.sub(r"-[^-]+$", "-common", linux.release)
    sources = os.path.join(linux.folder, "usr", "src")
    return [os.path.join(sources, "linux-headers-" + name) for name in (linux.release, common)]


def _module(linux, folder):
    """The module for this kernel; its path."""
    place = os.path.join(folder, "module")
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(os.path.join(HERE, "module"), place)
    os.makedirs(os.path.join(place, os.path.dirname(METHOD)))
    shutil.copy(os.path.join(ROOT, METHOD), os.path.join(place, METHOD))
    own, common = _headers(linux)
    _run(["make", "-C", own, "-f", os.path.join(common, "Makefile"), "M=" + place,
          "CC=" + compiler_of(linux), "CROSS_COMPILE=", "CONFIG_DEBUG_INFO_BTF_MODULES=",
          "modules"], "the module for Linux " + linux.release)
    return os.path.join(place, MODULE)


def first_program(folder):
    """The first program, which brings its C library along; its path."""
    path = os.path.join(folder, "init")
    sources = os.path.join(HERE, "init")
    _run(["gcc", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-static", "-pthread",
          "-D_GNU_SOURCE", "-I.", "-o", path]
         + [os.path.join(sources, name) for name in sorted(os.listdir(sources))
            if name.endswith(".c")] + ["lib/samples.c"], "Linux's first program")
    return path


def ramdisk(linux):
    """Build both and pack them; the ramdisk's path."""
    path = os.path.join(linux.folder, "initrd")
    files = {"init": _read(first_program(linux.folder)), MODULE: _read(_module(linux, linux.folder))}
    with open(path, "wb") as file:
        file.write(cpio.archive(FOLDERS, files, DEVICES))
    return path
