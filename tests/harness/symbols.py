"""Turn addresses in logs and registers into functions and source lines.

The kernel prints symbol+0x41; only the ELF at hand knows the line.  All addresses of
a run go through one addr2line, because each start of it reads all the debug info.
"""

import os
import re
import shutil
import subprocess

PLACE = re.compile(r"\b([A-Za-z_][\w.]*)\+0x([0-9a-f]+)(?: \[<([0-9a-f]{16})>\])?")
# Lines that show where a CPU is, rather than where it will return to.
EXACT = re.compile(r"\b(?:at|rip|by NMI in)\b")
# The compiler puts this in front of what it was told by a relative path.
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__)))) + "/"
REGISTERS = re.compile(r"CPU#(\d+)(.*?)(?=\nCPU#|\Z)", re.DOTALL)


def _output(command, lines=()):
    """What a host tool prints, or nothing when it is missing or fails."""
    if not shutil.which(command[0]):
        return ""
    done = subprocess.run(command, input="\n".join(lines), stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, universal_newlines=True, check=False)
    return done.stdout


def source_lines(elf, addresses):
    """Map each address to (function, file:line), where the ELF knows both."""
    wanted = sorted(set(addresses))
    answers = _output(["addr2line", "-f", "-e", elf], ["%x" % a for a in wanted]).splitlines()
    pairs = zip(wanted, answers[0::2], answers[1::2])
    return {a: (function, line.split(" (")[0].replace(ROOT, "")) for a, function, line in pairs
            if not line.startswith("??")}


def _symbols(elf):
    """Addresses by name; a name that occurs twice means nothing and is left out."""
    found = {}
    for line in _output(["nm", elf]).splitlines():
        fields = line.split()
        if len(fields) == 3:
            found.setdefault(fields[2], []).append(int(fields[0], 16))
    return {name: places[0] for name, places in found.items() if len(places) == 1}


def _places(elf, text):
    """Every symbol+offset of a text with its address, in order, once each.

    A backtrace holds return addresses, which may be the next source line's: one byte
    back is inside the call.
    """
    symbols, places = None, {}
    for line in text.splitlines():
        back = 0 if EXACT.search(line) else 1
        for name, offset, address in PLACE.findall(line):
            if not address and symbols is None:
                symbols = _symbols(elf)
            if address:
                places.setdefault("%s+0x%s" % (name, offset), int(address, 16) - back)
            elif name in symbols:
                places.setdefault("%s+0x%s" % (name, offset),
                                  symbols[name] + int(offset, 16) - back)
    return places


def lines_of_log(elf, text):
    """The block that names the source line of every symbol+offset of a log."""
    places = _places(elf, text)
    known = source_lines(elf, places.values()) if places else {}
    block = ["#   %s  %s" % (place, known[address][1])
             for place, address in places.items() if address in known]
    return ["# lines"] + block if block else []


def _ranges(numbers):
    """0,1,2,5 as 0-2,5: a machine of 255 halted CPUs is one line."""
    parts = []
    for number in numbers:
        if parts and parts[-1][1] == number - 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ",".join(str(a) if a == b else "%d-%d" % (a, b) for a, b in parts)


def where_cpus_are(elf, registers):
    """Lines that say where each CPU stands, from the monitor's `info registers -a`."""
    groups = {}
    for number, body in REGISTERS.findall(registers.replace("\r", "")):
        place = re.search(r"\b[RE]IP=([0-9a-f]+)", body)
        if place:
            key = (int(place.group(1), 16), "HLT=1" in body)
            groups.setdefault(key, []).append(int(number))
    known = source_lines(elf, [address for address, _ in groups]) if elf else {}
    lines = []
    for (address, halted), cpus in groups.items():
        function, line = known.get(address, ("", ""))
        lines.append("# cpu %s: rip %x%s%s%s" % (
            _ranges(cpus), address, " " + function if function else "",
            " (%s)" % line if line else "", ", halted" if halted else ""))
    return lines
