"""What a boot printed about its benchmarks, checked before anything believes it.

Nothing is filled in: a log that is cut off, a figure that contradicts itself, or one
from another machine than was asked for is an error that says so.
"""

import json
import re
from collections import namedtuple

from harness import judge
from harness.machine import HarnessError

# How many samples a row with a goal has: method.h.
SAMPLES, SAMPLES_MANY_CPUS, MANY_CPUS = 2000, 300, 32
LINE = re.compile(r"^# (bench|bench-run|bench-skip) (\{.*)$", re.MULTILINE)
ORDERED = ("min", "p50", "p90", "p99", "max")
NUMBERS = ("cpus", "n", "tsc_hz") + ORDERED
TEXTS = ("name", "unit", "apic")
RUN_TEXTS = ("commit", "compiler", "cpu", "hypervisor")
# The kernel's answer when bench= names only what it does not have.
NO_SUCH = re.compile(r"^# bench=\S* names no benchmark$", re.MULTILINE)

# One boot: the identity of the run, results by name, reasons of skipped ones by name.
Figures = namedtuple("Figures", "run results skips")


def _object(kind, text):
    try:
        return json.loads(text)
    except ValueError as error:
        raise HarnessError("cannot read the line '# %s %s': %s" % (kind, text, error)) from error


def _require(kind, found, texts, numbers):
    """Every key there and of its type (a JSON true is an int to Python)."""
    for key in texts + numbers:
        value = found.get(key)
        good = isinstance(value, str) and value if key in texts else (
            isinstance(value, int) and not isinstance(value, bool) and value >= 0)
        if not good:
            raise HarnessError("'# %s' of %s: bad or missing %s: %r"
                               % (kind, found.get("name", "the run"), key, value))


def _result(found, cpus, apic):
    """One benchmark's figures, or an error that says what is wrong with them."""
    _require("bench", found, TEXTS, NUMBERS)
    name = found["name"]
    quantiles = [found[key] for key in ORDERED]
    if not found["n"] or quantiles != sorted(quantiles):
        raise HarnessError("%s: no samples, or quantiles out of order: %s" % (name, quantiles))
    if found["cpus"] != cpus:
        raise HarnessError("%s: %d CPUs were asked for, %d came online"
                           % (name, cpus, found["cpus"]))
    if found["apic"] != apic:
        raise HarnessError("%s: %s was asked for, the machine ran in %s mode"
                           % (name, apic, found["apic"]))
    return found


def parse(text, cpus, apic):
    """The figures of one boot's log."""
    run, results, skips = None, {}, {}
    for kind, body in LINE.findall(judge.plain(text)):
        found = _object(kind, body)
        if kind == "bench-run":
            if run:
                raise HarnessError("two '# bench-run' lines: the machine ran twice")
            _require(kind, found, RUN_TEXTS, ())
            run = found
            continue
        if kind == "bench-skip":
            _require(kind, found, ("name", "reason"), ())
            skips[found["name"]] = found["reason"]
            continue
        if found.get("name") in results:
            raise HarnessError("two results for %s" % found["name"])
        results[found.get("name")] = _result(found, cpus, apic)
    if not run:
        raise HarnessError("the log has no '# bench-run' line")
    return Figures(run, results, skips)


def check_samples(rows, taken):
    """Rows with a goal have as many samples as the method says; Figures by (cpus, apic)."""
    for (cpus, apic), found in taken.items():
        method = SAMPLES_MANY_CPUS if cpus >= MANY_CPUS else SAMPLES
        wanted = {row["name"]: row.get("samples", method) for row in rows
                  if row["cpus"] == cpus and "must" in row}
        for name, result in found.results.items():
            if result["n"] != wanted.get(name, result["n"]):
                raise HarnessError("%s @%d %s: %d samples, the method wants %d"
                                   % (name, cpus, apic, result["n"], wanted[name]))


def of_outcome(outcome, cpus, apic):
    """The figures of a boot that ended well; any other end is an error."""
    code, reason = judge.judge(outcome.text, outcome.exit_code, outcome.timed_out)
    if code != judge.PASSED:
        raise HarnessError("; ".join([reason] + outcome.notes + _last_line(outcome.text)))
    figures = parse(outcome.text, cpus, apic)
    if not figures.results and not figures.skips:
        raise HarnessError("the run passed, but no benchmark printed a result")
    return figures


def _last_line(text):
    """Where the log ends, which mostly tells why; nothing when it says no benchmark was named."""
    unknown = NO_SUCH.search(judge.plain(text))
    if unknown:
        return [unknown.group(0)[2:]]
    lines = [line for line in judge.plain(text).splitlines() if line.strip()]
    return ["the log ends with '%s'" % lines[-1]] if lines else ["the log is empty"]
