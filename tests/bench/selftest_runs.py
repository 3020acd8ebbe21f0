"""Whole runs of tests/bench/bench, with a shell script in QEMU's place.

So every exit status is seen to come out, without booting anything. selftest.py runs them.
"""

import contextlib
import importlib.machinery
import importlib.util
import io
import json
import os
import shutil
import tempfile
import unittest
from types import SimpleNamespace

from bench import boots, record
from harness import machine

HERE = os.path.dirname(os.path.realpath(__file__))

RUN = ('# bench-run {"commit":"abc","compiler":"gcc 12.2.0","cpu":"QEMU TCG","hypervisor":"QEMU",'
       '"sender":0,"target":1}\r\n')
SKIP = '# bench-skip {"name":"many","reason":"needs 3 CPUs"}\r\n'
RESULT = {"name": "call.self", "unit": "tsc", "cpus": 2, "n": 2000, "min": 38, "p50": 40,
          "p90": 40, "p99": 41, "max": 90, "apic": "xapic", "tsc_hz": 1000000000}


def result(**changed):
    """One line of a result, with some keys changed; None leaves the key out."""
    found = {key: value for key, value in dict(RESULT, **changed).items() if value is not None}
    return "# bench %s\r\n" % json.dumps(found)


QEMU = """#!/bin/sh
[ "$1" = --version ] && { echo "QEMU emulator version %s (x)"; exit; }
mode=xapic; cpus=2
for word; do
	case "$word" in *apic=x2apic*) mode=x2apic ;; esac
	[ "$last" = -smp ] && cpus=$word
	last=$word
done
sed "s/MODE/$mode/; s/CPUS/$cpus/" "$0.log"
%s
"""


class Whole(unittest.TestCase):
    """tests/bench/bench with a script in QEMU's place."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="nudge-selftest-")
        self.addCleanup(shutil.rmtree, self.folder)
        loader = importlib.machinery.SourceFileLoader("bench_script", os.path.join(HERE, "bench"))
        self.script = importlib.util.module_from_spec(
            importlib.util.spec_from_loader("bench_script", loader))
        loader.exec_module(self.script)
        for name in ("NUMBERS", "README"):
            setattr(self.script, name, os.path.join(self.folder, name))
        self.script.BUILD = self.folder
        self.script.steps = SimpleNamespace(markdown=lambda elf: "steps\n")
        self.sizes = {"size.text": 9}, {"size.image": "no image"}
        self.script.sizes = SimpleNamespace(measure=lambda *_: self.sizes)
        self.write("nudge.elf", "\x7fELF")
        self.write("README", "Nudge\n%s\n%s\n" % record.markers("figures"))
        self.write("NUMBERS", "%s\n%s\n%s\n%s\n" % (record.markers("figures")
                                                    + record.markers("breakdown")))
        before = os.environ.get("QEMU")
        os.environ["QEMU"] = os.path.join(self.folder, "qemu")
        self.addCleanup(lambda: os.environ.update(QEMU=before) if before
                        else os.environ.pop("QEMU"))
        self.qemu()

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, 0o755)

    def qemu(self, p50=40, version="10.0.2", run=RUN, end="# verdict pass\n", last="exit 33"):
        line = result(min=0, p50=p50, p90=p50, p99=p50, max=p50, apic="MODE", cpus=0)
        self.write("qemu", QEMU % (version, last))
        self.write("qemu.log", run + line.replace('"cpus": 0', '"cpus": CPUS') + end)

    def bench(self, *arguments):
        output = io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            status = self.script.main(list(arguments))
        return status, output.getvalue()

    def expect(self, wanted, says, *arguments):
        status, output = self.bench(*arguments)
        self.assertEqual(status, wanted, output)
        self.assertIn(says, output)
        return output

    def test_accept_then_compare(self):
        self.expect(4, "no recorded figures", "--short")
        self.expect(0, "Written", "--accept")
        self.assertIn("\nsteps\n", record.read_text(self.script.NUMBERS))
        self.expect(0, "no figure changed", "--short")
        self.qemu(30)
        self.expect(0, "Written", "--accept")
        self.qemu(31)
        self.expect(0, "within  call.self @2: 31, was 30 (+3.3 %)")
        self.qemu(40)
        self.expect(1, "worse   call.self @2: 40, was 30 (+33.3 %)", "--short")
        self.expect(0, "worse   call.self", "--short", "--never-fail")
        self.expect(0, "Written", "--accept")
        self.expect(0, "no figure changed", "--short")

    def test_a_goal_that_is_missed(self):
        """However little that is, and whatever the page says: it cannot be accepted away."""
        self.bench("--accept")
        self.qemu(42)
        said = self.expect(1, "over    call.self @2: 42, must reach 40", "--short")
        self.assertIn("within  call.self @2: 42, was 40 (+5.0 %)", said)
        self.assertIn("1 figures are over", said)
        self.expect(0, "over    call.self", "--short", "--never-fail")
        self.expect(1, "Written", "--accept")
        self.expect(1, "no figure changed", "--short")
        self.qemu(42, version="10.1.0")
        self.assertNotIn("over  ", self.expect(0, "Not judged", "--short"))

    def test_other_versions_are_not_judged(self):
        self.bench("--accept")
        self.qemu(80, version="10.1.0")
        self.expect(0, "Not judged", "--short")
        self.qemu(80, run=RUN.replace("12.2.0", "13.1.0"))
        self.expect(0, "Not judged: those were taken with gcc 12.2.0 and QEMU 10.0.2, these with"
                       " gcc 13.1.0 and QEMU 10.0.2", "--short")

    def test_rows(self):
        self.bench("--accept")
        self.assertNotIn("wake.oneway", self.expect(0, "no image", "--short"))
        self.assertIn("wake.oneway", self.expect(0, "not measured yet", "--short", "--all"))
        found = json.loads(record.read_text(os.path.join(self.folder, "bench.json")))
        self.assertEqual({(f["name"], f["cpus"], f["apic"], f["p50"]) for f in found["figures"]},
                         {("call.self", 2, "xapic", 40)})
        self.assertEqual(found["run"]["qemu"], "10.0.2")

    def test_no_image(self):
        """Whoever built the ELF alone has lost nothing; whoever's text has grown has."""
        self.sizes = {"size.text": 9, "size.image": 5}, {}
        self.bench("--accept")
        self.sizes = {"size.text": 9}, {"size.image": "no image"}
        self.expect(0, "no figure changed", "--short")
        self.sizes = {"size.text": 10, "size.image": 5}, {}
        self.expect(1, "worse   size.text: 10, was 9", "--short")

    def test_readme(self):
        self.expect(0, "Written to README.md", "--accept")
        page = record.read_text(self.script.README)
        self.assertIn("QEMU `10.0.2`.\n", page)
        self.assertIn("| `call.self`, a waited call to itself | 2 | 88 | 40 | 2.2 |", page)
        self.write("README", "Nudge\n")
        self.expect(4, "figures: begin", "--accept")

    def test_nothing_stale_after_a_failure(self):
        self.bench("--accept")
        out = os.path.join(self.folder, "bench.json")
        for change, why in (({"end": ""}, "no verdict was printed; the log ends with"),
                            ({"version": "8.2.0"}, "QEMU 8.2.0 is too old"),
                            ({"version": "x"}, "says no version"), ({"last": "exit 1"}, "status 1"),
                            ({"last": "kill -ABRT $$"}, "2 CPUs, xapic: QEMU ended"),
                            ({"run": ""}, "no '# bench-run'")):
            self.qemu()
            self.bench("--short")
            self.assertTrue(os.path.exists(out))
            self.qemu(**change)
            self.expect(4, why, "--short")
            self.assertFalse(os.path.exists(out), why)

    def test_a_part_leaves_the_file_alone(self):
        """Both may run at once: the short form in make check, and the whole."""
        out = os.path.join(self.folder, "bench.json")
        self.bench("--accept")
        self.write("bench.json", "somebody else's")
        self.expect(0, "no figure changed", "--short", "--never-fail")
        self.assertEqual(record.read_text(out), "somebody else's")
        os.remove(out)
        self.expect(0, "no figure changed", "--short", "--never-fail")
        self.assertFalse(os.path.exists(out))

    def test_too_few_samples(self):
        self.qemu()
        log = os.path.join(self.folder, "qemu.log")
        self.write("qemu.log", record.read_text(log).replace('"n": 2000', '"n": 200'))
        self.expect(4, "call.self @2 xapic: 200 samples, the method wants 2000", "--accept")

    def test_missing_things(self):
        os.environ["QEMU"] = "/does/not/exist"
        self.expect(4, "not installed", "--short")
        os.environ["QEMU"] = os.path.join(self.folder, "qemu")
        os.remove(os.path.join(self.folder, "nudge.elf"))
        self.expect(4, "make builds it", "--short")

    def test_repeat(self):
        self.bench("--accept")
        self.expect(0, "same medians", "--short", "--repeat")
        self.qemu(last='n=$(cat "$0.n" 2>/dev/null || echo 38); echo $((n + 1)) > "$0.n"\nexit 33')
        log = os.path.join(self.folder, "qemu.log")
        self.write("qemu", record.read_text(os.path.join(self.folder, "qemu")).replace(
            'sed "', 'sed "s/: 40/: $(cat "$0.n" 2>/dev/null || echo 38)/g; '))
        self.assertIn("40", record.read_text(log))
        self.expect(1, "two runs differ: call.self @2", "--short", "--repeat", "--never-fail")
        self.assertNotIn("Written", self.expect(1, "two runs differ", "--accept"))

    def test_rebuilt_meanwhile(self):
        self.bench("--accept")
        self.qemu(last='echo >> "$(dirname "$0")/nudge.elf"\nexit 33')
        self.expect(4, "built again", "--short")

    def test_a_row_that_is_gone(self):
        self.bench("--accept")
        log = os.path.join(self.folder, "qemu.log")
        self.write("qemu.log", record.read_text(log).replace("call.self", "call.other"))
        self.expect(1, "worse   call.self @2: was 40, is not measured any more", "--short")

    def test_usage(self):
        for bad in (["--accept", "--short"], ["--nothing"]):
            with self.assertRaises(SystemExit) as ended, contextlib.redirect_stderr(io.StringIO()):
                self.script.main(bad)
            self.assertEqual(ended.exception.code, 2)

    def test_the_machine_of_the_page(self):
        """docs/numbers.md shows the command line that is used."""
        with tempfile.TemporaryDirectory() as scratch:
            used = machine.command(boots.options(boots.elf_path(self.folder), 2), [], scratch)
        page = record.read_text(os.path.join(os.path.dirname(os.path.dirname(HERE)), "docs",
                                             "numbers.md"))
        shown = page.split("```")[1].split()[1:]
        self.assertEqual((used[used.index("-m") + 1], shown[shown.index("-m") + 1]),
                         ("2048", "2G"))
        for option in ("-machine", "-cpu", "-accel", "-icount", "-rtc", "-seed"):
            self.assertEqual(used[used.index(option) + 1], shown[shown.index(option) + 1])
