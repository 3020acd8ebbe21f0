#!/usr/bin/env python3
"""Tests of what takes and compares the figures: a wrong number must never look right.

Logs and tables are judged as text; selftest_runs.py makes whole runs with a shell script
in QEMU's place, selftest_steps.py has what takes a figure apart.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from types import SimpleNamespace

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.dirname(HERE))

from bench import boots, figures, record, sizes, table  # noqa: E402
from bench.selftest_runs import RESULT, RUN, SKIP, Whole, result  # noqa: E402,F401  (Whole is run)
from bench.selftest_steps import Steps, Tracing  # noqa: E402,F401  (both are run)
from harness.machine import HarnessError  # noqa: E402  (the path comes first)


def outcome(text, exit_code=33, timed_out=False):
    return SimpleNamespace(text=text, exit_code=exit_code, timed_out=timed_out, notes=[])


def taken(**medians):
    """What boots.take_all gives for 2 CPUs, names with _ for the dots."""
    def of(apic, more):
        return figures.Figures({"commit": "abc"}, {
            name.replace("_", "."): dict(RESULT, p50=p50 + more, apic=apic)
            for name, p50 in medians.items()}, {})
    return {(2, "xapic"): of("xapic", 0), (2, "x2apic"): of("x2apic", 3)}


class Parsing(unittest.TestCase):
    """Every way in which a log can be wrong is an error, and says so."""

    def refused(self, text, why, cpus=2):
        with self.assertRaisesRegex(HarnessError, why):
            figures.parse(text, cpus, "xapic")

    def test_good(self):
        found = figures.parse("SeaBIOS\x1b[2J\r\n" + RUN + result() + SKIP, 2, "xapic")
        self.assertEqual(found.run["compiler"], "gcc 12.2.0")
        self.assertEqual(found.results, {"call.self": RESULT})
        self.assertEqual(found.skips, {"many": "needs 3 CPUs"})

    def test_bad_lines(self):
        self.refused(RUN + result()[:60], "cannot read")
        self.refused(result(), "no '# bench-run'")
        self.refused(RUN + RUN + result(), "twice")
        self.refused(RUN + result() + result(), "two results for call.self")
        self.refused(RUN.replace('"abc"', '""'), "missing commit")

    def test_bad_figures(self):
        for key in figures.NUMBERS + figures.TEXTS:
            self.refused(RUN + result(**{key: None}), "missing " + key)
        for bad in (-1, "40", 40.5, True):
            self.refused(RUN + result(p50=bad), "missing p50")
        self.refused(RUN + result(p50=42), "out of order")
        self.refused(RUN + result(n=0), "no samples")

    def test_another_machine(self):
        self.refused(RUN + result(), "8 CPUs were asked for, 2 came online", cpus=8)
        self.refused(RUN + result(apic="x2apic"), "ran in x2apic mode")

    def test_boots_that_end_badly(self):
        good = RUN + result() + "# verdict pass\r\n"
        self.assertEqual(len(figures.of_outcome(outcome(good), 2, "xapic").results), 1)
        cases = [(good.replace("# verdict pass", ""), 33, False, "no verdict"),
                 (good.replace("# verdict pass", ""), None, False, "without a verdict"),
                 (good, 35, False, "fail"), (good, 0, False, "reset"), (good, 134, False, "134"),
                 (good, None, True, "out of time"), (good, 37, False, "panic"),
                 ("", 1, False, "empty"), (RUN + "# verdict pass\n", 33, False, "no benchmark"),
                 (RUN + "# bench=x names no benchmark\n# verdict fail\n", 35, False, "bench=x")]
        for text, exit_code, timed_out, why in cases:
            with self.assertRaisesRegex(HarnessError, why):
                figures.of_outcome(outcome(text, exit_code, timed_out), 2, "xapic")


class Boots(unittest.TestCase):
    """Which boots a table needs."""

    rows = [{"name": "a", "cpus": 2}, {"name": "a", "cpus": 8}, {"name": "b", "cpus": 64},
            {"name": "size", "cpus": 0}]

    def test_counts(self):
        self.assertEqual(boots.counts(self.rows, False), [2, 8, 64])
        self.assertEqual(boots.counts(self.rows, True), [2, 8])

    def test_patterns(self):
        def patterns(*args):
            return boots.patterns_for(self.rows, *args)
        self.assertEqual(patterns([], 2), ["*"])
        self.assertEqual(patterns(["a", "b"], 8), ["a"])
        self.assertEqual(patterns(["a"], 64), [])

    def test_patterns_fit_into_the_word(self):
        names = ["metric.%02d" % i for i in range(40)]
        lists = boots.pattern_lists(names)
        self.assertEqual(",".join(lists).split(","), names)
        self.assertLessEqual(max(map(len, lists)), boots.WORD_CHARACTERS)
        self.assertGreater(min(map(len, lists[:-1])), boots.WORD_CHARACTERS - 11)

    def test_the_kernels_limit(self):
        with open(os.path.join(HERE, "runner.c"), encoding="utf-8") as source:
            size = re.search(r"char wanted\[(\d+)\]", source.read())
        self.assertEqual(boots.WORD_CHARACTERS, int(size.group(1)) - 1)

    def test_differences(self):
        one, other = taken(call_self=40, b=5), taken(call_self=41, b=5)
        self.assertEqual(boots.differences(one, one), [])
        self.assertEqual(boots.differences(one, other), ["call.self @2 x2apic: 43, then 44",
                                                         "call.self @2 xapic: 40, then 41"])
        self.assertEqual(len(boots.differences(one, taken(b=5))), 2)

    def test_samples_of_rows_with_a_goal(self):
        def check(n, cpus=2, **goal):
            found = {(cpus, "xapic"): figures.Figures({}, {"a": dict(RESULT, n=n)}, {})}
            figures.check_samples([dict(name="a", cpus=cpus, **goal)], found)
        check(2000, must=1)
        check(300, cpus=32, must=1)
        check(3, must=1, samples=3)
        check(200)
        for n, more in ((200, {}), (300, {}), (2000, {"cpus": 32}), (2000, {"samples": 3})):
            with self.assertRaisesRegex(HarnessError, "%d samples, the method wants" % n):
                check(n, must=1, **more)

    def test_the_methods_numbers(self):
        text = record.read_text(os.path.join(HERE, "method.h"))
        for name in ("SAMPLES", "SAMPLES_MANY_CPUS", "MANY_CPUS"):
            self.assertIn((name, str(getattr(figures, name))),
                          re.findall(r"#define (\w+) +(\d+)", text))

    def test_two_kernels(self):
        one = figures.Figures({"commit": "a"}, {}, {})
        with self.assertRaisesRegex(HarnessError, "two kernels"):
            boots.joined(one, one._replace(run={"commit": "b"}))


class Tables(unittest.TestCase):
    """Rows, goals and ratios."""

    data = {"identity": {"version": "6"}, "rows": [
        {"name": "call.self", "cpus": 2, "linux": 88, "must": 40, "stretch": 25},
        {"name": "wake", "cpus": 2, "linux": 5409, "must": 400, "stretch": 250},
        {"name": "boot.online", "cpus": 4}, {"name": "boot.online", "cpus": 64},
        {"name": "boot.online", "cpus": 255},
        {"name": "size.text", "cpus": 0, "must": 100}]}

    def rows(self, found=None, in_bytes=None, unmeasured=None):
        return table.rows_of(self.data, found or taken(call_self=40, other=7), in_bytes or {},
                             unmeasured or {})

    def test_rows(self):
        rows = {row.name: row for row in self.rows(in_bytes={"size.text": 101})}
        self.assertEqual((rows["call.self"].nudge, rows["call.self"].x2apic), (40, 43))
        self.assertEqual(rows["wake"].note, table.NOT_YET)
        self.assertEqual((rows["other"].nudge, rows["other"].linux), (7, None))
        self.assertEqual(table.reached(rows["size.text"]), "no, +1")

    def test_reasons(self):
        found = taken(call_self=40)
        found[2, "xapic"].skips["wake"] = "no threads"
        rows = {row.name: row for row in self.rows(found, unmeasured={"size.text": "no file"})}
        self.assertEqual(rows["wake"].note, "skipped: no threads")
        self.assertEqual(table.cells(rows["size.text"])[-1], "no file")

    def test_growth(self):
        found = {(cpus, apic): figures.Figures(
            {}, {"boot.online": dict(RESULT, p50=1000 * cpus)}, {})
                 for cpus in (4, 64, 255) for apic in boots.MODES}
        found[255, "xapic"].results["boot.online"]["p50"] += 191000
        rows = [row for row in self.rows(found) if row.name == "boot.online.each"]
        self.assertEqual([(row.cpus, row.nudge, row.x2apic) for row in rows],
                         [(64, 1000, 1000), (255, 2000, 1000)])

    def test_flat(self):
        """What must not grow with the CPUs is judged by what it takes at fewer."""
        goal = {"name": "flat", "cpus": 8, "must": 60, "flat_from": 2}
        for few, wanted in ((75, 60), (50, 50), (None, 60)):
            found = taken(other=1) if few is None else taken(flat=few)
            self.assertEqual(table.limit(goal, found), wanted)
        self.assertEqual(table.limit({"name": "flat", "cpus": 8}, taken(flat=9)), None)
        flat = {row["cpus"]: row.get("flat_from") for row in table.goals()["rows"]
                if row["name"] == "tlb.page.remote"}
        self.assertEqual(flat, {2: None, 8: 2, 64: 8})

    def test_reached_and_ratio(self):
        row = table.Row("a", 2, 88, 40, None, 40, 25, None)
        for nudge, wanted in ((40, "yes"), (41, "no, +1"), (25, "stretch"), (26, "yes"),
                              (None, "-")):
            self.assertEqual(table.reached(row._replace(nudge=nudge)), wanted)
        self.assertEqual((table.ratio(row), table.ratio(row._replace(linux=None))), ("2.2", "-"))

    def test_goals_are_complete(self):
        rows = table.goals()["rows"]
        keys = [(row["name"], row["cpus"]) for row in rows]
        self.assertEqual(len(keys), len(set(keys)))
        self.assertLessEqual(set(table.SELECTION), set(keys))
        for row in rows:
            self.assertTrue(row["what"], row)
            self.assertLessEqual(set(row), {"name", "cpus", "linux", "must", "stretch", "what",
                                            "samples", "flat_from"})
            if "linux" in row:
                self.assertLess(row["stretch"], row["must"], row)
                self.assertLess(row["must"], row["linux"], row)


class Recorded(unittest.TestCase):
    """docs/numbers.md, written and read back."""

    def page(self, rows):
        text = "# x\n\n%s\n%s\n\nmore\n" % record.markers("figures")
        return record.with_block(text, "figures", record.content(
            table.goals(), rows, ("abc", "gcc 12.2.0", "10.0.2")))

    def row(self, nudge=1000, **more):
        return table.Row("a.b", 2, 8800, nudge, 2345, 4000, 2500, None)._replace(**more)

    def test_round_trip(self):
        page = self.page([self.row(), self.row(name="size", cpus=0, x2apic=None)])
        found = record.parse(page)
        self.assertEqual(found[:3], ("abc", "gcc 12.2.0", "10.0.2"))
        self.assertEqual(found.figures, {("a.b", 2, "xapic"): 1000, ("a.b", 2, "x2apic"): 2345,
                                         ("size", 0, "xapic"): 1000})
        self.assertEqual(record.with_block(page, "figures", record.block(page, "figures")), page)
        self.assertTrue(page.endswith("\n\nmore\n"))

    def test_pages_that_cannot_be_read(self):
        page = self.page([self.row()])
        for bad, why in (("", "no recorded"), (page.replace("QEMU", "qemu"), "no recorded"),
                         (page.replace("| 1,000 |", "| 1.0k |"), "row of a.b"),
                         (page.replace("| 2,345 |", "|"), "row of a.b"),
                         (page.replace("`a.b`", "a.b"), "empty")):
            with self.assertRaisesRegex(HarnessError, why):
                record.parse(bad)
        with self.assertRaises(HarnessError):
            record.with_block(page, "breakdown", "x")

    def test_tolerance(self):
        for new, worse in ((1000, False), (1050, False), (1051, True), (1, False)):
            self.assertEqual(record.is_worse(1000, new), worse)
        self.assertTrue(record.is_worse(0, 1))

    def changes(self, *rows, booted=((0, "xapic"), (2, "xapic"), (2, "x2apic"))):
        old = record.parse(self.page([self.row()]))
        return [(c.apic, c.new, c.worse) for c in record.changes(old, rows, booted)]

    def test_changes(self):
        self.assertEqual(self.changes(self.row()), [])
        self.assertEqual(self.changes(self.row(1051)), [("xapic", 1051, True)])
        self.assertEqual(self.changes(self.row(990)), [("xapic", 990, False)])
        self.assertEqual(self.changes(self.row(x2apic=9999)), [("x2apic", 9999, True)])
        self.assertEqual(self.changes(self.row(), self.row(name="new", x2apic=None)),
                         [("xapic", 1000, False)])
        self.assertEqual(self.changes(), [("xapic", None, True), ("x2apic", None, True)])
        self.assertEqual(self.changes(booted=((2, "xapic"),)), [("xapic", None, True)])
        self.assertEqual(self.changes(booted=((0, "xapic"), (8, "xapic"))), [])


class Sizes(unittest.TestCase):
    """Bytes of instructions out of real, tiny objects."""

    def setUp(self):
        if not shutil.which("gcc") or not shutil.which("size"):
            self.skipTest("no gcc or size here")
        self.root = tempfile.mkdtemp(prefix="nudge-selftest-")
        self.addCleanup(shutil.rmtree, self.root)

    def add(self, stem, size, with_source=True):
        source = os.path.join(self.root, stem + ".S")
        target = os.path.join(self.root, "build", "obj", stem + ".o")
        for path in (source, target):
            os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(source, "w", encoding="ascii") as file:
            file.write('.text\n.zero %d\n.section .text.isr, "ax"\n.zero 2\n.data\n.zero 64\n'
                       '.section .boot.text, "ax"\n.zero 3\n.section .boot.data, "a"\n.zero 99\n'
                       % size)
        subprocess.run(["gcc", "-c", source, "-o", target], check=True)
        if not with_source:
            os.remove(source)

    def test_text(self):
        build = os.path.join(self.root, "build")
        with self.assertRaisesRegex(HarnessError, "no object files"):
            sizes.text_bytes(build, self.root)
        self.add("kernel/a", 10)
        self.add("lib/b", 20)
        self.add("tests/kernel/c", 40)
        self.add("kernel/gone", 80, with_source=False)
        self.assertEqual(sizes.text_bytes(build, self.root), 10 + 20 + 2 * (2 + 3))

    def test_image(self):
        elf, image = (os.path.join(self.root, "nudge" + end) for end in (".elf", ".iso"))
        self.assertIn("there is no", sizes.image_bytes(self.root, elf)[1])
        for path in (elf, image):
            with open(path, "wb") as file:
                file.write(b"12345")
        self.assertEqual(sizes.image_bytes(self.root, elf), (5, None))
        os.utime(image, (1, 1))
        self.assertIn("older", sizes.image_bytes(self.root, elf)[1])


if __name__ == "__main__":
    unittest.main()
