"""One boot of Linux in the machine in which Nudge's figures are taken, and what it printed."""

import re

from bench import boots, figures
from compare import build, packages
from harness import boot
from harness.machine import HarnessError

# What the harness needs: all of the log on the serial line and no dates in front of its lines;
# a machine that ends when Linux panics. The last is for the harness alone: it ends by itself.
HARNESS_WORDS = ["console=ttyS0", "printk.time=0", "printk.devkmsg=on", "panic=-1", "oops=panic",
                 "then=exit"]
# Linux boots slowly where one host thread plays many CPUs, and polls slowly.
SECONDS, SECONDS_FOR_EACH_CPU, TIMES_IF_POLLING = 300, 30, 8
KERNEL_CODE = re.compile(r"^Memory: .*\b(\d+)K kernel code", re.MULTILINE)


class Machine:
    """Linux, ready to be booted."""

    def __init__(self, found, command_line):
        self.release = found.release
        self.version = found.version
        self.kernel = packages.kernel(found)
        self.ramdisk = build.ramdisk(found)
        self.command_line = command_line.split()
        self.text_bytes = None

    def words(self, setting, names):
        """The whole command line; what follows `--` goes to the first program."""
        return HARNESS_WORDS + self.command_line + setting.split() + ["--"] + list(names)

    def _options(self, cpus, setting, accel):
        options = boots.options(self.kernel, cpus, accel)
        options.initrd = self.ramdisk
        options.timeout = SECONDS + SECONDS_FOR_EACH_CPU * cpus
        if "idle=poll" in setting:
            options.timeout *= TIMES_IF_POLLING
        if accel != "icount":
            options.timeout *= boots.HOST_TIMES
        return options

    def take(self, cpus, setting, names, accel="icount"):
        """Boot once; the results by name."""
        try:
            outcome = boot.watched(self._options(cpus, setting, accel),
                                   self.words(setting, names), None)
            results = checked(figures.of_outcome(outcome, cpus, "xapic"), self.release, names)
        except HarnessError as error:
            raise HarnessError("Linux, %d CPUs, %s: %s"
                               % (cpus, setting or "as it is", error)) from error
        self.text_bytes = text_bytes(outcome.text) or self.text_bytes
        return results


def checked(found, release, names):
    """The results of a boot, if it was the kernel that was meant, and has them all."""
    if found.run["commit"] != release:
        raise HarnessError("%s was to be booted, %s says that it ran"
                           % (release, found.run["commit"]))
    missing = [name for name in names if name not in found.results]
    if missing:
        raise HarnessError("no result for " + ", ".join(missing))
    return found.results


def text_bytes(log):
    """The bytes of the kernel's instructions as Linux says them when it starts, or None."""
    said = KERNEL_CODE.search(log)
    return int(said.group(1)) * 1024 if said else None
