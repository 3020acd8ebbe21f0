"""The machine on which figures are taken, and which boots a table needs.

Under -icount one TSC tick is one guest instruction, summed over all CPUs: the same ELF
in the same QEMU gives the same figures on every host.
"""

import hashlib
import os
import sys
from types import SimpleNamespace

from bench import figures
from harness import boot, machine
from harness.machine import HarnessError

MODES = ("xapic", "x2apic")
# All benchmarks run here; at other counts only those that have a goal there.
BASE_CPUS = 2
SHORT_CPUS = (2, 8)
# What the kernel holds of a bench= word.
WORD_CHARACTERS = 239
EVERYTHING = "*"
# How much longer a boot may take where the host's other work counts, too.
HOST_TIMES = 5


def qemu_version():
    """QEMU's version as (number, all that it says); an error if it is too old."""
    number, full = machine.qemu_version()
    if machine.is_too_old(number):
        raise HarnessError("QEMU %s is too old for these figures, %d.%d is needed (make deps)"
                           % ((number,) + machine.OLDEST_QEMU))
    return number, full


def fingerprint(path):
    """Tells whether a file changed."""
    try:
        with open(path, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()
    except OSError as error:
        raise HarnessError("%s: %s (make builds it)" % (path, error.strerror)) from error


def progress(what):
    """What is being booted, on a terminal only."""
    if sys.stderr.isatty():
        print("\r\033[K" + what, end="", file=sys.stderr, flush=True)


def options(elf, cpus, accel="icount"):
    """The options of tests/run that make the machine of the figures."""
    return SimpleNamespace(image=elf, smp=str(cpus), cpu="max", machine="q35", memory=2048,
                           accel=accel, firmware="bios", vga="none", usb=False, madt=None,
                           fw_cfg=[], qemu=[], no_serial=False, screenshot=None, quiet=True,
                           timeout=(120 + 6 * cpus) * (1 if accel == "icount" else HOST_TIMES))


def words(apic, patterns, more=()):
    """The boot words of one run."""
    return ["run=bench", "apic=" + apic, "bench=" + patterns, "then=exit", *more]


def take(elf, cpus, apic, patterns=EVERYTHING, accel="icount", more=()):
    """Boot once, perhaps with more boot words; the Figures."""
    try:
        outcome = boot.watched(options(elf, cpus, accel), words(apic, patterns, more), elf)
        return figures.of_outcome(outcome, cpus, apic)
    except HarnessError as error:
        raise HarnessError("%d CPUs, %s: %s" % (cpus, apic, error)) from error


def pattern_lists(names):
    """The names as bench= values, each short enough for the kernel."""
    values = []
    for name in names:
        if values and len(values[-1]) + 1 + len(name) <= WORD_CHARACTERS:
            values[-1] += "," + name
        else:
            values.append(name)
    return values


def patterns_for(rows, known, cpus):
    """What to run at a CPU count: a list of bench= values, one boot each.

    known: names of the benchmarks that the kernel has.
    """
    if cpus == BASE_CPUS:
        return [EVERYTHING]
    return pattern_lists(row["name"] for row in rows
                         if row["cpus"] == cpus and row["name"] in known)


def counts(rows, short):
    """The CPU counts at which rows have a goal, the one that runs everything first."""
    found = {row["cpus"] for row in rows if row["cpus"]} - {BASE_CPUS}
    return [BASE_CPUS] + sorted(n for n in found if not short or n in SHORT_CPUS)


def take_all(elf, rows, short=False, progress=print, modes=MODES):
    """Every boot of a table; Figures by (cpus, apic)."""
    taken, known = {}, []
    for cpus in counts(rows, short):
        for apic in modes:
            for patterns in patterns_for(rows, known, cpus):
                progress("%d CPUs, %s" % (cpus, apic))
                now = take(elf, cpus, apic, patterns)
                taken[cpus, apic] = joined(taken.get((cpus, apic)), now)
            if not known:
                known = list(now.results) + list(now.skips)
    return taken


def joined(before, now):
    """Two boots of the same machine as one; they must have been the same kernel."""
    if not before:
        return now
    if before.run != now.run:
        raise HarnessError("two boots were two kernels: %s and %s"
                           % (before.run["commit"], now.run["commit"]))
    return figures.Figures(now.run, {**before.results, **now.results},
                           {**before.skips, **now.skips})


def differences(one, other):
    """Where two rounds of the same boots gave different medians, one line each."""
    lines = []
    for (cpus, apic), first in sorted(one.items()):
        again = other[cpus, apic].results
        lines += ["%s @%d %s: %d, then %s" % (name, cpus, apic, result["p50"],
                                              again[name]["p50"] if name in again else "nothing")
                  for name, result in first.results.items()
                  if name not in again or again[name]["p50"] != result["p50"]]
    return lines


def elf_path(build):
    """The ELF that is measured, as an absolute path."""
    return os.path.join(build, "nudge.elf")
