"""Judge a run by what it printed and how QEMU ended.

One pure function, so that a live run and a saved log follow the same rules, and
so that every rule is tested without booting anything.

A run passes only when everything agrees: QEMU's exit code, the verdict line and
the TAP.  Where they disagree, evidence of failure wins; a mere contradiction with
no failure named (all tests ok, but the plan does not match) is status 4, because
then the harness cannot say what happened.
"""

import re
from collections import namedtuple

PASSED, FAILED, PANIC, TIMEOUT, BROKEN, RESET = range(6)

# isa-debug-exit ends QEMU with (value << 1) | 1, for the values 0x10 to 0x12.
EXIT_PASS, EXIT_FAIL, EXIT_PANIC = 33, 35, 37
# With -action reboot=shutdown a reset, a triple fault and a power-off end QEMU with 0.
EXIT_RESET = 0

Judgement = namedtuple("Judgement", "code reason")

ESCAPES = re.compile(r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b\[[0-?]*[ -/]*[@-~]"
                     r"|\x1b[ -/]+[0-~]|\x1b[0-Z\\-~]")
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
HEADER = "TAP version 13"
PLAN = re.compile(r"1\.\.(\d+)\b")
RESULT = re.compile(r"(not )?ok (\d+)(?:\s+-)?\s*(.*)")
SKIP = re.compile(r"#\s*skip\b", re.IGNORECASE)
VERDICT = re.compile(r"# verdict (pass|fail|panic)\s*$")
# What a kernel says that did something wrong.  Tests and torture see to it themselves: they may
# mean it.  A stall or a lockup outside of them may be a busy host's.
COMPLAINT = re.compile(r"WARNING: ")
# What cannot even run C says this, and no more.
EARLY_PANIC = "nudge: PANIC: "


def plain(text):
    """Text as a reader sees it: no terminal escapes, one line per carriage return.

    Firmware and GRUB draw with escapes on the same serial line before the kernel speaks.
    """
    text = ESCAPES.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    return CONTROLS.sub("", text)


class Log:
    """A console log, reduced to what a judgement needs."""

    def __init__(self, text):
        self.headers = 0
        self.plans = []
        self.numbers = []
        self.failed = []
        self.skipped = 0
        self.verdicts = set()
        self.bail = None
        self.complaint = None
        for line in plain(text).splitlines():
            self._read(line.rstrip())

    def _read(self, line):
        verdict = VERDICT.match(line)
        if verdict:
            self.verdicts.add(verdict.group(1))
        elif line.startswith(EARLY_PANIC):
            self.verdicts.add("panic")
        elif line.startswith("Bail out!"):
            self.bail = line[len("Bail out!"):].strip()
        elif line.endswith(HEADER):
            self.headers += 1
        elif self.headers:
            self._read_tap(line)
        elif COMPLAINT.match(line):
            self.complaint = self.complaint or line

    def _read_tap(self, line):
        plan, result = PLAN.match(line), RESULT.match(line)
        if plan:
            self.plans.append(int(plan.group(1)))
        elif result:
            self.numbers.append(int(result.group(2)))
            if result.group(1):
                self.failed.append(result.group(3) or "test " + result.group(2))
            elif SKIP.search(result.group(3)):
                self.skipped += 1

    @property
    def panicked(self):
        """A panic outranks everything else: what follows it is its consequence."""
        return "panic" in self.verdicts or (self.bail or "").startswith("panic")

    def tap_problem(self):
        """What keeps the TAP from being a complete, passing run; None when nothing does."""
        if self.headers == 0:
            return "no TAP was printed"
        if len(self.plans) != 1:
            return "%d plans were printed" % len(self.plans)
        if self.plans[0] == 0:
            return "no test was run"
        if self.numbers != list(range(1, self.plans[0] + 1)):
            return "%d tests were planned, %d reported or out of order" % (
                self.plans[0], len(self.numbers))
        return None

    def summary(self):
        """The count of tests in words, for the line that ends a run."""
        if not self.headers:
            return "no tests"
        skipped = ", %d skipped" % self.skipped if self.skipped else ""
        return "%d tests%s" % (len(self.numbers), skipped)


def _failure(log, exit_code):
    """The first evidence that a test failed, or None."""
    if log.failed:
        more = " and %d more" % (len(log.failed) - 1) if len(log.failed) > 1 else ""
        return "failed: %s%s" % (log.failed[0], more)
    if log.bail is not None:
        return "bailed out: " + log.bail
    if log.complaint:
        return "the kernel complains: " + log.complaint
    if "fail" in log.verdicts:
        return "the kernel's verdict is fail"
    if exit_code == EXIT_FAIL:
        return "the kernel's exit code says that a test failed"
    return None


def _early_end(log, exit_code, timed_out):
    """The judgement of a run that did not end by its own verdict, or None."""
    if log.panicked or exit_code == EXIT_PANIC:
        return Judgement(PANIC, "panic")
    if timed_out:
        return Judgement(TIMEOUT, "out of time after " + log.summary())
    if exit_code == EXIT_RESET or log.headers > 1:
        return Judgement(RESET, "the machine reset or switched off after " + log.summary())
    if exit_code not in (None, EXIT_PASS, EXIT_FAIL):
        return Judgement(BROKEN, "QEMU ended with status %d" % exit_code)
    return None


def judge(text, exit_code=None, timed_out=False, tap=False):
    """Judge a run; exit_code is None for a saved log, tap says that TAP is expected.

    Order: panic, out of time, reset, a failing QEMU, a failing test, a contradiction.
    A report has no TAP and is judged by its verdict and exit code.
    """
    log = Log(text)
    early = _early_end(log, exit_code, timed_out)
    if early:
        return early
    failure = _failure(log, exit_code)
    if failure:
        return Judgement(FAILED, failure)
    if "pass" not in log.verdicts:
        if exit_code is None:
            return Judgement(RESET, "the log ends without a verdict")
        return Judgement(BROKEN, "the exit code says passed, but no verdict was printed")
    problem = log.tap_problem() if tap or log.headers else None
    if problem:
        return Judgement(BROKEN, "the verdict is pass, but " + problem)
    return Judgement(PASSED, "passed, " + log.summary())


def judge_silent(exit_code, timed_out=False):
    """Judge a machine that has no serial port: the exit code is all there is."""
    early = _early_end(Log(""), exit_code, timed_out)
    if early:
        return early
    if exit_code == EXIT_PASS:
        return Judgement(PASSED, "passed, by exit code alone")
    return Judgement(FAILED, "the kernel's exit code says that a test failed")
