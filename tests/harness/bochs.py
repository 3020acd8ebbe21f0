#!/usr/bin/env python3
"""Boot the image in Bochs and judge its serial log: a second emulator, written by others.

Bochs has neither fw_cfg nor isa-debug-exit.  So the boot words are written into a copy of
the image, and the run ends at the verdict line.  Exit statuses are those of tests/run.
"""

import argparse
import glob
import os
import pty
import re
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
TESTS = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
sys.path.insert(0, TESTS)

from harness import judge  # noqa: E402  (the path comes first)
from harness.machine import HarnessError  # noqa: E402

ROOT = os.path.dirname(TESTS)
# GRUB's configuration inside the image: the boot words, then a comment that may be overwritten.
WORDS_LINE = re.compile(rb'^set words=""\n\n#[^\n]*\n', re.MULTILINE)
# Where Debian keeps the displays, of which only some may be installed; one of them is enough.
PLUGINS = "/usr/lib/*/bochs/plugins/libbx_%s_gui.so"
DISPLAYS = {"term": "term", "rfb": 'rfb, options="timeout=0"'}
# Some, as Debian's, have a debugger built in, which waits for this before it starts.
DEBUGGER = "continue\n"
# At this rate of its clock (and TSC) the BIOS's delays are short, and the kernel still believes it.
CONFIG = """\
display_library: {display}
megs: {memory}
cpu: model={model}, count={cpus}, ips=100000000, reset_on_triple_fault=0
{cpuid}
clock: sync=none, time0=1704067200
romimage: file=$BXSHARE/BIOS-bochs-latest
vgaromimage: file=$BXSHARE/VGABIOS-lgpl-latest
vga: extension=none
ata0-master: type=cdrom, path="{image}", status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev="{serial}"
sound: driver=dummy
speaker: enabled=0
log: "{log}"
panic: action=fatal
error: action=report
info: action=ignore
"""


def with_words(data, words):
    """A copy of an image whose GRUB passes these boot words; no byte moves."""
    def changed(match):
        line = b'set words="' + " ".join(words).encode() + b'"\n'
        room = len(match.group(0)) - len(line)
        if room < 2:
            raise HarnessError("the boot words do not fit into the image")
        return line + b"#" * (room - 1) + b"\n"
    patched, count = WORDS_LINE.subn(changed, data)
    if not count:
        raise HarnessError("found no grub.cfg with boot words in the image")
    return patched


def start(opts, folder):
    """Start Bochs in a terminal of its own, which its text display needs."""
    paths = {name: os.path.join(folder, name) for name in ("image", "serial", "log", "rc", "go")}
    with open(opts.image, "rb") as image, open(paths["image"], "wb") as copy:
        copy.write(with_words(image.read(), opts.words))
    with open(paths["rc"], "w", encoding="utf-8") as rc:
        rc.write(CONFIG.format(display=opts.display, memory=opts.memory, model=opts.model,
                               cpus=opts.smp, cpuid=opts.cpuid and "cpuid: " + opts.cpuid,
                               image=paths["image"], serial=paths["serial"], log=paths["log"]))
    with open(paths["go"], "w", encoding="utf-8") as go:
        go.write(DEBUGGER)
    screen, terminal = pty.openpty()
    process = subprocess.Popen(["bochs", "-q", "-f", paths["rc"]]
                               + (["-rc", paths["go"]] if has_debugger() else []),
                               stdin=terminal, stdout=terminal, stderr=terminal,
                               env=dict(os.environ, TERM="linux"))
    os.close(terminal)
    threading.Thread(target=swallow, args=(screen,), daemon=True).start()
    return process, paths


def has_debugger():
    """Whether this Bochs knows the option for the debugger's commands, or would refuse it."""
    said = subprocess.run(["bochs", "--help"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          universal_newlines=True, check=False).stdout
    return " -rc " in said


def display():
    """The first display library that is installed and needs no person."""
    found = [DISPLAYS[name] for name in DISPLAYS if glob.glob(PLUGINS % name)]
    return found[0] if found else DISPLAYS["term"]


def swallow(screen):
    """Read what Bochs draws, so that it never waits for its terminal."""
    try:
        while os.read(screen, 1 << 16):
            pass
    except OSError:
        pass


def read(path):
    """The text of a file that may not be there yet."""
    try:
        with open(path, encoding="utf-8", errors="replace") as text:
            return text.read()
    except OSError:
        return ""


def wait(process, serial, seconds):
    """Wait for a verdict, the end of Bochs or of the time; whether time ran out."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if "\n# verdict " in read(serial) or process.poll() is not None:
            time.sleep(1)  # for the rest of the verdict's line
            return False
        time.sleep(0.5)
    return True


def options(argv):
    """The command line."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--smp", default=4, type=int)
    p.add_argument("--memory", default=256, type=int, metavar="MB")
    p.add_argument("--model", default="corei7_haswell_4770", help="a CPU that Bochs knows")
    p.add_argument("--cpuid", default="", metavar="OPTIONS",
                   help="what bx_generic, one of them, says of itself")
    p.add_argument("--display", default=display(), help="a display library of Bochs")
    p.add_argument("--timeout", default=280, type=float, metavar="S")
    p.add_argument("--image", default=os.path.join(ROOT, os.environ.get("O") or "build",
                                                   "nudge.iso"))
    p.add_argument("words", nargs="*", default=["run=test", "then=halt"])
    return p.parse_args(argv)


def boot(opts):
    """Boot once and judge."""
    with tempfile.TemporaryDirectory(prefix="nudge-") as folder:
        process, paths = start(opts, folder)
        try:
            timed_out = wait(process, paths["serial"], opts.timeout)
        finally:
            process.kill()
            process.wait()
        text = read(paths["serial"])
        code, reason = judge.judge(text, None, timed_out, tap="run=test" in opts.words)
        print(text)
        for line in read(paths["log"]).splitlines()[-10:] if code else []:
            print("# bochs: " + line)
    print("# run: " + reason)
    return code


if __name__ == "__main__":
    try:
        sys.exit(boot(options(sys.argv[1:])))
    except (HarnessError, OSError) as problem:
        print("bochs.py: %s" % problem, file=sys.stderr)
        sys.exit(judge.BROKEN)
