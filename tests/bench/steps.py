"""Which step of a call each instruction of a traced sample belongs to.

An instruction is known by its CPU, by the functions it was inlined from, by the text of
their source lines and by its own code. The first rule that fits decides; what fits none
is shown under its function's name, so that nothing is ever lost from the sum.
"""

import os
import re
from collections import Counter, namedtuple

from bench import boots, trace
from harness.machine import HarnessError

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
MAIN_METRIC = "call.single.wait.busy"
# What docs/numbers.md takes apart beside it, in xAPIC mode: a table for each line.
OTHER_METRICS = (
    ("call.single.wait.idle", "call.self", "call.single.nowait.send.busy",
     "call.async.oneway.busy", "call.async.send.busy"),
    ("call.many.wait.busy", "call.burst64.send.busy", "call.burst64.done.busy",
     "call.burst64.drain.busy"),
    ("tlb.protect.1p", "wake.oneway"))

# functions and lines: from the innermost inlined function outwards; file: the outermost's.
Place = namedtuple("Place", "functions lines file")
Instruction = namedtuple("Instruction", "cpu address code place step")

MEASURING, CALLING = "measuring, T()", "arguments, call"
ENTRY, EXIT, FUNCTION, LOOP = "entry stub", "exit", "function", "receiver's own loop"
SWITCH = "change to the thread"

# (step, what is looked at, pattern); function and line match any level of inlining.
COUNTERS = ("accounting", "line", r"this_cpu->\w+(\[\w+\])? ?(\+\+|\+=)")
SENDER = [
    (MEASURING, "function", r"^cycles_ordered$"),
    (CALLING, "file", r"^tests/bench/"),
    COUNTERS,
    ("fence", "code", r"^[ml]fence"),
    ("ICR write", "function", r"icr|arch_send_ipi|^send_owed"),
    ("interrupts off and on", "function", r"^irqs?_"),
    ("claim", "function", r"^(csd_fill|csd_claim|csd_wait_for_pool|free_in_a_row|claim)$"),
    ("enqueue", "function", r"^(csd_enqueue|csd_queue|llist_\w+|queue_\w+)$"),
    ("wait", "function", r"^(csd_wait\w*|wait_\w+|cpu_relax)$"),
    ("wait", "line", r"\bcsd_wait\("),
    ("claim", "line", r"\bcsd\b"),
    ("checks", "file", r"^kernel/smp/"),
    ("wake-up", "function", r"^(thread_wake|wake_\w+)$"),
    ("the space's lock", "function", r"^aspace_(un)?lock"),
    ("gathering what is changed", "function", r"^tlb_batch_"),
    ("shootdown", "function", r"^flush_"),
    ("page tables", "file", r"^kernel/mm/"),
]
TARGET = [
    COUNTERS,
    ("EOI", "function", r"eoi|arch_ipi_ack"),
    (FUNCTION, "file", r"^tests/bench/"),
    ("acknowledge", "line", r"\bCSD_(FREE|RUNNING|DONE)\b"),
    ("drain", "function", r"^(drain|run|run_\w+|llist_\w+|csd_of)$"),
    ("dispatch", "file", r"/vectors\.c$|/traps\.c$"),
    ("drain", "file", r"^kernel/smp/"),
    ("flush", "function", r"^on_tlb_flush"),
]
# On the way out of an interrupt: C again, if a thread is left or woken.
BEHIND = [(FUNCTION, "file", r"^tests/bench/"), (SWITCH, "file", r"")]
SENDER_STEPS = [MEASURING, CALLING, "checks", "the space's lock", "page tables",
                "gathering what is changed", "shootdown", "wake-up", "interrupts off and on",
                "claim", "enqueue", "accounting", "fence", "ICR write", "wait"]
TARGET_STEPS = [ENTRY, "dispatch", "EOI", "accounting", "drain", "flush", FUNCTION, "acknowledge",
                EXIT, SWITCH, LOOP]


class Source:
    """The text of the source lines from which an ELF was made."""

    def __init__(self, elf, root=ROOT):
        self.built = os.path.getmtime(elf)
        self.root = root
        self.files = {}

    def _lines(self, path):
        full = os.path.join(self.root, path)
        try:
            with open(full, encoding="utf-8") as file:
                lines = file.read().splitlines()
        except OSError:
            return []
        if os.path.getmtime(full) > self.built:
            raise HarnessError("%s is newer than the ELF (make builds it)" % path)
        return lines

    def line(self, where):
        """The text of `path:line`, empty if there is no such line."""
        path, _, number = where.partition(":")
        if path not in self.files:
            self.files[path] = self._lines(path)
        lines = self.files[path]
        return lines[int(number) - 1] if number.isdigit() and int(number) <= len(lines) else ""


def places(elf, addresses):
    """The Place of each address, from the ELF's debug information."""
    source, found = Source(elf), {}
    said = trace.tool(["addr2line", "-a", "-i", "-f", "-e", elf]
                      + ["%x" % address for address in addresses])
    for part in re.split(r"^(?=0x)", said, flags=re.MULTILINE)[1:]:
        address, *pairs = part.splitlines()
        wheres = [os.path.relpath(os.path.join(ROOT, where.split(" (")[0]), ROOT)
                  for where in pairs[1::2]]
        found[int(address, 16)] = Place(pairs[0::2], [source.line(w) for w in wheres],
                                        wheres[-1].partition(":")[0])
    return found


def fits(rule, code, place):
    """Whether a rule is about this instruction."""
    _, field, pattern = rule
    texts = {"function": place.functions, "line": place.lines, "file": [place.file],
             "code": [code]}[field]
    return any(re.search(pattern, text) for text in texts)


def by_rules(rules, code, place):
    """The step that the rules give."""
    return next((rule[0] for rule in rules if fits(rule, code, place)), place.functions[-1] + "()")


class Target:
    """Where a target stands: in its own loop, or in an interrupt, before or after the C code."""

    def __init__(self, state=LOOP):
        self.state = state

    def step(self, code, place):
        """The step of the target's next instruction."""
        is_stub = place.file.endswith("isr.S")
        if is_stub and self.state == LOOP:
            self.state = ENTRY
        elif is_stub and self.state == "C":
            self.state = EXIT
        elif not is_stub and self.state == ENTRY:
            self.state = "C"
        now = self.state
        if code.startswith("iret"):
            self.state = LOOP
        if now == EXIT and not is_stub:
            return by_rules(BEHIND, code, place)
        return by_rules(TARGET, code, place) if now == "C" else now


def attribute(sample, code, known):
    """A sample's instructions, each with its step."""
    # A sample that begins on a target begins in a called function that reads the clock.
    targets, instructions = {sample[0].cpu: Target("C")}, []
    for cpu, address in sample:
        text, place = code.get(address, "?"), known[address]
        if cpu == 0:
            step = by_rules(SENDER, text, place)
        else:
            step = targets.setdefault(cpu, Target()).step(text, place)
        instructions.append(Instruction(cpu, address, text, place, step))
    return instructions


def take(elf, apic, metric=MAIN_METRIC, cpus=boots.BASE_CPUS, length=None):
    """One sample, instruction by instruction: one of the measured p50, or of another length."""
    if length is None:
        measured = boots.take(elf, cpus, apic, metric).results
        if metric not in measured:
            raise HarnessError("%s was not measured at %d CPUs" % (metric, cpus))
        length = measured[metric]["p50"]
    sample = trace.take(elf, cpus, apic, metric, length)
    known = places(elf, sorted({step.address for step in sample}))
    return attribute(sample, trace.disassembly(elf), known)


def sums(instructions):
    """Instructions by (is sender, step)."""
    return Counter((i.cpu == 0, i.step) for i in instructions)


def ordered(counters):
    """Every step that took an instruction, in the order in which a call takes them."""
    named = [(True, step) for step in SENDER_STEPS] + [(False, step) for step in TARGET_STEPS]
    taken = {key for counter in counters for key in counter}
    return [key for key in named if key in taken] + sorted(taken - set(named), reverse=True)


def rows(by_mode):
    """The breakdown as rows of text: who, step, and a count for each mode; then the sum."""
    counters = [sums(instructions) for instructions in by_mode.values()]
    lines = [["CPU", "step"] + list(by_mode)]
    for is_sender, step in ordered(counters):
        lines.append(["sender" if is_sender else "target", step]
                     + [str(counter[is_sender, step]) for counter in counters])
    return lines + [["", "sum"] + [str(sum(c.values())) for c in counters]]


def text(by_mode):
    """The breakdown for a terminal."""
    return "\n".join("%-7s %-22s" % tuple(row[:2]) + "".join("%8s" % c for c in row[2:])
                     for row in rows(by_mode))


def _markdown_table(by_name):
    """The breakdown as a table of Markdown; a step that a column has not is empty there."""
    head, *body = rows(by_name)
    lines = [head, [":--", ":--"] + ["--:"] * (len(head) - 2)]
    lines += [["" if cell == "0" else cell for cell in line] for line in body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def markdown(elf):
    """The breakdown of the main rows for docs/numbers.md."""
    main = {apic: take(elf, apic) for apic in boots.MODES}
    others = [_markdown_table({"`%s`" % metric: take(elf, "xapic", metric) for metric in metrics})
              for metrics in OTHER_METRICS]
    return "`%s`\n\n%s\n\nOther rows, in xAPIC mode and at 2 CPUs:\n\n%s\n" % (
        MAIN_METRIC, _markdown_table(main), "\n\n".join(others))


def listing(instructions):
    """Every instruction in the order in which it ran."""
    lines = []
    for cpu, address, code, place, step in instructions:
        lines.append("cpu %d  %x  %-22s %-48s %s" % (cpu, address, step, code.split("#")[0].strip(),
                                                     " < ".join(place.functions)))
    return "\n".join(lines)
