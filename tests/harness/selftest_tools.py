#!/usr/bin/env python3
"""Tests of the scripts in tools/ that look at the machine, and might change it; and of lists in docs/."""

import gzip
import os
import shutil
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))

from harness.fake_machine import Machine  # noqa: E402  (the path comes first)
from harness.fonts import psf1, psf2  # noqa: E402
from harness.selftest_deps import Deps  # noqa: E402,F401  (Deps is run)
from harness.selftest_docs import Docs  # noqa: E402,F401  (so is Docs)


class Font(Machine):
    """tools/font: which font is taken, and which is refused."""

    def extract(self, font):
        """Unpack that font; (status, all that it said)."""
        return self.run_tool("font", "--extract", font, self.path("out.psf"))

    def test_the_best_of_those_that_are_there(self):
        status, said = self.run_tool("font")
        self.assertEqual(status, 1)
        self.assertIn("no console font found: install console-setup-linux", said)
        for name in ("default8x16.psfu", "Lat15-Fixed16.psf", "Uni2-VGA16.psf.gz"):
            path = self.file("usr/share/consolefonts/" + name)
            self.assertEqual(self.run_tool("font"), (0, path + "\n"))

    def test_named(self):
        """By path, by name with or without its ending, by the environment."""
        folder = "usr/share/consolefonts/"
        paths = {name: self.file(folder + name) for name in ("a.psf", "b.psfu.gz", "c")}
        for name, path in (("a", "a.psf"), ("a.psf", "a.psf"), ("b", "b.psfu.gz"), ("c", "c")):
            self.assertEqual(self.run_tool("font", name), (0, paths[path] + "\n"))
        self.assertEqual(self.run_tool("font", self.path(folder, "c")), (0, paths["c"] + "\n"))
        self.assertEqual(self.run_tool("font", FONT="a"), (0, paths["a.psf"] + "\n"))
        self.assertEqual(self.run_tool("font", "c", FONT="a"), (0, paths["c"] + "\n"))

    def test_named_and_not_there(self):
        self.file("usr/share/consolefonts/Uni2-VGA16.psf")
        for name, words in (("other", "FONT=other: no such file, nor a font of that name in "),
                            ("/other", "FONT=/other: no such file\n")):
            status, said = self.run_tool("font", name)
            self.assertEqual(status, 1, name)
            self.assertIn(words, said)

    def test_fonts_that_are_taken(self):
        for data in (psf1(), psf1(mode=4), psf2()):
            for name, packed in (("good.psf", data), ("good.psf.gz", gzip.compress(data))):
                self.assertEqual(self.extract(self.file(name, packed)), (0, ""))
                with open(self.path("out.psf"), "rb") as out:
                    self.assertEqual(out.read(), data)
                os.remove(self.path("out.psf"))

    def test_fonts_that_are_refused(self):
        for name, data, words in (
                ("text.psf", b"no font at all, but long enough", "not a PSF font"),
                ("empty.psf", b"", "not a PSF font"), ("short.psf", psf2()[:3], "not a PSF font"),
                ("head.psf", psf2()[:12], "has no Unicode table"),
                ("bare1.psf", psf1(mode=0), "has no Unicode table"),
                ("bare2.psf", psf2(flags=0), "has no Unicode table"),
                ("torn.psf.gz", gzip.compress(psf2())[:30], "cannot be unpacked"),
                ("text.psf.gz", b"text", "cannot be unpacked")):
            path = self.file(name, data)
            self.assertEqual(self.extract(path), (1, "font: %s: %s\n" % (path, words)))
            self.assertEqual([file for file in os.listdir(self.root) if "out.psf" in file], [])


class Usb(Machine):
    """tools/usb: the one disk that it writes to, and all that it must refuse.  A file is the disk."""

    SYS = "sys/class/block/sdx/"
    BEFORE, IMAGE = b"somebody's data" * 512, b"image" * 1024

    def setUp(self):
        super().setUp()
        self.disk, self.iso = self.file("sdx", self.BEFORE), self.file("nudge.iso", self.IMAGE)
        self.program("blockdev")
        for name, text in (("dev", "8:16"), ("removable", "1"), ("ro", "0"), ("size", "64000"),
                           ("device/vendor", "ACME    "), ("device/model", "Stick   "),
                           ("sdx1/dev", "8:17"), ("sdx1/partition", "1")):
            self.file(self.SYS + name, text + "\n")
        self.file("proc/swaps", "Filename Type Size Used Priority\n/dev/sda2 partition 9 0 -2\n")
        self.file("proc/self/mountinfo", "22 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw\n")

    def written(self):
        """Whether the disk has the image; it has that, or what it had before."""
        with open(self.disk, "rb") as disk:
            data = disk.read()
        self.assertIn(data, (self.BEFORE, self.IMAGE))
        return data == self.IMAGE

    def refused(self, words, **environment):
        """It says why not, though everything was confirmed, and writes nothing."""
        status, said = self.run_tool("usb", self.disk, self.iso,
                                     **{"CONFIRM": "yes", **environment})
        self.assertEqual(status, 1, said)
        self.assertIn(words, said)
        self.assertFalse(self.written())

    def test_a_stick_is_written(self):
        status, said = self.run_tool("usb", self.disk, self.iso, CONFIRM="yes")
        self.assertEqual(status, 0, said)
        self.assertIn("is ACME Stick, 32 MB. Everything on it will be lost.", said)
        self.assertTrue(self.written())

    def test_it_asks(self):
        self.refused("there is no terminal to ask on", CONFIRM="")
        for answer in ("y", "no", ""):
            status, said = self.answered(answer, "usb", self.disk, self.iso)
            self.assertEqual(status, 1, said)
            self.assertIn("nothing was written", said)
            self.assertFalse(self.written())
        self.assertEqual(self.answered("yes", "usb", self.disk, self.iso)[0], 0)
        self.assertTrue(self.written())

    def test_what_is_no_disk(self):
        self.refused("is not a block device", NUDGE_ROOT="")
        os.remove(self.path(self.SYS + "dev"))
        self.refused("is unknown to the kernel")

    def test_a_partition(self):
        self.file(self.SYS + "partition", "1\n")
        self.refused("is a partition")

    def test_a_fixed_disk(self):
        self.file(self.SYS + "removable", "0\n")
        self.refused("is not removable")
        self.file(self.SYS + "device/type", "MMC\n")
        self.refused("is not removable")

    def test_a_stick_that_calls_itself_fixed(self):
        self.file(self.SYS + "removable", "0\n")
        self.file(self.SYS + "device/type", "SD\n")
        self.assertEqual(self.run_tool("usb", self.disk, self.iso, CONFIRM="yes")[0], 0)
        shutil.rmtree(self.path(self.SYS + "device"))
        os.makedirs(self.path("devices/pci/usb3/3-1/target"))
        os.symlink(self.path("devices/pci/usb3/3-1/target"), self.path(self.SYS + "device"))
        self.assertEqual(self.run_tool("usb", self.disk, self.iso, CONFIRM="yes")[0], 0)

    def test_a_disk_in_use(self):
        for name, text, words in (
                ("proc/self/mountinfo", "30 1 8:16 / /mnt rw - vfat x rw\n", "mounted on /mnt"),
                ("proc/self/mountinfo", "30 1 8:17 / /media rw - vfat x rw\n", "mounted on /media"),
                ("proc/swaps", "/dev/sda1 partition 9 0 -2\n%s1 partition 9 0 -2\n", "is in use (swap)"),
                (self.SYS + "holders/md0", "", "is in use (md0)"),
                (self.SYS + "sdx1/holders/dm-3", "", "is in use (dm-3)")):
            self.setUp()
            self.file(name, text.replace("%s", self.disk))
            self.refused(words)

    def test_a_disk_that_cannot_hold_it(self):
        for name, text, words in (("ro", "1", "is write-protected"),
                                  ("size", "0", "has no medium in it"), ("size", "9", "is too small")):
            self.setUp()
            self.file(self.SYS + name, text + "\n")
            self.refused(words)

    def test_a_stick_that_forgets(self):
        """What it reads back is not what was written."""
        self.program("blockdev", "echo other >" + self.disk)
        status, said = self.run_tool("usb", self.disk, self.iso, CONFIRM="yes")
        self.assertEqual(status, 1)
        self.assertIn("does not read back what was written", said)

    def test_usage(self):
        for arguments in ((), ("", self.iso), (self.disk,)):
            self.assertIn("usage: tools/usb DEV ISO", self.run_tool("usb", *arguments)[1])
        self.assertIn("no such file. make builds it", self.run_tool("usb", self.disk, "/no/iso")[1])


if __name__ == "__main__":
    unittest.main()
