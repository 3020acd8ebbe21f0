"""Tests of tests/matrix, its table and what else counts rows; selftest.py runs them."""

import contextlib
import importlib.machinery
import importlib.util
import io
import os
import shutil
import subprocess
import tempfile
import unittest
from types import SimpleNamespace
from unittest import mock

from harness import machine, madt, platforms

HERE = os.path.dirname(os.path.realpath(__file__))
TESTS = os.path.dirname(HERE)


def load_script(name):
    """tests/run and tests/matrix are programs without .py; load one as a module."""
    loader = importlib.machinery.SourceFileLoader(name, os.path.join(TESTS, name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))
    loader.exec_module(module)
    return module


class Matrix(unittest.TestCase):
    """The platform table is sound, and the matrix counts rightly."""

    def setUp(self):
        self.matrix = load_script("matrix")
        with open(os.path.join(TESTS, "platforms.txt"), encoding="utf-8") as table:
            self.rows = platforms.parse(table.read())

    def test_rows(self):
        made = madt.tables()
        for row in self.rows:
            for word in row.arguments:
                if word.startswith("{build}/madt/"):
                    self.assertIn(os.path.basename(word)[:-4], made, row.name)
                self.assertNotIn("$", word, row.name)

    def test_rows_are_what_tests_run_accepts(self):
        run = load_script("run")
        for row in self.rows:
            if not row.command:
                run.parser().parse_intermixed_args(run.joined(row.arguments))

    def test_what_rows_have_in_common(self):
        one, two = platforms.parse("let some=test=a.*,b=c\na 0 1 9 -- $some\neach n=1\nb 0 1 9 -- $some n=$n\n")
        self.assertIn("test=a.*,b=c", one.arguments)
        self.assertEqual(two.arguments[-3:], ("test=a.*,b=c", "n=1", "run=test"))

    def test_expansion_and_marks(self):
        row, other = platforms.parse("[test]\neach n=1|2\na.$n 3 1 9 says='b c' needs=d --smp $n\n")
        self.assertEqual((row.name, row.says, row.needs), ("a.1", ("b c",), ("d",)))
        self.assertEqual(other.arguments, ("--timeout", "9", "--image", "{build}/nudge.elf",
                                           "--smp", "2", "--", "run=test"))
        for bad in ("a b c", "a 0 1 9 x\na 0 1 9 x"):
            with self.assertRaises(machine.HarnessError):
                platforms.parse(bad)

    def test_cpus_online(self):
        for rest, wanted in (("--smp 6,sockets=2,cores=3", 6), ("-- test=a", 4),
                             ("--smp 300 -- apic=xapic", 255), ("online=1 --smp 4", 1),
                             ("online=any --smp 4", None), ("--no-serial", None), ("$ true", None)):
            row, = platforms.parse("a 0 1 9 " + rest)
            self.assertEqual(row.online, wanted, rest)
        row, = platforms.parse("a 0 1 9 --smp 4")
        first, last = "cpus  ###... 3/4   1 failed  1 ms", "cpus  ###### 4/4   0 failed  2 ms"
        for log, wanted in ((first + "\n" + last, True), (first, False), ("", False)):
            self.assertEqual(self.matrix.problem_of(row, 0, log) is None, wanted, log)

    def printed(self, *lines):
        """Run rows of shell commands; (status, lines)."""
        folder = tempfile.mkdtemp(prefix="nudge-selftest-")
        self.addCleanup(shutil.rmtree, folder)
        self.matrix.BUILD, self.matrix.LOGS = folder, os.path.join(folder, "logs")
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            status = self.matrix.run_matrix(platforms.parse("\n".join(lines)), 2)
        return status, output.getvalue().splitlines()

    def outcome(self, *lines):
        """The same with the last line alone."""
        status, said = self.printed(*lines)
        return status, said[-1]

    def test_counts(self):
        self.assertEqual(self.outcome("a 0 1 9 $ true", "b 3 1 9 $ exit 3", "c 0 2 9 $ true"),
                         (0, "3 passed, 0 failed"))
        self.assertEqual(self.outcome("a 0 1 9 $ true", "b 0 1 9 $ false",
                                      "c 0 1 9 needs=no-such-tool $ true"),
                         (1, "1 passed, 1 failed, 1 skipped"))
        self.assertEqual(self.outcome("a 0 1 9 says='yes' $ echo no"), (1, "0 passed, 1 failed"))
        self.assertEqual(self.outcome("a 0 1 1 $ sleep 30"), (1, "0 passed, 1 failed"))
        self.assertEqual(self.outcome("a 0 1 9 needs=no-such-tool $ true"),
                         (1, "0 passed, 0 failed, 1 skipped"))

    def test_kvm_and_ovmf_are_needs(self):
        row = SimpleNamespace(needs=(), arguments=("--accel", "kvm"))
        missing = self.matrix.Missing()
        missing.known["kvm"] = "none"
        self.assertEqual(missing.reason(row), "none")

    def test_boot_figures(self):
        """Each beside its goal; GRUB's share from two machines that differ in nothing else."""
        echo = "%s 0 1 9 $ echo first test line after %s s, 2 s in all"
        said = self.printed(echo % ("bios.4", "1.25"), echo % ("pvh.4", "0.25"),
                            echo % ("q35.xapic.255", "9.5"), echo % ("most.bios.1024", "80"))[1]
        self.assertEqual([line for line in said if line.startswith("#")], [
            "# first test line, BIOS, 4 CPUs: 1.25 s (goal, on an idle host: 1.5 s)",
            "# first test line, 255 CPUs: 9.50 s (goal, on an idle host: 30 s)",
            "# first test line, BIOS, 1,024 CPUs: 80.00 s (goal, on an idle host: 150 s)",
            "# of it GRUB and its disk, 4 CPUs: 1.00 s"])
        self.assertFalse([line for line in self.printed(echo % ("pvh.4", "0.25"))[1]
                          if line.startswith("#")])
        rows = {row.name: row for row in self.rows}
        self.assertLessEqual({name for name, _, _ in self.matrix.BOOT_GOALS}, set(rows))
        machines = [[word for word in rows[name].arguments[2:] if not word.startswith("test=")]
                    for name in (self.matrix.BIOS_ROW, self.matrix.PVH_ROW)]
        for word in ("--firmware", "bios"):
            machines[0].remove(word)
        for word in ("--image", "{build}/nudge.elf"):
            machines[1].remove(word)
        self.assertEqual(*machines)

    def test_a_linux_that_cannot_be_had_is_named(self):
        error = self.matrix.Unavailable("apt knows no linux-image")
        with mock.patch.object(self.matrix.packages, "get", side_effect=error):
            self.assertEqual(self.printed("a 0 1 9 needs=linux $ true")[1][0].split(None, 2),
                             ["skip", "a", "apt knows no linux-image"])

    def test_a_linux_that_was_had_in_pieces_is_not_skipped(self):
        error = machine.HarnessError("dpkg-deb: broken")
        with mock.patch.object(self.matrix.packages, "get", side_effect=error):
            self.assertEqual(self.printed("a 0 1 9 needs=linux $ false")[1][0].split()[0], "FAIL")

    def test_what_a_passed_row_shows(self):
        row = "a 0 1 9 show='^since' $ echo before since; echo since then; echo more"
        self.assertEqual([line.split("| ")[1] for line in self.printed(row)[1] if "| " in line],
                         ["since then", "more"])
        for row in ("a 0 1 9 show='^never' $ echo more", "a 0 1 9 $ echo more"):
            self.assertFalse([line for line in self.printed(row)[1] if "more" in line])
        said = self.printed("a 0 1 9 show=1 $ seq 99")[1]
        self.assertEqual(len(said), 1 + self.matrix.SHOWN_LINES + 2)
        self.assertIn("logs/a.log has the rest", said[-2])

    def test_rows_with_totals_of_their_own(self):
        table = "$ echo '5 passed, %d failed'; exit %d"
        self.assertEqual(self.outcome("a 0 1 9 $ true", "b 0 1 9 " + table % (0, 0)),
                         (0, "6 passed, 0 failed"))
        self.assertEqual(self.outcome("b 0 1 9 " + table % (2, 1)), (1, "5 passed, 2 failed"))
        self.assertEqual(self.outcome("b 0 1 9 " + table % (0, 1)), (1, "5 passed, 1 failed"))

    def test_host_tests_that_are_not_there(self):
        """A folder without programs fails; one of a test that is gone is not run."""
        folder = tempfile.mkdtemp(prefix="nudge-selftest-")
        self.addCleanup(shutil.rmtree, folder)
        sources = [name[:-2] for name in os.listdir(os.path.join(TESTS, "host"))
                   if name.startswith(("test_", "fuzz_"))]

        def run(script, names):
            for name in names:
                with open(os.path.join(folder, name), "w", encoding="ascii") as program:
                    program.write("#!/bin/sh\n" + script)
                os.chmod(os.path.join(folder, name), 0o755)
            return subprocess.run([os.path.join(TESTS, "host", "run"), folder], check=False,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode
        self.assertEqual(run("", []), 1)
        self.assertEqual(run("echo ok 1\n", sources), 0)
        self.assertEqual(run("exit 1\n", ["test_of_what_is_gone"]), 0)
        self.assertEqual(run("true\n", sources[:1]), 1)
        self.assertEqual(run("echo ok 1; echo not ok 2\n", sources[:1]), 1)
