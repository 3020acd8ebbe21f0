"""Which figures are compared, in which set-ups of Linux, and the table of them.

A figure is a list of medians: one where instructions are counted, one of each round where
the host's threads run, and none where there is none.
"""

import statistics
from collections import namedtuple

from bench import boots, table

# How far Linux's figures may be off the recorded ones, if it is the same version.
TOLERANCE_PERCENT = 3
PLAIN, NO_TICK_STOP, POLLING = "", "nohz=off", "idle=poll"
SETTINGS = (PLAIN, NO_TICK_STOP, POLLING)
# What these set-ups are about; each is a row of its own in every set-up.
IDLE = ("call.single.wait.idle", "wake.oneway", "wake.pingpong")
# In which set-up a figure was recorded, if it was not the plain one: the best for Linux.
RECORDED_IN = {"call.single.wait.idle": NO_TICK_STOP}
# The scheme of small test kernels: a lock, a slot, and the wait for whoever was called.
ONE_SLOT = {"call.single.wait.busy": "scheme.mailbox.wait.busy",
            "call.many.wait.busy": "scheme.mailbox.many.wait.busy",
            "call.contend": "scheme.mailbox.contend"}
# Rows of Linux alone, whose loop does what Nudge's does, no more. The recorded figures were taken
# with functions that count (bursts), a draw and an offer of the CPU beside each call (contend), and
# a waker that blocks (wake.oneway).
ALIKE = {"call.burst64.done.busy": "call.burst64.done.alike",
         "call.burst64.drain.busy": "call.burst64.drain.alike",
         "call.contend": "call.contend.alike",
         "wake.oneway": "wake.oneway.alike"}
_ALIKE_TO = {alike: name for name, alike in ALIKE.items()}
# What also runs on threads of the host: one CPU asks, the other answers, once for each sample.
ON_THREADS = ("call.single.wait.busy", "call.single.wait.idle", "call.async.oneway.busy",
              "call.many.wait.busy", "wake.oneway", "wake.oneway.alike", "wake.pingpong",
              "tlb.protect.1p", "tlb.unmap.1p")
HEADS = ["metric", "CPUs", "counted in", "Linux is", "Linux %s", "one lock, one slot", "Nudge",
         "Linux/Nudge", "recorded", "off", "verdict"]
INSTRUCTIONS, HOST_TICKS, BYTES = "instructions", "host ticks", "bytes"

# What is to be measured in Linux. recorded: what it should come to, or None.
Subject = namedtuple("Subject", "name cpus setting recorded")
Row = namedtuple("Row", "name cpus unit setting linux slot nudge recorded judged")


def subjects(data, short_counts=None):
    """What Linux has a figure for, in the order of the data file."""
    names = {row["name"] for row in data["rows"] if row.get("linux")}
    found = []
    for row in data["rows"]:
        name, cpus = row["name"], row["cpus"]
        if name not in names or (short_counts and cpus not in short_counts):
            continue
        best = RECORDED_IN.get(name, PLAIN)
        found += [Subject(name, cpus, setting, row.get("linux") if setting == best else None)
                  for setting in (SETTINGS if name in IDLE else (PLAIN,))]
        if name in ALIKE:
            found.append(Subject(ALIKE[name], cpus, PLAIN, None))
    return found


def nudge_name(name):
    """Which of Nudge's benchmarks stands beside Linux's."""
    return _ALIKE_TO.get(name, name)


def on_threads(wanted):
    """The subjects that also run on threads of the host, with as few CPUs as may be."""
    return [subject for subject in wanted
            if subject.name in ON_THREADS and subject.cpus == boots.BASE_CPUS]


def boots_of(wanted):
    """The boots that subjects need: {(cpus, setting): names}."""
    found = {}
    for subject in wanted:
        found.setdefault((subject.cpus, subject.setting), []).append(subject.name)
    return found


def nudge_rows(data, wanted, short_counts=None):
    """What Nudge is to measure for them, in the form of the data file."""
    pairs = [(nudge_name(subject.name), subject.cpus) for subject in wanted]
    pairs += [(ONE_SLOT[name], cpus) for name, cpus in pairs if name in ONE_SLOT]
    pairs += [(row["name"], row["cpus"]) for row in data["rows"] if row["name"] == "boot.online"
              and not (short_counts and row["cpus"] not in short_counts)]
    return [{"name": name, "cpus": cpus} for name, cpus in dict.fromkeys(pairs)]


def nudge_setting(setting):
    """In which set-up Nudge is measured beside Linux in this one; PLAIN or POLLING."""
    return POLLING if setting == POLLING else PLAIN


def nudge_boots(wanted):
    """The set-ups of Nudge that subjects need: {setting: subjects}."""
    found = {}
    for subject in wanted:
        found.setdefault(nudge_setting(subject.setting), []).append(subject)
    return found


def nudge_names(wanted):
    """The benchmarks of Nudge for these subjects."""
    names = [nudge_name(subject.name) for subject in wanted]
    return list(dict.fromkeys(names + [ONE_SLOT[name] for name in names if name in ONE_SLOT]))


def medians(found, name):
    """The medians of a benchmark in the results of boots, each {name: result}."""
    return [results[name]["p50"] for results in found if name in results]


def off(figure, recorded):
    """By how many percent a figure differs from the recorded one."""
    return (figure - recorded) * 100 / recorded


def is_off(row):
    """Whether Linux's figure is another one than it must be."""
    return (row.judged and bool(row.linux) and bool(row.recorded)
            and abs(row.linux[0] - row.recorded) * 100 > TOLERANCE_PERCENT * row.recorded)


def _figure(values, form=table.number):
    """The median, with the range if there are several."""
    if not values:
        return "-"
    if len(values) == 1:
        return form(values[0])
    return "%s (%s–%s)" % tuple(form(value) for value in (
        statistics.median_low(values), min(values), max(values)))


def _ratio(row):
    """How many times Linux's is as long: of each round by itself, for they were taken in turn."""
    if len(row.linux) != len(row.nudge) or not all(row.nudge):
        return "-"
    return _figure([one / other for one, other in zip(row.linux, row.nudge)],
                   lambda value: "%.1f" % value)


def cells(row):
    """One row as text."""
    judged = row.judged and row.linux and row.recorded
    return [row.name, table.number(row.cpus or None), row.unit, row.setting or "plain",
            _figure(row.linux), _figure(row.slot), _figure(row.nudge), _ratio(row),
            table.number(row.recorded),
            "%+.1f %%" % off(row.linux[0], row.recorded) if judged else "-",
            ("OFF" if is_off(row) else "ok") if judged else "-"]


def text(rows, linux_name):
    """The table."""
    return table.aligned([[head.replace("%s", linux_name) for head in HEADS]]
                         + [cells(row) for row in rows])
