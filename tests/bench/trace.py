"""Every instruction that all CPUs execute while one sample of a benchmark is taken.

QEMU runs to where the benchmarks begin at full speed, stopped there by a breakpoint through
its debugger socket. Then it translates one instruction at a time and writes a line for
each one. Neither changes what the guest does: a sample has as many lines as it has ticks, and
that is how it is found again: two readings of the clock, as far apart as was measured.
"""

import os
import re
import socket
import subprocess
import tempfile
import threading
from collections import Counter, deque, namedtuple

from bench import boots
from harness import judge, machine
from harness.machine import HarnessError
from harness.qmp import Qmp

# The kernel's function that runs the benchmarks: where the trace begins.
START = "run_benches"
# Readings of the clock passed over first, so that no sample of a cold start is shown.
PASSED = 40
SECONDS = 120
# What QEMU is given to end by itself once its log has ended.
GOODBYE_SECONDS = 5
# Its statuses when the guest ended it: the benchmarks are over.
GUEST_ENDS = (judge.EXIT_PASS, judge.EXIT_FAIL)

EXECUTED = re.compile(rb"Trace (\d+): \S+ \[[0-9a-f]+/([0-9a-f]+)/")
# QEMU's word for an instruction whose line came although it was put off.
PUT_OFF = b"Stopped execution"
INSTRUCTION = re.compile(r"^ *([0-9a-f]+):\t(.*)$", re.MULTILINE)

Step = namedtuple("Step", "cpu address")


def tool(command):
    """What a host tool prints; an error when it is missing or fails."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              universal_newlines=True, check=False)
    except OSError as error:
        raise HarnessError("%s: %s (make deps)" % (command[0], error.strerror)) from error
    if done.returncode:
        raise HarnessError("%s: %s" % (command[0], done.stderr.strip()))
    return done.stdout


def disassembly(elf):
    """Every instruction of the ELF by address."""
    return {int(address, 16): code.strip() for address, code in
            INSTRUCTION.findall(tool(["objdump", "-d", "--no-show-raw-insn", elf]))}


def functions(elf):
    """(address, name) of every symbol of code, in order."""
    fields = [line.split() for line in tool(["nm", "-n", elf]).splitlines()]
    return [(int(f[0], 16), f[2]) for f in fields if len(f) == 3 and f[1] in "tT"]


def address_of(elf, name):
    """The address of the one function of that name."""
    found = [address for address, symbol in functions(elf) if symbol == name]
    if len(found) != 1:
        raise HarnessError("%s has %d functions called %s, one is needed to start the trace at"
                           % (elf, len(found), name))
    return found[0]


class Debugger:
    """The few packets of the remote debugging protocol that a breakpoint needs."""

    def __init__(self):
        self.socket, self.peer = socket.socketpair()
        self.socket.settimeout(SECONDS)
        self.buffer = b""

    def close(self):
        self.socket.close()
        self.peer.close()

    def ask(self, packet, answer):
        """Send a packet; what comes back must begin with the answer."""
        data = packet.encode()
        try:
            self.socket.sendall(b"$%s#%02x" % (data, sum(data) & 0xff))
            said = self._receive()
        except OSError as error:
            raise HarnessError("QEMU's debugger does not answer '%s'" % packet) from error
        if not said.startswith(answer):
            raise HarnessError("QEMU's debugger says %r to '%s'" % (said, packet))

    def _receive(self):
        while True:
            match = re.search(rb"\$([^#]*)#..", self.buffer, re.DOTALL)
            if match:
                self.buffer = self.buffer[match.end():]
                self.socket.sendall(b"+")
                return match.group(1)
            data = self.socket.recv(4096)
            if not data:
                raise OSError("closed")
            self.buffer += data


def command(elf, cpus, apic, metric, ends, scratch):
    """QEMU as for the figures, with the trace and the debugger added, and not yet running."""
    monitor, debugger, log = ends
    line = machine.watched(boots.options(elf, cpus), boots.words(apic, metric), scratch, monitor)
    return line + ["-S", "-D", "/dev/fd/%d" % log, "-gdb", "chardev:debugger",
                   "-action", "shutdown=poweroff",
                   "-chardev", "socket,id=debugger,fd=%d" % debugger]


def run_to(debugger, qmp, address):
    """Let the guest reach an address, then trace every instruction."""
    debugger.ask("Z1,%x,1" % address, b"OK")
    debugger.ask("c", b"T")
    for line in ("one-insn-per-tb on", "log exec,nochain"):
        said = qmp.monitor(line)
        if said or qmp.closed:
            raise HarnessError("QEMU's monitor refuses '%s': %s" % (line, said.strip()))
    debugger.ask("z1,%x,1" % address, b"OK")
    debugger.ask("D", b"OK")


def executed(lines):
    """Steps from the lines of QEMU's log."""
    last = None
    for line in lines:
        match = EXECUTED.match(line)
        if not match and line.startswith(PUT_OFF):
            last = None
        if not match:
            continue
        if last:
            yield last
        last = Step(int(match.group(1)), int(match.group(2), 16))


def is_reading(code, address):
    """Whether an RDTSC is one of T(), which has an LFENCE in front of it."""
    return (code.get(address, "").startswith("rdtsc")
            and code.get(address - 3, "").startswith("lfence"))


def window(steps, code, length, passed=PASSED):
    """The first `length` steps from one reading of the clock up to another, after some others.

    Returns (steps, None), or (None, how often two readings in a row had which distance).
    """
    recent, readings, distances, last = deque(maxlen=length), set(), Counter(), None
    for position, step in enumerate(steps):
        if is_reading(code, step.address):
            if position - length in readings and len(readings) > passed:
                return list(recent), None
            readings.add(position)
            if last is not None:
                distances[position - last] += 1
            last = position
        recent.append(step)
    return None, distances


class Run:
    """QEMU at work, with an end to its patience, and what there is to say when it ends early."""

    def __init__(self, line, fds, stderr):
        self.stderr, self.out_of_time = stderr, False
        self.process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=stderr, pass_fds=fds, start_new_session=True)
        self.clock = threading.Timer(SECONDS, self._end_it)
        self.clock.start()

    def _end_it(self):
        self.out_of_time = True
        self.process.kill()

    def problem(self):
        """Why QEMU ended when it should not have; None while it runs, or if the guest ended it."""
        try:
            status = self.process.wait(GOODBYE_SECONDS)
        except subprocess.TimeoutExpired:
            return None
        if self.out_of_time:
            return "QEMU was ended after %g s: the machine is too slow for a trace" % SECONDS
        if status in GUEST_ENDS:
            return None
        self.stderr.seek(0)
        said = self.stderr.read().decode("utf-8", "replace").strip()
        return "QEMU ended with status %d: %s" % (status, said or "it said nothing")

    def close(self):
        """End it, whatever it does."""
        self.clock.cancel()
        self.process.kill()
        self.process.wait()


def take(elf, cpus, apic, metric, length):
    """A stretch of a benchmark that took so many ticks, as a list of steps."""
    code, start = disassembly(elf), address_of(elf, START)
    qmp, debugger = Qmp(), Debugger()
    reader, writer = os.pipe()
    ends = (qmp.peer.fileno(), debugger.peer.fileno(), writer)
    with tempfile.TemporaryDirectory(prefix="nudge-") as scratch, os.fdopen(reader, "rb") as log, \
            tempfile.TemporaryFile() as stderr:
        run = Run(command(elf, cpus, apic, metric, ends, scratch), ends, stderr)
        try:
            os.close(writer)
            qmp.peer.close()
            debugger.peer.close()
            run_to(debugger, qmp, start)
            found, distances = window(executed(log), code, length)
            problem = None if found else run.problem()
        except HarnessError as error:
            problem = run.problem() or str(error)
        finally:
            run.close()
            qmp.close()
            debugger.close()
    if problem:
        raise HarnessError("%s: %s" % (metric, problem))
    if not found:
        raise HarnessError("%s: no two readings of the clock are %d ticks apart; mostly it is %s"
                           % (metric, length, ", ".join(
                               "%d" % ticks for ticks, _ in distances.most_common(5)) or "none"))
    return found
