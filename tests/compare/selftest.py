#!/usr/bin/env python3
"""Tests of what compares Linux and Nudge: a wrong or an old number must never look measured.

Logs, package lists and tables are judged as text; whole runs have a shell script in
QEMU's place. Nothing is fetched.
"""

import contextlib
import importlib.machinery
import importlib.util
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from types import SimpleNamespace
from unittest import mock

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.dirname(HERE))

from bench import figures, record, table  # noqa: E402  (the path comes first)
from compare import apt, build, cpio, linux, packages, rows  # noqa: E402
from harness import machine  # noqa: E402
from harness.machine import HarnessError  # noqa: E402

RELEASE = "6.12.95+deb12-amd64"
DATA = {"identity": {"version": "6.12.95", "qemu": "10.0.2", "command_line": "audit=0"}, "rows": [
    {"name": "call.self", "cpus": 2, "linux": 100},
    {"name": "call.single.wait.busy", "cpus": 2, "linux": 400},
    {"name": "call.single.wait.idle", "cpus": 2, "linux": 900},
    {"name": "call.self", "cpus": 8}, {"name": "alone", "cpus": 2},
    {"name": "boot.online", "cpus": 8}]}
NAMES = sorted({row["name"] for row in DATA["rows"]} | set(rows.ONE_SLOT.values()))


def run_line(commit):
    return ('# bench-run {"commit":"%s","compiler":"gcc 12","cpu":"TCG","hypervisor":"yes"}\n'
            % commit)


def line(name, p50, cpus="CPUS"):
    found = dict.fromkeys(figures.ORDERED, p50)
    found.update(name=name, unit="tsc", n=1, apic="xapic", tsc_hz=1)
    return ("# bench " + json.dumps(dict(found, cpus=0)) + "\n").replace(
        '"cpus": 0', '"cpus": %s' % cpus)


def row(linux_figures, nudge, recorded=None, judged=True):
    return rows.Row("m", 2, rows.INSTRUCTIONS, "", linux_figures, [], nudge, recorded, judged)


class Packages(unittest.TestCase):
    """Which kernel is taken, and what is said where none can be had."""

    def test_which_are_meant(self):
        self.assertTrue(apt.IMAGE.fullmatch("linux-image-" + RELEASE))
        for name in ("6.12.95+deb12-rt-amd64", "6.12.95+deb12-cloud-amd64", "6.1.0-47-amd64",
                     "6.12-amd64", "amd64", RELEASE + "-unsigned", RELEASE + "-dbg"):
            self.assertFalse(apt.IMAGE.fullmatch("linux-image-" + name), name)

    def test_choice(self):
        have = ["6.12.9+deb12-amd64", "6.12.100+deb12-amd64", "6.16.3+deb12-amd64"]
        self.assertEqual(packages.choose(have + [RELEASE], "6.12.95"), RELEASE)
        self.assertEqual(packages.choose(have, "6.12.95"), have[1])
        self.assertEqual(packages.choose(have, "5.0.1"), have[2])
        self.assertEqual(packages.version_of("6.12.90+deb12.1-amd64"), "6.12.90")
        with self.assertRaisesRegex(apt.Unavailable, "no linux-image.*no route"):
            packages.choose([], "6.12.95", "no route")

    def test_only_with_headers(self):
        said = "linux-image-{0} - x\nlinux-image-6.12.94+deb12-amd64 - y\nlinux-headers-{0} - z\n"
        known = SimpleNamespace(_run=lambda *_: SimpleNamespace(stdout=said.format(RELEASE)))
        self.assertEqual(apt.Apt.releases(known), [RELEASE])

    def test_no_apt(self):
        with mock.patch.object(shutil, "which", lambda name: None), \
                self.assertRaisesRegex(apt.Unavailable, "no apt-get"):
            apt.Apt("/nowhere")

    def test_what_headers_need(self):
        depends = "linux-base (>= 4), linux-headers-6.12.95+deb12-common (= 6.12.95-1), " \
                  "linux-image-%s (= 6) | linux-image-%s-unsigned, linux-kbuild-6.12.95+deb12, " \
                  "gcc-12" % (RELEASE, RELEASE)
        self.assertEqual(apt.NEEDED.findall(depends), ["linux-headers-6.12.95+deb12-common",
                                                       "linux-kbuild-6.12.95+deb12"])

    def test_unpacked_before(self):
        folder = tempfile.mkdtemp(prefix="nudge-selftest-")
        self.addCleanup(shutil.rmtree, folder)
        os.mkdir(os.path.join(folder, RELEASE))
        with mock.patch.object(packages, "Apt", side_effect=apt.Unavailable("asked")):
            with self.assertRaisesRegex(apt.Unavailable, "asked"):
                packages.get(folder, "6.12.95", str)
            with open(os.path.join(folder, RELEASE, packages.READY), "w", encoding="utf-8"):
                pass
            self.assertEqual(packages.get(folder, "6.12.95", str).release, RELEASE)

    def test_exactly_this_one(self):
        found = mock.Mock(**{"return_value.releases.return_value": [RELEASE],
                             "return_value.update.return_value": ""})
        with mock.patch.object(packages, "Apt", found), \
                self.assertRaisesRegex(HarnessError, "no Linux 6.12.1 to be had; 6.12.95"):
            packages.get("/nowhere", "6.12.1", str, exact=True)


class Building(unittest.TestCase):
    """The compiler, and the ramdisk as Linux reads it."""

    def test_compiler(self):
        for said in ("x86_64-linux-gnu-gcc-12 (Debian 12.2.0) 12.2.0", "gcc-12 (Debian) 12"):
            self.assertEqual(build.compiler('X=y\nCONFIG_CC_VERSION_TEXT="%s"\n' % said), "gcc-12")
        with self.assertRaisesRegex(HarnessError, "names no gcc"):
            build.compiler('CONFIG_CC_VERSION_TEXT="clang version 16"')

    def test_first_program(self):
        """It is compiled with the warnings as errors, and needs no library at hand."""
        if not shutil.which("gcc") or not shutil.which("readelf"):
            self.skipTest("no gcc or readelf here")
        folder = tempfile.mkdtemp(prefix="nudge-selftest-")
        self.addCleanup(shutil.rmtree, folder)
        program = build.first_program(folder)
        said = subprocess.run(["readelf", "-lW", program], stdout=subprocess.PIPE, check=True,
                              universal_newlines=True).stdout
        self.assertIn("LOAD", said)
        self.assertNotIn("INTERP", said)

    def test_archive(self):
        whole = cpio.archive(["dev"], {"init": b"12345"}, {"dev/console": (5, 1)})
        self.assertEqual(len(whole) % 4, 0)
        found, at = {}, 0
        while at < len(whole):
            self.assertEqual(whole[at:at + 6], b"070701")
            fields = [int(whole[at + 6 + 8 * i:at + 14 + 8 * i], 16) for i in range(13)]
            name = whole[at + 110:at + 110 + fields[11] - 1].decode()
            data = at + 110 + fields[11] + -(110 + fields[11]) % 4
            found[name] = (fields[1], whole[data:data + fields[6]], fields[9:11])
            at = data + fields[6] + -fields[6] % 4
        self.assertEqual(found, {"dev": (cpio.DIRECTORY, b"", [0, 0]),
                                 "dev/console": (cpio.DEVICE, b"", [5, 1]),
                                 "init": (cpio.FILE, b"12345", [0, 0]),
                                 "TRAILER!!!": (0, b"", [0, 0])})


class Logs(unittest.TestCase):
    """What a boot of Linux printed."""

    def test_checked(self):
        found = figures.parse(run_line(RELEASE) + line("a", 5, 2), 2, "xapic")
        self.assertEqual(linux.checked(found, RELEASE, ["a"])["a"]["p50"], 5)
        with self.assertRaisesRegex(HarnessError, "no result for b"):
            linux.checked(found, RELEASE, ["a", "b"])
        with self.assertRaisesRegex(HarnessError, "6.1 was to be booted"):
            linux.checked(found, "6.1", ["a"])

    def test_text_bytes(self):
        said = "x\nMemory: 1K/2K available (16384K kernel code, 2499K rwdata)\n"
        self.assertEqual(linux.text_bytes(said), 16384 * 1024)
        self.assertIsNone(linux.text_bytes("Memory: none"))

    def test_machine(self):
        opts = SimpleNamespace(image="vmlinuz", initrd="disk", smp="2", cpu="max", machine="q35",
                               memory=64, vga="none", accel="icount", firmware="bios", fw_cfg=[],
                               madt=None)
        with mock.patch.object(machine, "qemu", lambda: "qemu"):
            command = " ".join(machine.command(opts, ["a=1", "--", "b"], "."))
        self.assertIn("-kernel vmlinuz -initrd disk -append a=1 -- b", command)
        self.assertIn("-icount shift=0,sleep=off", command)


class Tables(unittest.TestCase):
    """Rows, deviations and ratios."""

    def test_subjects(self):
        found = rows.subjects(DATA)
        self.assertEqual([s.recorded for s in found], [100, 400, None, 900, None, None])
        self.assertEqual([s.setting for s in found][2:5], ["", "nohz=off", "idle=poll"])
        self.assertEqual(rows.boots_of(found)[2, "idle=poll"], ["call.single.wait.idle"])
        self.assertNotIn((8, ""), rows.boots_of(rows.subjects(DATA, (2,))))
        self.assertIn({"name": "scheme.mailbox.wait.busy", "cpus": 2},
                      rows.nudge_rows(DATA, found))
        self.assertIn({"name": "boot.online", "cpus": 8}, rows.nudge_rows(DATA, found))

    def test_the_real_data(self):
        names = [s.name for s in rows.subjects(table.goals()) if s.recorded]
        self.assertEqual(len(names), sum("linux" in row for row in table.goals()["rows"]))

    def test_loops_that_do_no_more(self):
        found = rows.subjects(table.goals())
        modules = os.path.join(HERE, "module")
        source = "".join(record.read_text(os.path.join(modules, name))
                         for name in os.listdir(modules) if name.endswith(".c"))
        for name, alike in rows.ALIKE.items():
            self.assertEqual([s.cpus for s in found if s.name == alike],
                             [row["cpus"] for row in table.goals()["rows"] if row["name"] == name])
            self.assertFalse([s for s in found if s.name == alike and s.recorded])
            self.assertEqual(rows.nudge_name(alike), name)
            self.assertIn('{ "%s",' % alike, source)
        self.assertFalse(set(rows.ALIKE.values()) & set(rows.nudge_names(found)))

    def test_on_threads(self):
        found = rows.on_threads(rows.subjects(table.goals()))
        self.assertEqual({s.name for s in found}, set(rows.ON_THREADS))
        self.assertEqual({s.cpus for s in found}, {2})
        self.assertEqual(rows.nudge_names(rows.on_threads(rows.subjects(DATA))),
                         ["call.single.wait.busy", "call.single.wait.idle",
                          "scheme.mailbox.wait.busy"])

    def test_off(self):
        for figure, wrong in ((100, False), (103, False), (97, False), (104, True), (96, True)):
            self.assertEqual(rows.is_off(row([figure], [9], 100)), wrong, figure)
        self.assertFalse(rows.is_off(row([200], [9], 100, judged=False)))
        self.assertIn("+4.0 %", rows.cells(row([104], [9], 100)))

    def test_cells(self):
        self.assertEqual(rows.cells(row([405], [135]))[4:8], ["405", "-", "135", "3.0"])
        self.assertEqual(rows.cells(row([10, 20, 90], [10, 10, 10]))[4:8],
                         ["20 (10–90)", "-", "10 (10–10)", "2.0 (1.0–9.0)"])
        self.assertEqual(rows.cells(row([], [5]))[4:8], ["-", "-", "5", "-"])
        self.assertEqual(rows.cells(row([5], [0]))[7], "-")
        self.assertIn("Linux 6.1", rows.text([row([5], [5])], "6.1"))


QEMU = """#!/bin/sh
[ "$1" = --version ] && { echo "QEMU emulator version $(cat "$0.version") (x)"; exit; }
log=$0.nudge
for word; do
	[ "$word" = -initrd ] && log=$0.linux
	[ "$last" = -smp ] && cpus=$word
	[ "$log" = "$0.nudge" ] && case $word in *idle=poll*) log=$0.polling ;; esac
	last=$word
done
sed "s/CPUS/$cpus/" "$log"
exit 33
"""


class Whole(unittest.TestCase):
    """tests/compare/compare with a script in QEMU's place."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="nudge-selftest-")
        self.addCleanup(shutil.rmtree, self.folder)
        loader = importlib.machinery.SourceFileLoader("compare_script",
                                                      os.path.join(HERE, "compare"))
        self.script = importlib.util.module_from_spec(
            importlib.util.spec_from_loader("compare_script", loader))
        loader.exec_module(self.script)
        self.script.BUILD = self.folder
        self.found = packages.Linux(RELEASE, "6.12.95", self.folder)
        for what in (mock.patch.object(table, "goals", lambda: DATA),
                     mock.patch.object(packages, "get", lambda *_, **__: self.found),
                     mock.patch.object(build, "ramdisk", lambda _: "initrd"),
                     mock.patch.object(self.script, "sizes", SimpleNamespace(
                         measure=lambda *_: ({"size.text": 9}, {}))),
                     mock.patch.dict(os.environ, QEMU=os.path.join(self.folder, "qemu"))):
            what.start()
            self.addCleanup(what.stop)
        os.mkdir(os.path.join(self.folder, "boot"))
        for name, text in (("nudge.elf", "\x7fELF"), ("qemu", QEMU), ("qemu.version", "10.0.2"),
                           ("boot/vmlinuz-" + RELEASE, "vmlinuz")):
            self.write(name, text)
        self.log("nudge", "abc", dict.fromkeys(NAMES, 50))
        self.log("polling", "abc", dict.fromkeys(NAMES, 40))
        self.log("linux", RELEASE, {"call.self": 102, "call.single.wait.busy": 400,
                                    "call.single.wait.idle": 900})

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, 0o755)

    def log(self, whose, commit, medians, end="# verdict pass\n"):
        self.write("qemu." + whose, run_line(commit)
                   + "".join(line(name, p50) for name, p50 in medians.items()) + end)

    def expect(self, status, says, *arguments):
        output = io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            found = self.script.main(list(arguments))
        self.assertEqual(found, status, output.getvalue())
        self.assertRegex(output.getvalue(), says)
        return output.getvalue()

    def test_as_recorded(self):
        said = self.expect(0, "All 3 recorded figures", "--rounds", "5")
        self.assertRegex(said, r"call.self +2  instructions +plain +102 +- +50 +2.0 +100  \+2.0 %")
        self.assertRegex(said, r"wait.idle +2    host ticks  idle=poll +900 \(900–900\)")
        self.assertRegex(said, r"wait.idle +2    host ticks +plain .* 50 \(50–50\)")
        self.assertRegex(said, r"wait.idle +2    host ticks  idle=poll .* 40 \(40–40\)")
        self.assertRegex(said, r"wait.idle +2  instructions  idle=poll +900 +- +40 ")
        self.assertRegex(said, r"wait.busy +2  instructions +plain +400 +50 +50 +8.0")
        self.assertRegex(said, r"size.text +- +bytes +plain +- +- +9 ")
        self.assertRegex(said, r"boot.online +8 ")

    def test_off(self):
        self.log("linux", RELEASE, {"call.self": 104, "call.single.wait.busy": 400,
                                    "call.single.wait.idle": 900})
        self.expect(1, "call.self @2: Linux's 104 is more than 3 % off", "--rounds", "0")

    def test_another_version(self):
        self.found = packages.Linux("6.13.1+deb12-amd64", "6.13.1", self.folder)
        self.write("boot/vmlinuz-6.13.1+deb12-amd64", "vmlinuz")
        self.expect(4, "was to be booted", "--rounds", "0")
        self.log("linux", "6.13.1+deb12-amd64", dict.fromkeys(NAMES, 500))
        said = self.expect(0, "Not judged: the recorded figures are of Linux 6.12.95",
                           "--rounds", "0")
        self.assertIn("Linux 6.13.1", said)
        self.assertNotIn("OFF", said)

    def test_built_again(self):
        self.write("qemu", QEMU.replace("exit 33", "echo >> \"${0%qemu}nudge.elf\"\nexit 33"))
        self.expect(4, "built again while it was measured", "--rounds", "0")

    def test_not_to_be_had(self):
        def none(*_, **__):
            raise apt.Unavailable("no route")
        with mock.patch.object(packages, "get", none):
            said = self.expect(3, "Linux was not measured: no route", "--rounds", "0")
        self.assertIn("Linux 6.12.95, recorded", said)
        self.assertIn("wanted and could not be had: no route.", said)
        self.assertNotIn("came out", said)
        self.expect(0, "--recorded was given", "--recorded", "--rounds", "0")

    def test_cut_off(self):
        good = {"call.self": 102, "call.single.wait.busy": 400, "call.single.wait.idle": 900}
        self.log("linux", RELEASE, good, end="")
        self.expect(4, "Linux, 2 CPUs, as it is: .*verdict", "--rounds", "0")
        del good["call.self"]
        self.log("linux", RELEASE, good)
        self.expect(4, "no result for call.self", "--rounds", "0")
        self.write("qemu.linux", "")
        self.expect(4, "Linux, 2 CPUs", "--rounds", "0")
        self.log("nudge", "abc", {"call.self": 50}, end="")
        self.expect(4, "2 CPUs, xapic", "--rounds", "0")

    def test_old_qemu_and_bad_usage(self):
        self.write("qemu.version", "7.2.0")
        self.expect(4, "too old")
        with self.assertRaises(SystemExit), contextlib.redirect_stderr(io.StringIO()):
            self.script.main(["--rounds", "2"])


if __name__ == "__main__":
    unittest.main()
