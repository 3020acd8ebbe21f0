#!/usr/bin/env python3
"""Tests of the harness itself: what judges everything else must be judged first.

Logs are judged as text; whole runs are made with a shell script in QEMU's place, so
that every exit status is seen to come out of tests/run without booting anything.
"""

import os
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
TESTS = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
sys.path.insert(0, TESTS)

from harness import bochs, judge, machine, madt, symbols  # noqa: E402  (the path comes first)
from harness.selftest_matrix import Matrix, load_script  # noqa: E402,F401  (Matrix is run)

GOOD = ("SeaBIOS (version x)\r\nBooting\x1b[2J\x1b[1;1HNudge 0.1\r\n1..9 is not a plan yet\n"
        "TAP version 13\r\n1..3\r\nok 1 - smp.online\r\n# note\r\n"
        "ok 2 - apic.x2 # SKIP no x2APIC\r\nok 3 - smp.call\r\n# verdict pass\r\n")
REPORT = "Nudge 0.1\ncpus 4/4\n# verdict pass\n"
FAILED = GOOD.replace("ok 3", "not ok 3").replace("verdict pass", "verdict fail")
PANIC = GOOD.split("ok 3")[0] + "Bail out! panic: csd freed\n# verdict panic\n"
# A QEMU that runs on and has hung up its monitor, so that nobody waits for its answers.
SLEEP = "exec %s -c 'import os, time; os.closerange(3, 64); time.sleep(60)'" % sys.executable


def code(text, exit_code=None, timed_out=False, tap=False):
    return judge.judge(text, exit_code, timed_out, tap).code


class Judging(unittest.TestCase):
    """The rules of judge(), one by one."""

    def test_passed(self):
        self.assertEqual(code(GOOD, 33), judge.PASSED)
        self.assertEqual(code(GOOD), judge.PASSED)
        self.assertEqual(judge.judge(GOOD, 33).reason, "passed, 3 tests, 1 skipped")

    def test_report_needs_no_tap_but_a_test_run_does(self):
        self.assertEqual(code(REPORT, 33), judge.PASSED)
        self.assertEqual(code(REPORT, 33, tap=True), judge.BROKEN)

    def test_failed(self):
        self.assertEqual(code(FAILED, 35), judge.FAILED)
        self.assertEqual(code(FAILED), judge.FAILED)
        self.assertIn("smp.call", judge.judge(FAILED, 35).reason)

    def test_any_evidence_of_failure_is_failure(self):
        self.assertEqual(code(GOOD, 35), judge.FAILED)
        self.assertEqual(code(GOOD.replace("ok 3", "not ok 3"), 33), judge.FAILED)
        self.assertEqual(code(GOOD.replace("verdict pass", "verdict fail"), 33), judge.FAILED)
        self.assertEqual(code(GOOD.replace("# note", "Bail out! no memory"), 33), judge.FAILED)

    def test_complaint_outside_of_tests_is_failure(self):
        line = "WARNING: sched: x"
        said = "%s\n  in warn+0x1\n" % line
        self.assertEqual(code(said + GOOD, 33), judge.FAILED)
        self.assertEqual(code(said + REPORT, 33), judge.FAILED)
        self.assertEqual(code(REPORT.replace("cpus", said + "cpus")), judge.FAILED)
        self.assertIn(line, judge.judge(said + REPORT).reason)
        self.assertEqual(code(GOOD.replace("# note", said), 33), judge.PASSED)
        self.assertEqual(code("watchdog: CPU 2: soft lockup for 10 s\n" + REPORT, 33), judge.PASSED)

    def test_panic_outranks_all(self):
        for exit_code in (37, 33, 35, 0, None):
            self.assertEqual(code(PANIC, exit_code), judge.PANIC)
        self.assertEqual(code(PANIC, None, timed_out=True), judge.PANIC)
        self.assertEqual(code(GOOD, 37), judge.PANIC)

    def test_out_of_time(self):
        self.assertEqual(code(GOOD.split("ok 3")[0], None, timed_out=True), judge.TIMEOUT)
        self.assertEqual(code(FAILED, None, timed_out=True), judge.TIMEOUT)

    def test_reset(self):
        self.assertEqual(code(GOOD.split("ok 3")[0], 0), judge.RESET)
        self.assertEqual(code(GOOD, 0), judge.RESET)
        self.assertEqual(code(GOOD.split("ok 3")[0]), judge.RESET)
        self.assertEqual(code(GOOD.split("ok 3")[0] + GOOD), judge.RESET)
        self.assertEqual(code(""), judge.RESET)

    def test_contradictions(self):
        for text in (GOOD.replace("1..3", "1..4"), GOOD.replace("1..3", ""),
                     GOOD.replace("ok 2", "ok 1"), GOOD.replace("1..3", "1..3\n1..3"),
                     GOOD.replace("# verdict pass", ""),
                     "TAP version 13\n1..0\n# verdict pass\n"):
            self.assertEqual(code(text, 33), judge.BROKEN, text)

    def test_qemu_failed(self):
        for exit_code in (1, -6, -11, 41, 127):
            self.assertEqual(code("", exit_code), judge.BROKEN)
            self.assertEqual(code(GOOD, exit_code), judge.BROKEN)

    def test_without_serial_line(self):
        wanted = {33: judge.PASSED, 35: judge.FAILED, 37: judge.PANIC, 0: judge.RESET,
                  1: judge.BROKEN}
        for exit_code, status in wanted.items():
            self.assertEqual(judge.judge_silent(exit_code).code, status)
        self.assertEqual(judge.judge_silent(None, timed_out=True).code, judge.TIMEOUT)

    def test_torn_and_foreign_lines_do_not_count(self):
        self.assertEqual(code(GOOD.replace("ok 3", "xok 3"), 33), judge.BROKEN)
        self.assertEqual(code(GOOD.replace("# verdict pass", "x # verdict pass"), 33), judge.BROKEN)
        self.assertEqual(code("not ok 1 - firmware\n" + GOOD, 33), judge.PASSED)

    def test_escapes(self):
        self.assertEqual(judge.plain("\x1b[1;31mok\x1b[0m 1\x1b]0;title\x07\x1b(B!\r\nx\ry\x00"),
                         "ok 1!\nx\ny")


class WholeRuns(unittest.TestCase):
    """tests/run from command line to exit status, with a script for a QEMU."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="nudge-selftest-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.elf = self.file("kernel.bin", "\x7fELF")
        self.iso = self.file("image.iso", "image")

    def file(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="latin-1") as out:
            out.write(text)
        return path

    def run_with(self, script, *arguments):
        """Run tests/run with a shell script in QEMU's place; (status, output)."""
        fake = self.file("qemu", "#!/bin/sh\n" + script)
        os.chmod(fake, 0o755)
        done = subprocess.run([os.path.join(TESTS, "run"), *arguments],
                              env=dict(os.environ, QEMU=fake), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60,
                              universal_newlines=True, check=False)
        return done.returncode, done.stdout

    def says(self, text, status):
        path = self.file("serial", text)
        return "cat %s; exit %d" % (path, status)

    def test_every_status(self):
        cases = [(GOOD, 33, 0), (FAILED, 35, 1), (PANIC, 37, 2), ("", 1, 4), (GOOD, 35, 1),
                 (GOOD, 0, 5), (GOOD.replace("1..3", "1..4"), 33, 4)]
        for text, exit_code, wanted in cases:
            status, output = self.run_with(self.says(text, exit_code), "--image", self.elf,
                                           "--", "run=test")
            self.assertEqual(status, wanted, output)
            self.assertEqual("# again: tests/run --image" in output, wanted != 0)

    def test_an_old_qemu_is_named(self):
        greeting = '{"QMP": {"version": {"qemu": {"micro": 1, "minor": %d, "major": %d}}}}'
        for major, minor, old in ((7, 2, True), (8, 9, True), (9, 0, False), (10, 0, False)):
            script = 'for a; do case $a in socket,id=qmp,fd=*) fd=${a##*=} ;; esac; done\n' \
                     "echo '%s' >&$fd\n" % (greeting % (minor, major))
            status, output = self.run_with(script + self.says(GOOD, 33), "--image", self.elf)
            self.assertEqual(status, 0, output)
            said = "QEMU %d.%d.1 is older than 9.0" % (major, minor)
            self.assertEqual(said in output, old, output)

    def test_out_of_time_kills(self):
        status, output = self.run_with("echo alive; " + SLEEP, "--image", self.elf,
                                       "--timeout", "1")
        self.assertEqual(status, 3, output)
        self.assertIn("alive", output)

    def test_panic_before_c_ends_it(self):
        serial = self.file("serial", "SeaBIOS\nnudge: PANIC: this CPU has none\r\n")
        status, output = self.run_with("cat %s; %s" % (serial, SLEEP), "--image", self.elf,
                                       "--timeout", "30", "--", "run=test")
        self.assertEqual(status, 2, output)

    def test_lines_are_typed_at_prompts(self):
        script = ("printf 'nudge> '; read -r one; printf 'got %s\\nnudge> ' \"$one\"; "
                  "read -r two; printf 'got %s\\n# verdict pass\\n' \"$two\"; exit 33")
        status, output = self.run_with(script, "--image", self.elf, "--timeout", "10", "--type",
                                       "runq", "--type", "quit", "--", "run=monitor")
        self.assertEqual(status, 0, output)
        self.assertIn("got runq", output)
        self.assertIn("got quit", output)

    def test_halt_ends_at_the_verdict(self):
        script = self.says(REPORT, 0).replace("exit 0", SLEEP)
        status, output = self.run_with(script, "--image", self.elf, "--timeout", "30", "then=halt")
        self.assertEqual(status, 0, output)

    def test_harness_failures(self):
        for arguments in (["--no-such-option"], ["--image", "/does/not/exist"], ["--smp"],
                          ["--image", self.elf, "--firmware", "uefi"], ["--log", "/does/not/exist"],
                          ["--image", self.elf, "--fw-cfg", "nothing"]):
            status, output = self.run_with("exit 33", *arguments)
            self.assertEqual(status, 4, output)
            self.assertIn("tests/run: ", output)

    def test_words_reach_the_kernel(self):
        for image, wanted in ((self.elf, "-append\nrun=test a=b then=exit\n"),
                              (self.iso, "string=run=test a=b then=exit\n")):
            _, output = self.run_with('printf "%s\\n" "$@"', "--image", image, "--", "run=test",
                                      "a=b")
            self.assertIn(wanted, output)
        _, output = self.run_with('printf "%s\\n" "$@"', "--image", self.iso, "test=a.*,b")
        self.assertIn("string=test=a.*,,b then=exit", output)

    def test_more_options_come_last(self):
        _, output = self.run_with('printf "%s " "$@"', "--image", self.elf, "--qemu", "-vga none")
        self.assertTrue(output.split("#")[0].rstrip().endswith("-serial stdio -vga none"), output)

    def test_seed_in_the_again_line(self):
        script = self.says("# torture seed=91 cpus=8\n" + FAILED, 35)
        _, output = self.run_with(script, "--smp", "8", "--image", self.elf, "--", "run=test")
        self.assertIn("again: tests/run --smp 8 --image %s -- run=test seed=91\n" % self.elf,
                      output)

    def test_qemus_own_words_are_shown(self):
        _, output = self.run_with("echo broken >&2; exit 1", "--image", self.elf)
        self.assertIn("# qemu: broken", output)

    def test_saved_log(self):
        for text, wanted in ((GOOD, 0), (FAILED, 1), (PANIC, 2), ("", 5)):
            status, output = self.run_with("exit 9", "--log", self.file("saved", text))
            self.assertEqual(status, wanted, output)

    def test_quiet_and_silent(self):
        status, output = self.run_with(self.says(GOOD, 33), "--image", self.elf, "--quiet")
        self.assertEqual((status, output.count("\n")), (0, 1), output)
        status, output = self.run_with("exit 35", "--image", self.elf, "--no-serial")
        self.assertEqual(status, 1, output)


class CommandLine(unittest.TestCase):
    """Small parts of the machine's description."""

    def test_cpu_count(self):
        for spec, count in (("8", 8), ("6,sockets=2,cores=3", 6), ("cpus=300,maxcpus=301", 300),
                            ("sockets=2,cores=2,threads=2", 8)):
            self.assertEqual(machine.cpu_count(spec), count)

    def test_again_line_keeps_a_given_seed(self):
        again = load_script("run").again
        line = "# again: tests/run "
        self.assertEqual(again(["--", "seed=1"], ["seed=1"], "seed=2"), line + "-- seed=1")
        self.assertEqual(again(["--smp", "2"], [], "seed=7"), line + "--smp 2 -- seed=7")
        self.assertEqual(again(["a=b"], ["a=b"], "seed=7"), line + "a=b seed=7")
        self.assertEqual(again(["a=b"], ["a=b"], ""), line + "a=b")


class Bochs(unittest.TestCase):
    """Boot words written into an image, which must not move a byte of it."""

    def test_words(self):
        with open(os.path.join(os.path.dirname(TESTS), "iso", "grub.cfg"), "rb") as config:
            data = b"before" + b"\n" + config.read() + b"after"
        patched = bochs.with_words(data, ["run=test", "then=halt"])
        self.assertEqual(len(patched), len(data))
        self.assertIn(b'\nset words="run=test then=halt"\n#', patched)
        self.assertEqual(patched.count(b"\n"), data.count(b"\n") - 1)
        for image, words in ((b"no configuration", ["a"]), (data, ["a" * 100])):
            with self.assertRaises(machine.HarnessError):
                bochs.with_words(image, words)


class Symbols(unittest.TestCase):
    """Source lines out of a real, tiny ELF."""

    def setUp(self):
        if not shutil.which("gcc") or not shutil.which("addr2line"):
            self.skipTest("no gcc or addr2line here")
        folder = tempfile.mkdtemp(prefix="nudge-selftest-")
        self.addCleanup(shutil.rmtree, folder)
        source, self.elf = os.path.join(folder, "a.c"), os.path.join(folder, "a.elf")
        with open(source, "w", encoding="ascii") as out:
            out.write("int deep(int x)\n{\n\treturn x * 3 + 1;\n}\n"
                      "void _start(void) { deep(2); }\n")
        subprocess.run(["gcc", "-g", "-O0", "-static", "-nostdlib", "-o", self.elf, source],
                       check=True)
        symbols_of = subprocess.run(["nm", self.elf], stdout=subprocess.PIPE,
                                    universal_newlines=True, check=True).stdout.splitlines()
        self.deep = next(int(line.split()[0], 16) for line in symbols_of if line.endswith(" deep"))

    def test_log(self):
        block = symbols.lines_of_log(self.elf, "PANIC\n  rip deep+0x4\n  unknown+0x5\n")
        self.assertEqual(block[0], "# lines")
        self.assertRegex(block[1], r"^#   deep\+0x4  .*a\.c:[23]$")
        self.assertEqual(len(block), 2)

    def test_registers(self):
        dump = "".join("\r\nCPU#%d\r\nRAX=0\r\nRIP=%016x RFL=2 HLT=%d\r\n" % (i, self.deep, i > 0)
                       for i in range(4))
        lines = symbols.where_cpus_are(self.elf, dump)
        self.assertEqual(len(lines), 2)
        self.assertRegex(lines[0], r"^# cpu 0: rip [0-9a-f]+ deep \(.*a\.c:\d+\)$")
        self.assertRegex(lines[1], r"^# cpu 1-3: .*, halted$")


class Tables(unittest.TestCase):
    """The MADTs are damaged exactly where they mean to be."""

    def test_checksums_and_lengths(self):
        for name, data in madt.tables().items():
            if name == "header-cut":
                continue
            good_sum = sum(data) & 0xff == 0
            self.assertEqual(good_sum, name != "checksum", name)
            length = struct.unpack_from("<I", data, 4)[0]
            lies = name in ("header-short", "header-huge")
            self.assertEqual(length == len(data), not lies, name)

    def test_good_table_walks_to_its_end(self):
        data, at, kinds = madt.tables()["good"], madt.HEADER, []
        while at < len(data):
            kinds.append(data[at])
            at += data[at + 1]
        self.assertEqual(at, len(data))
        self.assertEqual(kinds.count(madt.LAPIC), len(madt.CPUS))

    def test_entry_sizes(self):
        wanted = {0: 8, 1: 12, 2: 10, 4: 6, 5: 12, 9: 16, 10: 12}  # ACPI 6.5 §5.2.12
        self.assertEqual({kind: len(madt.sample(kind)) for kind in madt.TYPES}, wanted)
        self.assertEqual({kind: madt.sample(kind)[1] for kind in madt.TYPES}, wanted)

    def test_every_type_is_damaged_in_two_ways(self):
        names = set(madt.tables())
        for kind in madt.TYPES:
            self.assertTrue({"zero-%d" % kind, "past-%d" % kind} <= names)
            self.assertIn(bytes([kind, 2]), madt.tables()["short"])



if __name__ == "__main__":
    unittest.main()
