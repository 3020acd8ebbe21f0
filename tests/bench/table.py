"""The table: each metric beside Linux's figure and beside the goal, for people and in Markdown."""

import json
import os
from collections import namedtuple

HERE = os.path.dirname(os.path.realpath(__file__))
NOT_YET = "not measured yet"

# What README.md shows of the table.
SELECTION = (("call.self", 2), ("call.single.wait.busy", 2), ("call.single.wait.idle", 2),
             ("call.single.nowait.send.busy", 2), ("call.many.wait.busy", 64),
             ("call.contend", 64), ("wake.oneway", 2), ("tlb.page.remote", 64),
             ("tlb.protect.1p", 2))

# nudge: the median in xAPIC mode, by which goals are judged, or bytes; x2apic: the other mode's.
Row = namedtuple("Row", "name cpus linux nudge x2apic must stretch note")


def goals():
    """The recorded Linux column with its identity, and the goals."""
    with open(os.path.join(HERE, "linux.json"), encoding="utf-8") as data:
        return json.load(data)


def median(taken, name, cpus, apic):
    """A p50, or None."""
    figures = taken.get((cpus, apic))
    result = figures.results.get(name) if figures else None
    return result["p50"] if result else None


def _note(taken, unmeasured, name, cpus):
    """Why a row has no figure."""
    figures = taken.get((cpus, "xapic"))
    if name in unmeasured:
        return unmeasured[name]
    return "skipped: " + figures.skips[name] if figures and name in figures.skips else NOT_YET


def growth(rows):
    """Ticks of start-up for each further CPU, from each count to the next: no straight line."""
    points = sorted((row.cpus, row) for row in rows
                    if row.name == "boot.online" and row.nudge is not None)

    def slope(one, other, more):
        return None if None in (one, other) else round((other - one) / more)
    return [Row("boot.online.each", many, None, slope(one.nudge, other.nudge, many - few),
                slope(one.x2apic, other.x2apic, many - few), None, None, None)
            for (few, one), (many, other) in zip(points, points[1:])]


def limit(goal, taken):
    """What a row must reach; one that must be flat, also what the same takes at fewer CPUs."""
    few = median(taken, goal["name"], goal.get("flat_from"), "xapic")
    return min((most for most in (goal.get("must"), few) if most is not None), default=None)


def rows_of(data, taken, sizes, unmeasured):
    """The rows with a goal, in the order of the data file; then those that explain."""
    rows = []
    for goal in data["rows"]:
        name, cpus = goal["name"], goal["cpus"]
        nudge = sizes.get(name) if not cpus else median(taken, name, cpus, "xapic")
        rows.append(Row(name, cpus, goal.get("linux"), nudge, median(taken, name, cpus, "x2apic"),
                        limit(goal, taken), goal.get("stretch"),
                        None if nudge is not None else _note(taken, unmeasured, name, cpus)))
    rows += growth(rows)
    named = {(row.name, row.cpus) for row in rows}
    for (cpus, apic), figures in sorted(taken.items(), reverse=True):
        for name in figures.results:
            if apic == "xapic" and (name, cpus) not in named and cpus == min(n for n, _ in taken):
                rows.append(Row(name, cpus, None, median(taken, name, cpus, "xapic"),
                                median(taken, name, cpus, "x2apic"), None, None, None))
    return rows


def number(value):
    """A figure for people, `-` for none."""
    return "-" if value is None else "{:,}".format(value)


def is_over(row):
    """Whether a figure is over what it must reach."""
    return row.nudge is not None and row.must is not None and row.nudge > row.must


def reached(row):
    """Whether the goal was reached, or by how much it was missed."""
    if row.nudge is None or row.must is None:
        return "-"
    if is_over(row):
        return "no, +%s" % number(row.nudge - row.must)
    return "stretch" if row.stretch is not None and row.nudge <= row.stretch else "yes"


def ratio(row):
    """How many times Linux's path is as long."""
    return "%.1f" % (row.linux / row.nudge) if row.linux and row.nudge else "-"


def heads(data):
    """The column heads."""
    return ["metric", "CPUs", "Linux " + data["identity"]["version"], "Nudge", "x2APIC",
            "Linux/Nudge", "must reach", "reached"]


def cells(row):
    """One row as text; a row without a figure says why in the last column."""
    return [row.name, number(row.cpus or None), number(row.linux), number(row.nudge),
            number(row.x2apic), ratio(row), number(row.must), row.note or reached(row)]


def aligned(lines):
    """Lines of cells for a terminal: the first column and the last are words."""
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join("  ".join(
        cell.ljust(width) if i in (0, len(line) - 1) else cell.rjust(width)
        for i, (cell, width) in enumerate(zip(line, widths))).rstrip() for line in lines)


def text(data, rows):
    """The table for a terminal."""
    return aligned([heads(data)] + [cells(row) for row in rows])


def _in_markdown(lines):
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def markdown(data, rows):
    """The same in Markdown."""
    lines = [heads(data), [":--"] + ["--:"] * 6 + [":--"]]
    return _in_markdown(lines + [["`%s`" % row.name] + cells(row)[1:] for row in rows])


def selection(data, rows):
    """Some rows in Markdown, each with what it is about: for who sees these figures first."""
    what = {(row["name"], row["cpus"]): row["what"] for row in data["rows"]}
    chosen = [row for row in rows if (row.name, row.cpus) in SELECTION]
    lines = [["", "CPUs", "Linux " + data["identity"]["version"], "Nudge", "Linux/Nudge"],
             [":--"] + ["--:"] * 4]
    return _in_markdown(lines + [
        ["`%s`, %s" % (row.name, what[row.name, row.cpus]), number(row.cpus), number(row.linux),
         number(row.nudge), ratio(row)] for row in chosen])
