"""docs/numbers.md as the tree's memory: the figures of the commit that last accepted them.

The script reads its own figures back from the Markdown table between the markers, so
that what people read and what is compared are one thing.
"""

import os
import re
from collections import namedtuple

from bench import table
from harness.machine import HarnessError

# A figure that is worse than the recorded one by more than this share is a loss.
TOLERANCE_PERCENT = 5
IDENTITY = re.compile(r"^Commit `([^`]+)`, compiler `([^`]+)`, QEMU `([^`]+)`\.$", re.MULTILINE)
FIGURE_ROW = re.compile(r"^\| `([^`]+)` \|(.*)\|$", re.MULTILINE)
# Columns after the name, as table.cells has them.
CPUS, NUDGE, X2APIC = 0, 2, 3
COLUMNS = 7

# figures: p50 (or bytes) by (name, cpus, apic).
Record = namedtuple("Record", "commit compiler qemu figures")
Change = namedtuple("Change", "name cpus apic old new worse")


def markers(name):
    """The lines between which a block is written."""
    return "<!-- %s: begin -->" % name, "<!-- %s: end -->" % name


def block(text, name):
    """What stands between a block's markers, or None."""
    begin, end = markers(name)
    match = re.search(re.escape(begin) + r"\n(.*?)" + re.escape(end), text, re.DOTALL)
    return match.group(1) if match else None


def with_block(text, name, content):
    """The text with a block's content replaced; the markers must be there."""
    old = block(text, name)
    if old is None:
        raise HarnessError("no '%s' … '%s'" % markers(name))
    begin, _ = markers(name)
    return text.replace(begin + "\n" + old, begin + "\n" + content, 1)


def read_text(path):
    """A text file, or an error that names it."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError as error:
        raise HarnessError("%s: %s" % (path, error.strerror)) from error


def write_text(path, text):
    """Replace a file in one step."""
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(path + ".new", path)


def _value(cell):
    """A number of the table, None for `-`."""
    cell = cell.strip().replace(",", "")
    if cell == "-":
        return None
    if not cell.isdigit():
        raise ValueError(cell)
    return int(cell)


def _figures(content):
    figures = {}
    for name, rest in FIGURE_ROW.findall(content):
        columns = rest.split("|")
        try:
            if len(columns) != COLUMNS:
                raise ValueError(rest)
            cpus = _value(columns[CPUS]) or 0
            found = {"xapic": _value(columns[NUDGE]), "x2apic": _value(columns[X2APIC])}
        except ValueError as error:
            raise HarnessError("the recorded row of %s cannot be read: %s"
                               % (name, error)) from error
        figures.update({(name, cpus, apic): value for apic, value in found.items()
                        if value is not None})
    return figures


def parse(text):
    """The Record in a text of docs/numbers.md."""
    content = block(text, "figures")
    identity = IDENTITY.search(content or "")
    if not identity:
        raise HarnessError("no recorded figures with commit, compiler and QEMU (make bench-accept"
                           " writes them)")
    figures = _figures(content)
    if not figures:
        raise HarnessError("the table of recorded figures is empty")
    return Record(identity.group(1), identity.group(2), identity.group(3), figures)


def figures_of(rows):
    """The figures of a table's rows, keyed as in a Record."""
    found = {}
    for row in rows:
        for apic, value in (("xapic", row.nudge), ("x2apic", row.x2apic)):
            if value is not None:
                found[row.name, row.cpus, apic] = value
    return found


def is_worse(old, new):
    """Whether a figure lost more than the tolerance; all are better when smaller."""
    return new * 100 > old * (100 + TOLERANCE_PERCENT)


def changes(record, rows, booted):
    """What differs from the record, and what it has that was not found where this run looked.

    booted: the pairs of CPU count and APIC mode of this run; 0 CPUs stand for the sizes.
    """
    now = figures_of(rows)
    found = [Change(*key, record.figures.get(key), value,
                    key in record.figures and is_worse(record.figures[key], value))
             for key, value in now.items() if record.figures.get(key) != value]
    return found + [Change(*key, old, None, True) for key, old in record.figures.items()
                    if key not in now and key[1:] in booted]


def where(name, cpus, apic="xapic"):
    """A figure's name for people: goals and most talk are about xAPIC."""
    return "%s%s%s" % (name, " @%d" % cpus if cpus else "", " x2apic" if apic == "x2apic" else "")


def line_of(change):
    """One change as a line."""
    name, cpus, apic, old, new, worse = change
    place = where(name, cpus, apic)
    if new is None:
        return "worse   %s: was %s, is not measured any more" % (place, table.number(old))
    if old is None:
        return "new     %s: %s" % (place, table.number(new))
    percent = " (%+.1f %%)" % ((new - old) * 100 / old) if old else ""
    word = "worse" if worse else "better" if new < old else "within"
    return "%-7s %s: %s, was %s%s" % (word, place, table.number(new), table.number(old), percent)


def content(data, rows, identity, form=table.markdown):
    """What is written between the markers; identity is (commit, compiler, QEMU)."""
    return "Commit `%s`, compiler `%s`, QEMU `%s`.\n\n%s\n" % (identity + (form(data, rows),))
