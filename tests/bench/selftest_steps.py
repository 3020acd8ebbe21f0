"""Tests of what takes a figure apart, step by step; selftest.py runs them."""

import os
import shutil
import tempfile
import unittest
from unittest import mock

from bench import boots, record, steps, table, trace
from harness.machine import HarnessError


class Steps(unittest.TestCase):
    """Instructions and the steps they belong to."""

    def test_log(self):
        lines = [b"Trace 0: 0x7f [00000000/ffffffff80000010/c0de/ff] a\n", b"noise\n",
                 b"Trace 1: 0x7f [00000000/ffffffff80000020/c0de/ff] b\n",
                 b"Stopped execution of TB chain before 0x7f [ffffffff80000020] b\n",
                 b"Trace 0: 0x7f [00000000/ffffffff80000013/c0de/ff] a\n",
                 b"Trace 1: 0x7f [00000000/ffffffff80000020/c0de/ff] b\n",
                 b"Trace 0: 0x7f [00000000/ffffffff80000016/c0de/ff] the end is cut off\n"]
        self.assertEqual([(cpu, address & 0xff) for cpu, address in trace.executed(lines)],
                         [(0, 0x10), (0, 0x13), (1, 0x20)])

    def test_window(self):
        code = {0: "lfence", 3: "rdtsc", 5: "nop", 20: "rdtsc"}
        path = [trace.Step(0, address) for address in
                (0, 3, 5, 20, 0, 3, 5, 5, 0, 3, 20, 20, 0, 3)]
        found, _ = trace.window(path, code, 4, passed=0)
        self.assertEqual(found, path[1:5])
        self.assertEqual(trace.window(path, code, 4, passed=2)[0], path[9:13])
        self.assertEqual(trace.window(path, code, 5, passed=0), (None, {4: 3}))

    def place(self, function, line="", file="kernel/smp/call.c"):
        return steps.Place([function, "outer"], ["", line], file)

    def test_rules(self):
        cases = [("checks", "mov", self.place("f")), ("fence", "mfence", self.place("f")),
                 ("claim", "mov", self.place("f", "\tcsd->info = info;")),
                 ("accounting", "addq", self.place("csd_queue", "\tthis_cpu->ipi_sent[V]++;")),
                 ("enqueue", "lock", self.place("llist_add")),
                 (steps.MEASURING, "lfence", self.place("cycles_ordered", file="tests/bench/a.c")),
                 ("outer()", "mov", self.place("f", file="lib/string.c"))]
        for wanted, code, place in cases:
            self.assertEqual(steps.by_rules(steps.SENDER, code, place), wanted)

    def test_drain_is_no_dispatch(self):
        """Both are in one file: what takes the queue apart is known by its functions."""
        vectors = "kernel/smp/vectors.c"
        for function in ("drain", "run_all", "run_one_waited", "run_unwaited", "run", "csd_of",
                         "llist_del_all", "llist_reverse_order"):
            place = self.place(function, file=vectors)
            self.assertEqual(steps.by_rules(steps.TARGET, "mov", place), "drain")
        for function in ("on_call_function_single", "on_call_function", "on_reschedule"):
            place = steps.Place([function], [""], vectors)
            self.assertEqual(steps.by_rules(steps.TARGET, "ret", place), "dispatch")

    def test_target(self):
        stub = self.place("isr", file="arch/isr.S")
        spin = self.place("spin", file="tests/bench/runner.c")
        called = self.place("nothing", file="tests/bench/call.c")
        target = steps.Target()
        walk = [("pause", spin), ("push", stub), ("mov", self.place("drain")), ("ret", called),
                ("pop", stub), ("iretq", stub), ("pause", spin)]
        self.assertEqual([target.step(*now) for now in walk],
                         [steps.LOOP, steps.ENTRY, "drain", steps.FUNCTION, steps.EXIT, steps.EXIT,
                          steps.LOOP])

    def test_thread_behind_an_interrupt(self):
        stub = self.place("isr", file="arch/isr.S")
        switch = self.place("schedule", file="kernel/sched/sched.c")
        target = steps.Target()
        walk = [("push", stub), ("mov", self.place("drain")), ("cmp", stub), ("mov", switch),
                ("ret", self.place("woken", file="tests/bench/wake_bench.c")), ("pop", stub)]
        self.assertEqual([target.step(*now) for now in walk][2:],
                         [steps.EXIT, steps.SWITCH, steps.FUNCTION, steps.EXIT])

    def test_the_page_has_the_main_rows(self):
        found = [steps.Instruction(0, 1, "mov", None, "checks")]
        with mock.patch.object(steps, "take", lambda *_: found):
            page = steps.markdown("elf")
        others = [metric for metrics in steps.OTHER_METRICS for metric in metrics]
        for metric in [steps.MAIN_METRIC] + others:
            self.assertIn("`%s`" % metric, page)
        self.assertLessEqual(set(others), {row["name"] for row in table.goals()["rows"]})

    def test_the_pages_sums(self):
        """In docs/numbers.md the steps add up to the medians beside them."""
        text = record.read_text(os.path.join(steps.ROOT, "docs", "numbers.md"))
        found, sums, head = record.parse(text).figures, {}, []
        for line in record.block(text, "breakdown").splitlines():
            cells = [cell.strip(" `") for cell in line.split("|")[3:-1]]
            head = cells if line.startswith("| CPU |") else head
            if line.startswith("|  | sum |"):
                sums.update(zip(head, map(int, cells)))
        wanted = {mode: found[steps.MAIN_METRIC, 2, mode] for mode in boots.MODES}
        wanted.update((metric, found[metric, 2, "xapic"])
                      for metrics in steps.OTHER_METRICS for metric in metrics)
        self.assertEqual(sums, wanted)

    def test_sum_holds_everything(self):
        known = {1: self.place("f"), 2: self.place("g", file="lib/x.c")}
        found = steps.attribute([trace.Step(0, 1), trace.Step(0, 2), trace.Step(1, 1)],
                                {1: "mov", 2: "mov"}, known)
        rows = steps.rows({"xapic": found, "x2apic": found[:1]})
        self.assertEqual(rows[-1][2:], ["3", "1"])
        self.assertIn(["sender", "outer()", "1", "0"], rows)


class Tracing(unittest.TestCase):
    """A trace that did not come about is no fault of the benchmark's."""

    def refused(self, script, why):
        folder = tempfile.mkdtemp(prefix="nudge-selftest-")
        self.addCleanup(shutil.rmtree, folder)
        elf = os.path.join(folder, "nudge.elf")
        for name, text in (("nudge.elf", "\x7fELF"), ("qemu", "#!/bin/sh\n" + script)):
            with open(os.path.join(folder, name), "w", encoding="latin-1") as file:
                file.write(text)
        os.chmod(os.path.join(folder, "qemu"), 0o755)
        with mock.patch.dict(os.environ, QEMU=os.path.join(folder, "qemu")), \
                mock.patch.multiple(trace, disassembly=lambda _: {}, address_of=lambda *_: 0,
                                    SECONDS=1, GOODBYE_SECONDS=1), \
                self.assertRaisesRegex(HarnessError, why):
            trace.take(elf, 2, "xapic", "call.self", 40)

    def test_ends(self):
        self.refused("echo no such machine >&2; exit 1", "status 1: no such machine")
        self.refused("kill -ABRT $$", "status -6: it said nothing")
        self.refused("exec sleep 60", "ended after 1 s")
        self.refused("exit 33", "debugger does not answer")
