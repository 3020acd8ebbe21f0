"""The QEMU command line for one run.

Everything that a run's result may depend on is spelled out here (no user config, no
default devices), so that the same options mean the same machine everywhere.
"""

import os
import re
import shlex
import shutil
import subprocess

# Where OVMF may be, which tools/deps looks at, too: code and variables, one pair a line.
OVMF = os.path.join(os.path.dirname(os.path.realpath(__file__)), "ovmf.txt")
# fw_cfg files that the kernel looks for.
CMDLINE_FILE = "opt/nudge/cmdline"
MADT_FILE = "opt/nudge/acpi/APIC.bin"
# Older ones have no x2APIC without KVM.
OLDEST_QEMU = (9, 0)
# Most CPUs that 8-bit APIC IDs can name; more need x2APIC.
XAPIC_CPUS = 255


class HarnessError(Exception):
    """The run cannot be made or judged; the message says why."""


def qemu():
    """The QEMU to run; QEMU in the environment names another one, as for tools/deps."""
    name = os.environ.get("QEMU") or "qemu-system-x86_64"
    path = shutil.which(name)
    if not path:
        raise HarnessError("%s is not installed (make deps)" % name)
    return path


def qemu_version():
    """QEMU's version as (number, all that it says)."""
    path = qemu()
    said = subprocess.run([path, "--version"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          universal_newlines=True, check=False).stdout
    match = re.search(r"version (\d+(?:\.\d+)+)(.*)", said)
    if not match:
        raise HarnessError("%s --version says no version: %s" % (path, said.strip()[:80]))
    return match.group(1), match.group(1) + match.group(2).rstrip()


def is_too_old(number):
    """Whether a version, as text, is one whose CPUs have no x2APIC without KVM."""
    return tuple(int(part) for part in number.split(".")[:2]) < OLDEST_QEMU


def old_qemu(number):
    """What is to be said about a QEMU of that version: a line, or none."""
    return ["# run: QEMU %s is older than %d.%d: without KVM its CPUs have no x2APIC, tests fail for"
            " it (make deps)" % ((number,) + OLDEST_QEMU)] if is_too_old(number) else []


def ovmf():
    """The first (code, variables) pair of UEFI firmware on this host, or None."""
    with open(OVMF, encoding="ascii") as file:
        pairs = [line.split() for line in file if not line.startswith("#")]
    return next((pair for pair in pairs if all(map(os.path.exists, pair))), None)


def is_elf(path):
    """Whether an image is the bare kernel; a file that cannot be read is an error."""
    try:
        with open(path, "rb") as image:
            magic = image.read(4)
    except OSError as error:
        raise HarnessError("image %s: %s (make builds it)" % (path, error.strerror)) from error
    if not magic and not os.path.getsize(path):
        raise HarnessError("image %s is empty" % path)
    return magic == b"\x7fELF"


def cpu_count(spec):
    """The number of CPUs of a -smp value: `8`, or `cpus=6,sockets=2,cores=3`."""
    match = re.search(r"(?:^|\bcpus=)(\d+)", spec)
    if match:
        return int(match.group(1))
    factors = re.findall(r"\b(?:sockets|dies|clusters|modules|cores|threads)=(\d+)", spec)
    count = 1
    for factor in factors:
        count *= int(factor)
    return count


def _escaped(value):
    """QEMU splits option values at commas; a doubled comma is a comma."""
    return value.replace(",", ",,")


def _machine(opts):
    properties = opts.machine
    if opts.accel == "icount":
        properties += ",hpet=off"
    if opts.accel == "kvm" and cpu_count(opts.smp) > XAPIC_CPUS:
        # KVM delivers to 32-bit APIC IDs only with its x2APIC API; TCG needs nothing,
        # and neither needs an IOMMU while no device interrupt goes to such a CPU.
        properties += ",kernel-irqchip=split"
    return ["-machine", properties]


def _accel(opts):
    if opts.accel == "kvm":
        return ["-accel", "kvm"]
    if opts.accel == "tcg":
        return ["-accel", "tcg,thread=multi"]
    if opts.accel == "tcg1":
        return ["-accel", "tcg,thread=single"]
    return ["-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off",
            "-rtc", "base=2024-01-01,clock=vm", "-seed", "1"]


def _firmware(opts, scratch):
    """UEFI gets a fresh copy of its variables: a boot writes to them."""
    if opts.firmware == "bios":
        return []
    pair = ovmf()
    if not pair:
        raise HarnessError("no OVMF firmware found (make deps)")
    variables = os.path.join(scratch, "variables.fd")
    shutil.copyfile(pair[1], variables)
    return ["-drive", "if=pflash,unit=0,format=raw,readonly=on,file=" + _escaped(pair[0]),
            "-drive", "if=pflash,unit=1,format=raw,file=" + _escaped(variables)]


def _image(opts, words):
    """An ELF is booted by PVH with -append; an image gets its words through fw_cfg.

    A kernel with an initial ramdisk is another system's, which QEMU loads, too.
    """
    line = " ".join(words)
    if getattr(opts, "initrd", None):
        return ["-kernel", opts.image, "-initrd", opts.initrd, "-append", line]
    if is_elf(opts.image):
        if opts.firmware == "uefi" or opts.usb:
            raise HarnessError("--firmware uefi and --usb need the ISO, %s is an ELF" % opts.image)
        return ["-kernel", opts.image, "-append", line]
    medium = "format=raw,readonly=on,file=" + _escaped(opts.image)
    if opts.usb:
        drive = ["-device", "qemu-xhci", "-drive", "if=none,id=stick," + medium,
                 "-device", "usb-storage,drive=stick,bootindex=0"]
    else:
        drive = ["-drive", "media=cdrom,index=2," + medium, "-boot", "d"]
    return drive + ["-fw_cfg", "name=%s,string=%s" % (CMDLINE_FILE, _escaped(line))]


def _fw_cfg(opts):
    items = list(opts.fw_cfg)
    if opts.madt:
        items.append("%s=%s" % (MADT_FILE, opts.madt))
    arguments = []
    for item in items:
        name, equals, path = item.partition("=")
        if not equals or not os.path.exists(path):
            raise HarnessError("--fw-cfg wants NAME=FILE and the file must exist: " + item)
        arguments += ["-fw_cfg", "name=%s,file=%s" % (name, _escaped(path))]
    return arguments


def _end():
    """A reset ends the machine, and QEMU holds it still so that it can be looked at."""
    return ["-device", "isa-debug-exit,iobase=0xf4,iosize=0x04",
            "-action", "reboot=shutdown,shutdown=pause"]


def command(opts, words, scratch):
    """The machine alone; the caller adds its serial line, its display and its monitor."""
    return ([qemu(), "-no-user-config", "-nodefaults", "-cpu", opts.cpu, "-smp", opts.smp,
             "-m", str(opts.memory), "-vga", opts.vga]
            + _machine(opts) + _accel(opts) + _firmware(opts, scratch)
            + _image(opts, words) + _fw_cfg(opts))


def watched(opts, words, scratch, monitor_fd):
    """A machine without a person: serial line to a pipe, no window, monitor on a socket."""
    return (command(opts, words, scratch) + _end()
            + ["-display", "none",
               "-chardev", "socket,id=qmp,fd=%d" % monitor_fd, "-mon", "chardev=qmp,mode=control"]
            + ([] if opts.no_serial else ["-serial", "stdio"]) + more(opts))


def interactive(opts, words, scratch, window):
    """A machine for a person: the terminal is its serial line, `reboot` really reboots."""
    return (command(opts, words, scratch)
            + ["-device", "isa-debug-exit,iobase=0xf4,iosize=0x04",
               "-display", window or "none", "-serial", "mon:stdio"] + more(opts))


def more(opts):
    """The user's own QEMU options come last, so that they win."""
    return [word for text in opts.qemu for word in shlex.split(text)]
