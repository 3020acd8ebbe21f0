#!/usr/bin/env python3
"""Boot by a sector that plays a loader which gets it wrong: loader.py BUILD KIND.

QEMU's loader device puts the ELF into memory, the sector goes to 32-bit mode and enters it:

  wrong-magic   by the door for multiboot2, with another loader's magic
  wrong-start   by the door for PVH, with a start info that is none
  no-tags       by the first, with its magic, and a tag list that is all zero
  damaged-tags  the same, and a tag list that breaks off after the memory map
"""

import os
import struct
import sys

RUN = os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "run")
SECTOR, CODE_AT, LIST_AT = 512, 0x7c00, 0x7d00
DISK = 1 << 20  # a smaller one is no disk to SeaBIOS
MULTIBOOT2_LOADER_MAGIC, MULTIBOOT1_LOADER_MAGIC = 0x36d76289, 0x2badb002
PT_NOTE = 4
TAG_CMDLINE, TAG_MMAP, MMAP_RAM = 1, 6, 1
WORDS = b"run=test test=lib.*,memory.* then=exit\0"


def doors(elf):
    """Where the ELF is entered: its entry point, and the address in its PVH note."""
    entry, headers = struct.unpack_from("<QQ", elf, 24)
    size, count = struct.unpack_from("<HH", elf, 54)
    for offset in range(headers, headers + size * count, size):
        kind, at = struct.unpack_from("<I4xQ", elf, offset)
        if kind == PT_NOTE:
            return entry, struct.unpack_from("<I", elf, at + 16)[0]
    sys.exit("loader.py: the ELF has no PVH note")


def sector(magic, door):
    """Real mode to the door, with eax = magic and ebx = the list in the same sector."""
    start = bytes.fromhex("fa 31c0 8ed8 0f0116 287c"  # cli; ds = 0; lgdt [7c28]
                          "e492 0c02 e692"            # the A20 line, by port 92h
                          "0f20c0 0c01 0f22c0"        # CR0.PE
                          "ea 307c 0800")             # to 8:7c30
    gdt = struct.pack("<HI", 23, CODE_AT + 0x60)
    enter = (bytes.fromhex("66b81000 8ed8 8ec0 8ed0") + b"\xb8" + struct.pack("<I", magic)
             + b"\xbb" + struct.pack("<I", LIST_AT) + b"\xb9" + struct.pack("<I", door)
             + bytes.fromhex("fd ffe1"))              # std, which no loader need undo; jmp ecx
    segments = struct.pack("<QQQ", 0, 0x00cf9a000000ffff, 0x00cf92000000ffff)
    return (start.ljust(0x28, b"\0") + gdt).ljust(0x30, b"\0") + enter.ljust(0x30, b"\0") + segments


def tag(kind, payload, size=None):
    """One tag of a multiboot2 list, on its 8-byte border."""
    size = 8 + len(payload) if size is None else size
    return (struct.pack("<II", kind, size) + payload).ljust((len(payload) + 15) & ~7, b"\0")


def damaged_tags():
    """Command line, memory map, and then a tag that is shorter than its own header."""
    regions = [(0, 0x9f000), (0x100000, 0x0ff00000)]
    mmap = struct.pack("<II", 24, 0) + b"".join(struct.pack("<QQII", base, length, MMAP_RAM, 0)
                                                for base, length in regions)
    tags = tag(TAG_CMDLINE, WORDS) + tag(TAG_MMAP, mmap) + tag(TAG_MMAP, b"", size=3)
    return struct.pack("<II", 8 + len(tags) + 8, 0) + tags


def image(elf, kind):
    """The sector of that kind, with its signature."""
    multiboot2, pvh = doors(elf)
    magic, door, tags = {
        "wrong-magic": (MULTIBOOT1_LOADER_MAGIC, multiboot2, b""),
        "wrong-start": (0, pvh, b""),
        "no-tags": (MULTIBOOT2_LOADER_MAGIC, multiboot2, b""),
        "damaged-tags": (MULTIBOOT2_LOADER_MAGIC, multiboot2, damaged_tags()),
    }[kind]
    code = sector(magic, door).ljust(LIST_AT - CODE_AT, b"\0")
    return ((code + tags).ljust(SECTOR - 2, b"\0") + b"\x55\xaa").ljust(DISK, b"\0")


def main(build, kind):
    """Make the disk, and become tests/run on it."""
    elf, disk = os.path.join(build, "nudge.elf"), os.path.join(build, "loader-%s.img" % kind)
    with open(elf, "rb") as source, open(disk, "wb") as out:
        out.write(image(source.read(), kind))
    os.execv(RUN, [RUN, "--usb", "--image", disk, "--smp", "2",
                   "--qemu", "-device loader,file=" + elf, "--", "run=test"])


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
