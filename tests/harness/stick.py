#!/usr/bin/env python3
"""Boot from a stick that its owner has changed: stick.py BUILD MADT OPTIONS OF tests/run [-- words].

As README and docs/hardware.md tell people to: onto the FAT partition of a copy of the image go the
table, as acpi/APIC.bin, and a boot/grub/grub.cfg with the words.  QEMU passes no other words than
what is to happen after the run.
"""

import os
import shutil
import struct
import subprocess
import sys
import tempfile

TESTS = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
CONFIG = os.path.join(os.path.dirname(TESTS), "iso", "grub.cfg")
NO_WORDS = 'set words=""\n'
SECTOR, PARTITIONS_AT, ENTRY = 512, 1024, 128  # of a GPT
FAT_PARTITION = 2


def fat_offset(image):
    """Where the image's FAT partition begins."""
    with open(image, "rb") as file:
        table = file.read(PARTITIONS_AT + FAT_PARTITION * ENTRY)
    if table[SECTOR:SECTOR + 8] != b"EFI PART":
        sys.exit("stick.py: %s has no GPT" % image)
    first, = struct.unpack_from("<Q", table, PARTITIONS_AT + (FAT_PARTITION - 1) * ENTRY + 32)
    return first * SECTOR


def put(image, source, name):
    """Copy a file onto the FAT partition, over one that is there."""
    fat = "%s@@%d" % (image, fat_offset(image))
    subprocess.check_call(["mcopy", "-o", "-i", fat, source, "::/" + name],
                          env=dict(os.environ, MTOOLSRC=os.devnull))


def main(build, madt, rest):
    """Make the stick, and boot from it."""
    options, _, words = " ".join(rest).partition("-- ")
    with open(CONFIG, encoding="utf-8") as file:
        config = file.read()
    if NO_WORDS not in config:
        sys.exit("stick.py: grub.cfg has no line %s" % NO_WORDS)
    with tempfile.TemporaryDirectory(prefix="nudge-") as scratch:
        image, changed = os.path.join(scratch, "stick.img"), os.path.join(scratch, "grub.cfg")
        shutil.copyfile(os.path.join(build, "nudge.iso"), image)
        with open(changed, "w", encoding="utf-8") as file:
            file.write(config.replace(NO_WORDS, 'set words="%s"\n' % words))
        put(image, madt, "acpi/APIC.bin")
        put(image, changed, "boot/grub/grub.cfg")
        return subprocess.call([os.path.join(TESTS, "run"), "--usb", "--image", image]
                               + options.split())


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
