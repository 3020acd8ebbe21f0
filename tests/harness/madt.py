"""Build MADTs, good and damaged, to replace a machine's own (ACPI 6.5 §5.2.12).

Every table describes QEMU's machine of four CPUs rightly and adds damage to it, so
that the full self-tests must still pass.  What is damaged stands before the right
entries wherever a parser can walk on: one that gives up there loses CPUs.  Damage that
nobody can walk past (a length of 0, or past the end) stands last, one table for each.
"""

import os
import random
import struct
import sys

CPUS = range(4)
LAPIC, IOAPIC, OVERRIDE, NMI, ADDRESS, X2APIC, X2NMI = 0, 1, 2, 4, 5, 9, 10
TYPES = (LAPIC, IOAPIC, OVERRIDE, NMI, ADDRESS, X2APIC, X2NMI)
LAPIC_BASE, IOAPIC_BASE = 0xfee00000, 0xfec00000
ENABLED, ONLINE_CAPABLE = 1, 2
ALL_CPUS, ALL_CPUS_X2 = 0xff, 0xffffffff
HEADER = 44  # the common ACPI header, the local APIC's address and the flags
# IDs that no CPU of the machine has, below and above what xAPIC can reach.
GHOST, GHOST_X2 = 77, 0x1234
# The most CPUs that the kernel is made for.
CROWD = 1200


def entry(kind, body, length=None):
    """One entry; its length byte tells the truth unless another one is given."""
    return struct.pack("<BB", kind, len(body) + 2 if length is None else length) + body


def lapic(apic_id, flags=ENABLED, uid=None):
    return entry(LAPIC, struct.pack("<BBI", apic_id if uid is None else uid, apic_id, flags))


def ioapic(apic_id=0, address=IOAPIC_BASE, base=0, reserved=0):
    return entry(IOAPIC, struct.pack("<BBII", apic_id, reserved, address, base))


def override(source, gsi, flags=0, bus=0):
    return entry(OVERRIDE, struct.pack("<BBIH", bus, source, gsi, flags))


def nmi(uid=ALL_CPUS, lint=1, flags=0):
    return entry(NMI, struct.pack("<BHB", uid, flags, lint))


def address_override(address=LAPIC_BASE, reserved=0):
    return entry(ADDRESS, struct.pack("<HQ", reserved, address))


def x2apic(apic_id, flags=ENABLED, uid=None, reserved=0):
    return entry(X2APIC, struct.pack("<HIII", reserved, apic_id, flags,
                                     apic_id if uid is None else uid))


def x2nmi(uid=ALL_CPUS_X2, lint=1, flags=0, reserved=b"\0\0\0"):
    return entry(X2NMI, struct.pack("<HIB", flags, uid, lint) + reserved)


def relabelled(entry_bytes, length):
    """The same bytes under another length."""
    return entry_bytes[:1] + bytes([length]) + entry_bytes[2:]


def cut(entry_bytes, size):
    """An entry that is really that short, and says so."""
    return relabelled(entry_bytes[:size], size)


def sample(kind):
    """A whole entry of each type; its CPU does not exist, so its use would be seen."""
    return {LAPIC: lapic(GHOST), IOAPIC: ioapic(7, 0xfec10000, 64), OVERRIDE: override(5, 21),
            NMI: nmi(2), ADDRESS: address_override(), X2APIC: x2apic(GHOST_X2),
            X2NMI: x2nmi(2)}[kind]


# Interrupts as QEMU routes them: the PIT on pin 2, PCI's lines level and active high.
SYSTEM = (ioapic() + override(0, 2)
          + b"".join(override(irq, irq, 0xd) for irq in (5, 9, 10, 11)))
GOOD = b"".join(map(lapic, CPUS)) + SYSTEM + nmi()


def table(entries, signature=b"APIC", length=None, checksum_off=0, base=LAPIC_BASE):
    """A whole table; its length and checksum are right unless told otherwise."""
    size = HEADER + len(entries) if length is None else length
    head = struct.pack("<4sIBB6s8sI4sIII", signature, size, 5, 0, b"NUDGE ", b"NUDGEAPC", 1,
                       b"NDGE", 1, base, 1)
    data = bytearray(head + entries)
    data[9] = (checksum_off - sum(data)) & 0xff
    return bytes(data)


def short():
    """Entries of every type without their last bytes, and with nothing after their length."""
    cuts = [cut(sample(kind), len(sample(kind)) - 2) + cut(sample(kind), 2) for kind in TYPES]
    return table(b"".join(cuts) + GOOD)


def duplicate():
    """Everything twice, and a second opinion on each thing: the first one holds."""
    same = GOOD + x2nmi() + address_override()
    other = (lapic(2, uid=99) + x2apic(1) + x2apic(3, uid=98) + ioapic(1) + override(0, 7)
             + nmi(lint=0) + address_override(0xfee10000) + x2nmi(lint=0))
    return table(same + same + other)


def reserved():
    """Reserved bits and bytes set, entries longer than today's, and types of tomorrow."""
    odd = (lapic(0, 0xfffffff1) + ioapic(reserved=0xff) + override(5, 5, 0xfffd)
           + nmi(flags=0xfff0) + address_override(reserved=0xffff)
           + x2apic(1, 0xfffffff1, reserved=0xffff) + x2nmi(flags=0xfff0, reserved=b"\xff" * 3))
    long = lapic(2) + b"\xee" * 8
    long = relabelled(long, len(long))
    unknown = b"".join(entry(kind, b"\xff" * 14) for kind in (3, 6, 7, 8, 11, 24, 127, 128, 255))
    return table(odd + long + unknown + GOOD)


def disabled():
    """Sockets that are empty, or only to be filled later: neither is a CPU now."""
    empty = b"".join(lapic(i, 0) for i in (4, 5, 200, 0xff))
    empty += x2apic(300, 0) + x2apic(0xffffffff, 0)
    later = lapic(6, ONLINE_CAPABLE) + x2apic(301, ONLINE_CAPABLE)
    return table(empty + later + GOOD)


def values():
    """Entries of the right shape that cannot be true."""
    cpus = lapic(0xff) + x2apic(0xffffffff)
    routes = (ioapic(3, 0) + ioapic(4, 0xfec00001, 100) + ioapic(5, LAPIC_BASE, 200)
              + override(200, 20) + override(4, 0xffffffff) + override(3, 3, bus=7)
              + override(7, 7, 0xa))
    rest = (nmi(uid=250) + nmi(lint=7) + nmi(flags=0xa) + x2nmi(uid=0x5000) + x2nmi(lint=9)
            + address_override(0) + address_override(0xfee00001) + address_override(1 << 60))
    return table(cpus + GOOD + routes + rest)


def ghosts():
    """Enabled CPUs that will never answer, below and above xAPIC's reach."""
    return table(lapic(9) + lapic(GHOST) + x2apic(300) + x2apic(GHOST_X2) + GOOD)


def x2apic_only():
    """No entry of type 0 at all, as on machines whose IDs are large."""
    return table(b"".join(x2apic(i, uid=1000 + i) for i in CPUS) + SYSTEM + x2nmi())


def mixed():
    """Half of the CPUs by type 0 and half by type 9, among entries that are cut off at the end."""
    return table(lapic(0) + x2apic(1) + x2apic(2) + lapic(3) + SYSTEM + nmi() + b"\0")


def no_boot_cpu():
    """The CPU that reads this table is not in it."""
    return table(b"".join(map(lapic, CPUS[1:])) + SYSTEM + nmi())


def crowd():
    """More CPUs than the kernel is made for, nearly all of them ghosts."""
    return table(GOOD + b"".join(x2apic(2000 + i) for i in range(CROWD)))


def fuzz(seed):
    """Random entries after the right ones, the same for a seed each time.

    Their CPUs are not enabled: which ghosts would be tried is another table's matter.
    """
    draw = random.Random(seed)
    noise = b""
    for _ in range(60):
        body = bytearray(draw.getrandbits(8) for _ in range(draw.randrange(0, 24)))
        kind = draw.choice(TYPES + (draw.randrange(256),))
        if kind == LAPIC and len(body) > 2:
            body[2] &= ~(ENABLED | ONLINE_CAPABLE)
        if kind == X2APIC and len(body) > 6:
            body[6] &= ~(ENABLED | ONLINE_CAPABLE)
        noise += entry(kind, bytes(body))
    return table(GOOD + noise)


def tables():
    """Every table by its name."""
    found = {
        "good": table(GOOD), "short": short(), "duplicate": duplicate(), "reserved": reserved(),
        "disabled": disabled(), "values": values(), "ghosts": ghosts(), "mixed": mixed(),
        "x2apic-only": x2apic_only(), "no-boot-cpu": no_boot_cpu(), "crowd": crowd(),
        "empty": table(b""), "checksum": table(GOOD, checksum_off=1),
        "header-short": table(GOOD, length=20), "header-huge": table(GOOD, length=0xffffffff),
        "header-cut": table(GOOD)[:10], "signature": table(GOOD, signature=b"CIPA"),
        "base-zero": table(GOOD, base=0),
    }
    for kind in TYPES:
        whole = sample(kind)
        found["zero-%d" % kind] = table(GOOD + relabelled(whole, 0) + b"".join(map(sample, TYPES)))
        found["past-%d" % kind] = table(GOOD + relabelled(whole, len(whole) + 40))
    for seed in range(1, 5):
        found["fuzz-%d" % seed] = fuzz(seed)
    return found


def write_all(folder):
    """Write every table as FOLDER/NAME.bin."""
    os.makedirs(folder, exist_ok=True)
    for name, data in tables().items():
        with open(os.path.join(folder, name + ".bin"), "wb") as out:
            out.write(data)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: madt.py FOLDER")
    write_all(sys.argv[1])
