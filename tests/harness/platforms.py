"""Read the platform table (tests/platforms.txt): one row, one run of the matrix.

A row is a name, the expected exit status, the host threads it keeps busy, its time
limit in seconds, and what it runs: arguments of tests/run, or `$` and a shell command.
Before those may stand what the log must say (says='regex'), tools without which the row
is skipped (needs=tool; needs=linux: Debian's kernel, which is fetched), how many CPUs must
come online where that is not simply what --smp says (online=N; online=any where the log
cannot tell), and from which line on the log of a row that passed is shown, too
(show='regex'). A `let` line gives a name to what several rows have in common.
"""

import itertools
import re
import shlex
import string
from collections import namedtuple

from harness.machine import XAPIC_CPUS, HarnessError, cpu_count

# Sections of the table in the order of their size: each also stands for those before it.
SECTIONS = ("short", "test", "check")

Row = namedtuple("Row", "section name status threads seconds says needs online show command"
                        " arguments")

LINE = re.compile(r"(\S+)\s+(\d)\s+(\d+)\s+(\d+)\s+(.*)")
MARK = re.compile(r"(says|needs|online|show)=('[^']*'|\S+)\s*")


def _marks(rest):
    """Split leading marks off what a row runs."""
    marks = {"says": [], "needs": [], "online": [], "show": []}
    match = MARK.match(rest)
    while match:
        marks[match.group(1)].append(match.group(2).strip("'"))
        rest = rest[match.end():]
        match = MARK.match(rest)
    return marks, rest


def _with_defaults(arguments, seconds):
    """Rows that name no firmware boot the ELF by PVH, and run the self-tests."""
    words = list(arguments)
    if "--" not in words:
        words.append("--")
    if not any(word.startswith("run=") for word in words):
        words.append("run=test")
    through_firmware = any(word in ("--firmware", "--usb", "--image") for word in words)
    image = [] if through_firmware else ["--image", "{build}/nudge.elf"]
    return ["--timeout", str(seconds)] + image + words


def _online(mark, arguments):
    """How many CPUs must come online, or None where nothing tells."""
    if mark:
        return None if mark[0] == "any" else int(mark[0])
    if not arguments or "--no-serial" in arguments:
        return None
    smp = arguments[arguments.index("--smp") + 1] if "--smp" in arguments else "4"
    return min(cpu_count(smp), XAPIC_CPUS if "apic=xapic" in arguments else 1 << 32)


def _row(section, line):
    match = LINE.match(line)
    if not match:
        raise ValueError("wants: name status threads seconds arguments")
    name, status, threads, seconds, rest = match.groups()
    marks, rest = _marks(rest)
    command = rest[1:].strip() if rest.startswith("$") else None
    arguments = [] if command else _with_defaults(shlex.split(rest), seconds)
    return Row(section, name, int(status), int(threads), int(seconds),
               tuple(marks["says"]), tuple(marks["needs"]),
               _online(marks["online"], arguments), (marks["show"] or [None])[-1], command,
               tuple(arguments))


def _expanded(line, variables):
    """A row once for every combination of the variables of the `each` line above it."""
    for values in itertools.product(*variables.values()):
        yield string.Template(line).safe_substitute(dict(zip(variables, values)))


def parse(text):
    """All rows of a table; a line that cannot be read is an error that names it."""
    rows, section, names, variables = [], SECTIONS[0], {}, {}
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        try:
            if line.startswith("[") and line.strip("[]") in SECTIONS:
                section = line.strip("[]")
            elif line.startswith("let "):
                name, _, value = line[len("let "):].partition("=")
                names[name] = [value]
            elif line.startswith("each "):
                pairs = [word.split("=") for word in line.split()[1:]]
                variables = {name: values.split("|") for name, values in pairs}
            elif line and not line.startswith("#"):
                rows += [_row(section, one) for one in _expanded(line, {**names, **variables})]
                variables = {}
        except ValueError as error:
            raise HarnessError("platform table, line %d: %s" % (number, error)) from error
    known = [row.name for row in rows]
    twice = {name for name in known if known.count(name) > 1}
    if twice:
        raise HarnessError("platform table: rows of the same name: " + " ".join(sorted(twice)))
    return rows
