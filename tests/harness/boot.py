"""Boot one machine, stream its serial line, and end it when it is done.

One loop waits for the serial line, QEMU's monitor and the clock.  QEMU is told to hold
a machine that resets or exits, so that registers and the screen can be read first.
"""

import os
import re
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections import namedtuple

from harness import judge, machine, symbols
from harness.qmp import Qmp

Outcome = namedtuple("Outcome", "text exit_code timed_out notes first_test")

VERDICT = re.compile(rb"^# verdict (?:pass|fail|panic)\b", re.MULTILINE)
# The kernel asks for a line.
PROMPT = b"nudge> "
# After these words the machine halts, whatever it was to do then.
LAST_WORDS = judge.EARLY_PANIC.encode()
# What the machine may still print after its verdict when it is not going to exit.
AFTER_VERDICT_SECONDS = 0.5
# QEMU's own end, once asked for; and when its monitor is gone, which mostly means that it is too.
QUIT_SECONDS = 20
HUNG_UP_SECONDS = 1
# A status that QEMU itself uses for failure.
QEMU_FAILED = 1
# How a run ended, beside the reasons that QEMU gives for a shutdown.
STOPPED, ENOUGH, OUT_OF_TIME = "stopped", "enough", "out of time"
# Ends after which the registers tell why.
BAD_ENDS = {STOPPED: "stopped by QEMU", OUT_OF_TIME: "out of time",
            "guest-reset": "reset (by a triple fault?)"}


class Watch:
    """A running QEMU and what it said so far."""

    def __init__(self, process, qmp, opts, stop_at_verdict, typed):
        self.process = process
        self.qmp = qmp
        self.echo = not opts.quiet
        self.started = time.monotonic()
        self.deadline = self.started + opts.timeout
        self.stop_at_verdict = stop_at_verdict
        self.to_type = list(typed)
        self.text = bytearray()
        self.first_test = None
        self.verdict_at = None
        self.ended = None
        self.serial_open = True
        self.selector = selectors.DefaultSelector()
        self.selector.register(process.stdout, selectors.EVENT_READ, self._read_serial)
        self.selector.register(qmp.socket, selectors.EVENT_READ, self._read_monitor)

    def _read_serial(self):
        data = os.read(self.process.stdout.fileno(), 1 << 16)
        if not data:
            self.selector.unregister(self.process.stdout)
            self.serial_open = False
        self.text += data
        if self.echo:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        if self.first_test is None and b"TAP version 13" in self.text:
            self.first_test = time.monotonic() - self.started
        if self.verdict_at is None and VERDICT.search(self.text, max(0, self._line_start(data))):
            self.verdict_at = time.monotonic()

        if self.to_type and self.text.endswith(PROMPT):
            os.write(self.process.stdin.fileno(), self.to_type.pop(0).encode() + b"\n")
        if LAST_WORDS in self.text:
            self.stop_at_verdict = True
            self.verdict_at = self.verdict_at or time.monotonic()

    def _line_start(self, data):
        """Where the line begins that the newest data continues: earlier ones were searched."""
        return self.text.rfind(b"\n", 0, len(self.text) - len(data)) + 1

    def _read_monitor(self):
        self.qmp.receive()
        if self.qmp.closed:
            self.selector.unregister(self.qmp.socket)
        for event in self.qmp.events:
            if event["event"] == "SHUTDOWN":
                self.ended = self.ended or event["data"]["reason"]
            elif event["event"] == "STOP":
                self.ended = self.ended or STOPPED
        self.qmp.events.clear()

    def _said_enough(self, now):
        return (self.stop_at_verdict and self.verdict_at is not None
                and now > self.verdict_at + AFTER_VERDICT_SECONDS)

    def wait(self):
        """Wait until the machine is done, has given the last verdict it will, or is out of time."""
        while self.serial_open and not self.ended:
            now = time.monotonic()
            if self._said_enough(now):
                self.ended = ENOUGH
            elif now > self.deadline:
                self.ended = OUT_OF_TIME
            else:
                self._serve(min(self.deadline - now + 0.01, 0.2))

    def _serve(self, seconds):
        for key, _ in self.selector.select(seconds):
            key.data()

    def end(self):
        """End QEMU, by asking it first, and read its last words; its exit status."""
        self.qmp.execute("quit")
        limit = time.monotonic() + (HUNG_UP_SECONDS if self.qmp.closed else QUIT_SECONDS)
        while self.serial_open and time.monotonic() < limit:
            self._serve(0.2)
        if self.serial_open:
            kill(self.process)
        try:
            return self.process.wait(QUIT_SECONDS)
        except subprocess.TimeoutExpired:
            kill(self.process)
            return self.process.wait()


def kill(process):
    """End QEMU and whatever it started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def _post_mortem(watch, opts, elf):
    """What only a machine that still stands can tell: its screen and its registers."""
    if opts.screenshot and not watch.qmp.closed:
        kind = "ppm" if opts.screenshot.endswith(".ppm") else "png"
        watch.qmp.execute("screendump", filename=os.path.abspath(opts.screenshot), format=kind)
    if watch.ended not in BAD_ENDS:
        return []
    places = symbols.where_cpus_are(elf, watch.qmp.monitor("info registers -a"))
    return ["# %s; the CPUs stand at" % BAD_ENDS[watch.ended]] + places if places else []


def _exit_code(watch, status):
    """QEMU's status as the judge wants it; None when it was not the machine that ended it."""
    if watch.ended == STOPPED:
        return QEMU_FAILED
    asked_for = watch.stop_at_verdict and watch.verdict_at is not None and status == 0
    return None if watch.ended in (ENOUGH, OUT_OF_TIME) or asked_for else status


def watched(opts, words, elf, typed=()):
    """Boot one machine without a person and return its Outcome; a line is typed at each prompt."""
    stop_at_verdict = "then=exit" not in words
    qmp = Qmp()
    with tempfile.TemporaryDirectory(prefix="nudge-") as scratch, \
            open(os.path.join(scratch, "stderr"), "w+b") as stderr:
        command = machine.watched(opts, words, scratch, qmp.peer.fileno())
        person = subprocess.PIPE if typed else subprocess.DEVNULL
        process = subprocess.Popen(command, stdin=person, stdout=subprocess.PIPE,
                                   stderr=stderr, pass_fds=[qmp.peer.fileno()],
                                   start_new_session=True)
        qmp.peer.close()
        try:
            watch = Watch(process, qmp, opts, stop_at_verdict, typed)
            watch.wait()
            notes = _post_mortem(watch, opts, elf)
            status = watch.end()
        finally:
            kill(process)
            process.wait()
            qmp.close()
        stderr.seek(0)
        words_of_qemu = stderr.read().decode("utf-8", "replace")
        notes += ["# qemu: " + line for line in words_of_qemu.splitlines()]
        notes += machine.old_qemu(qmp.version) if qmp.version else []
    return Outcome(watch.text.decode("utf-8", "replace"), _exit_code(watch, status),
                   watch.ended == OUT_OF_TIME, notes, watch.first_test)


def _window():
    """The display QEMU can open here, or None on a host without one."""
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return None
    kinds = subprocess.run([machine.qemu(), "-display", "help"], stdout=subprocess.PIPE,
                           universal_newlines=True, check=False).stdout.split()
    return next((kind for kind in ("gtk", "sdl") if kind in kinds), None)


def interactive(opts, words):
    """Boot one machine on this terminal, with a window where there is one; QEMU's status.

    A display that is named but cannot be opened makes QEMU fail at once: then the
    terminal is enough.
    """
    for line in machine.old_qemu(machine.qemu_version()[0]):
        print(line)
    for window in filter(None, (_window(), "none")):
        started = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="nudge-") as scratch:
            status = subprocess.call(machine.interactive(opts, words, scratch, window))
        if status != QEMU_FAILED or time.monotonic() - started > 3:
            break
    return status
