"""Tests of tools/deps: systems that lack this and that, or have a QEMU that is too old."""

import gzip
import os
import re

from harness.fake_machine import ROOT, Machine
from harness.fonts import psf2

PROGRAMS = ("gcc objcopy grub-mkimage xorriso mformat python3 clang clang-format cppcheck shellcheck"
            " codespell gdb bochs").split()
FILES = ("usr/include/stdio.h", "usr/lib/grub/i386-pc/multiboot2.mod",
         "usr/lib/grub/x86_64-efi/multiboot2.mod", "usr/share/OVMF/OVMF_CODE_4M.fd",
         "usr/share/OVMF/OVMF_VARS_4M.fd", "usr/share/bochs/BIOS-bochs-latest",
         "usr/share/bochs/VGABIOS-lgpl-latest")
FONT = "usr/share/consolefonts/Uni2-Terminus16.psf.gz"
NEW_QEMU, OLD_QEMU = "10.0.2", "8.2.2"
TOO_OLD = "QEMU is %s here, and 9.0 or later is needed." % OLD_QEMU
LISTS = "etc/apt/sources.list.d"
ADDED = LISTS + "/nudge-backports."

DEBIAN_12 = "ID=debian\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\n"
UBUNTU = "ID=ubuntu\nID_LIKE=debian\nVERSION_ID=\"24.04\"\nVERSION_CODENAME=noble\n"
DEB822 = """\
# Types: deb
# URIs: http://not.this/one

Types: deb
URIs: http://security.example/debian-security
Suites: bookworm-security
Components: main

Types: deb deb-src
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
Enabled: yes
Signed-By: /usr/share/keyrings/debian.gpg
"""
DEB822_BACKPORTS = """\
Types: deb
URIs: http://mirror.example/debian
Suites: bookworm-backports
Components: main
Signed-By: /usr/share/keyrings/debian.gpg
"""
ONE_LINE = """\
# deb http://not.this/one bookworm main
deb [ signed-by=/k.gpg arch=amd64 ] http://mirror.example/debian/ bookworm main contrib
"""
ONE_LINE_BACKPORTS = ("deb [ signed-by=/k.gpg arch=amd64 ] http://mirror.example/debian/"
                      " bookworm-backports main\n")



# An apt whose release comes from %(entry)s, and whose every package is a file of the folder shop.
APT_GET = """case "$*" in
*'$(RELEASE)'*) ;;
*indextargets*) printf '%%s\\n' 'Other|bookworm|main|http://x/|/x:1' \\
	'Debian|bookworm|main|cdrom:[x]/|/x:1' 'Debian|bookworm|main|http://x/|%(entry)s' ;;
*print-uris*) ;;
*'install -y'*) cp %(root)s/shop/* %(root)s/bin ;;
esac"""
# Its backports have a QEMU once their source was added.
APT_CACHE = """case $1 in
policy) echo '  Candidate: 1:%(qemu)s' ;;
madison) [ ! -e %(added)s ] || echo ' qemu-system-x86 | 1:10.0 | http://x bookworm-backports/main' ;;
esac"""


class Deps(Machine):
    """tools/deps: what is missing, and what it does about that on which system."""

    def setUp(self):
        super().setUp()
        for name in PROGRAMS:
            self.program(name)
        for name in FILES:
            self.file(name)
        self.file(FONT, gzip.compress(psf2()))
        self.qemu(NEW_QEMU)
        self.program("id", "echo 0")

    def qemu(self, version, folder="bin"):
        """The machine's QEMU, or the one in the shop."""
        self.program("qemu-system-x86_64", "echo 'QEMU emulator version %s (Debian)'" % version,
                     folder)

    def system(self, os_release, *lacks):
        """That system, without these programs and files."""
        self.file("etc/os-release", os_release)
        for name in lacks:
            os.remove(self.path(name if "/" in name else "bin/" + name))

    def apt(self, source, text, qemu=OLD_QEMU):
        """An apt whose release comes from the second entry of that file, and has that QEMU."""
        os.makedirs(self.path(LISTS), exist_ok=True)
        ending = source.rpartition(".")[2]
        self.program("apt-get", APT_GET % {"root": self.root, "entry": self.file(source, text) + ":2"})
        self.program("apt-cache", APT_CACHE % {"qemu": qemu, "added": self.path(ADDED + ending)})
        self.program("apt-config")
        self.program("dpkg-query")
        self.program("xorriso", folder="shop")
        self.qemu(qemu, folder="shop")

    def installed(self):
        """The packages that apt-get was last asked to install."""
        calls = [call for call in self.calls("apt-get") if "install -y" in call]
        return calls[-1].split("--no-install-recommends ")[1].split() if calls else []

    def test_nothing_is_missing(self):
        for purpose in ("run", "test", "lint", "compare", "all"):
            self.assertEqual(self.run_tool("deps", "--check", purpose), (0, ""), purpose)
        self.assertIn('nothing is missing for "all"', self.run_tool("deps", "all")[1])

    def test_each_thing_is_missed(self):
        """By the purposes that need it, and by no other."""
        self.file("etc/os-release", "ID=plan9\n")
        for name, purposes in (("gcc", "run test lint"), ("objcopy", "run test lint"),
                               ("grub-mkimage", "run test"), ("xorriso", "run test"),
                               ("mformat", "run test"), ("python3", "run test lint"),
                               ("clang", "lint"), ("clang-format", "lint"), ("cppcheck", "lint"),
                               ("shellcheck", "lint"), ("codespell", "lint"), ("gdb", ""),
                               ("bochs", ""), (FILES[0], "test lint"), (FILES[1], "run test"),
                               (FILES[2], "run test"), (FILES[3], "run test"), (FILES[5], ""),
                               (FILES[6], ""), (FONT, "run test"),
                               ("qemu-system-x86_64", "run test")):
            path = self.path(name if "/" in name else "bin/" + name)
            os.rename(path, path + ".away")
            for purpose in ("run", "test", "lint", "all"):
                wanted = int(purpose in purposes.split() + ["all"])
                self.assertEqual(self.run_tool("deps", "--check", purpose), (wanted, ""),
                                 (name, purpose))
            os.rename(path + ".away", path)

    def test_what_would_be_skipped_is_missed(self):
        """The tools of make lint, and those that rows of the platform table need."""
        with open(os.path.join(ROOT, "tests/matrix"), encoding="utf-8") as file:
            no_programs = set(re.findall(r'need == "(\w+)"', file.read())) | {"git"}
        for path, pattern, purpose in (("tools/lint", r"(?m)^check_with (\S+)", "lint"),
                                       ("tests/platforms.txt", r"needs=(\S+)", "all")):
            with open(os.path.join(ROOT, path), encoding="utf-8") as file:
                tools = set(re.findall(pattern, file.read())) - no_programs
            self.assertGreater(len(tools), 1)
            for tool in tools:
                os.rename(self.path("bin", tool), self.path("away"))
                self.assertEqual(self.run_tool("deps", "--check", purpose), (1, ""), tool)
                os.rename(self.path("away"), self.path("bin", tool))

    def test_old_qemu_will_do_for_a_run(self):
        self.file("etc/os-release", "ID=plan9\n")
        self.qemu(OLD_QEMU)
        self.assertEqual(self.run_tool("deps", "--check", "run"), (0, ""))
        status, said = self.run_tool("deps", "test")
        self.assertEqual(status, 1)
        self.assertIn(TOO_OLD, said)
        self.assertIn("with your package manager (on Debian: qemu-system-x86)", said)

    def test_names_for_fedora_and_arch(self):
        lacks = ("gcc", "xorriso", "grub-mkimage", "cppcheck", "bochs", FILES[1], FILES[5], FONT)
        self.system("ID=fedora\n", *lacks)
        self.assertEqual(self.run_tool("deps")[1].splitlines()[-1],
                         "nudge: install them with: dnf install gcc grub2-tools grub2-pc-modules"
                         " xorriso kbd-misc cppcheck bochs bochs-bios")
        self.file("etc/os-release", "ID=rocky\nID_LIKE=\"rhel centos fedora\"\n")
        self.assertIn("dnf install gcc grub2-tools", self.run_tool("deps", "test")[1])
        self.file("etc/os-release", "ID=arch\n")
        status, said = self.run_tool("deps")
        self.assertEqual(status, 1)
        self.assertEqual(said.splitlines()[-1], "nudge: install them with: pacman -S --needed gcc"
                         " grub libisoburn kbd cppcheck bochs")

    def test_backports_are_derived(self):
        self.system(DEBIAN_12)
        self.apt("etc/apt/sources.list.d/debian.sources", DEB822)
        self.assertEqual(self.run_tool("deps", "--backports"), (0, DEB822_BACKPORTS))
        self.apt("etc/apt/sources.list", ONE_LINE)
        self.assertEqual(self.run_tool("deps", "--backports"), (0, ONE_LINE_BACKPORTS))

    def test_source_that_is_not_understood(self):
        self.system(DEBIAN_12)
        self.apt("etc/apt/sources.list", "deb\ndeb-what?\n")
        status, said = self.run_tool("deps", "--backports")
        self.assertEqual(status, 1)
        self.assertIn("was not understood", said)

    def test_debian_12_takes_qemu_alone_from_backports(self):
        for source, text, wanted in (("etc/apt/sources.list.d/debian.sources", DEB822,
                                      DEB822_BACKPORTS),
                                     ("etc/apt/sources.list", ONE_LINE, ONE_LINE_BACKPORTS)):
            self.qemu(OLD_QEMU)
            self.system(DEBIAN_12, "xorriso")
            self.apt(source, text)
            self.qemu(NEW_QEMU, folder="shop")
            status, said = self.run_tool("deps", "test")
            self.assertEqual(status, 0, said)
            with open(self.path(ADDED + source.rpartition(".")[2]), encoding="utf-8") as file:
                self.assertEqual(file.read(), wanted)
            self.assertEqual(self.installed(), [name + "/bookworm-backports" for name in (
                "qemu-system-common", "qemu-system-data", "qemu-system-x86", "seabios")]
                + ["xorriso"])

    def test_backports_that_have_none_are_taken_back(self):
        self.qemu(OLD_QEMU)
        self.system(DEBIAN_12)
        self.apt("etc/apt/sources.list", ONE_LINE)
        self.program("apt-cache", "[ $1 != policy ] || echo '  Candidate: 1:7.2'")
        status, said = self.run_tool("deps", "test")
        self.assertEqual(status, 1)
        self.assertIn("is removed again", said)
        self.assertEqual(os.listdir(self.path(LISTS)), [])

    def test_ubuntu_whose_qemu_is_too_old(self):
        self.qemu(OLD_QEMU)
        self.system(UBUNTU, "xorriso")
        self.apt("etc/apt/sources.list", ONE_LINE)
        status, said = self.run_tool("deps", "test")
        self.assertEqual(status, 1)
        self.assertEqual(said.splitlines()[-1],
                         "nudge: still missing: qemu-system-x86_64. " + TOO_OLD)
        self.assertEqual(self.installed(), ["qemu-system-x86", "xorriso"])
        self.assertEqual(os.listdir(self.path(LISTS)), [])

    def test_without_root(self):
        self.system(UBUNTU, "xorriso")
        self.apt("etc/apt/sources.list", ONE_LINE)
        self.program("id", "echo 1000")
        status, said = self.run_tool("deps", "run")
        self.assertEqual(status, 1)
        self.assertIn("As root: tools/deps run", said)
        self.assertEqual(self.installed(), [])

    def test_it_asks_on_a_terminal(self):
        self.system(UBUNTU, "xorriso")
        self.apt("etc/apt/sources.list", ONE_LINE)
        status, said = self.answered("n", "deps", "run")
        self.assertEqual(status, 1, said)
        self.assertIn("apt-get install xorriso", said)
        self.assertIn("nothing was installed", said)
        self.assertEqual(self.installed(), [])
        self.assertEqual(self.answered("y", "deps", "run")[0], 0)
        self.assertEqual(self.installed(), ["xorriso"])
