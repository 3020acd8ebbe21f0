"""Tests of what docs/hardware.md lists: nothing that the sources have may be missing there."""

import glob
import os
import re
import unittest

from harness.fake_machine import ROOT


def read(path):
    """A file of the tree."""
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


class Docs(unittest.TestCase):
    """Boot words, and what torture's modes= knows."""

    def setUp(self):
        self.cells = [line.split("|")[1:] for line in read("docs/hardware.md").splitlines()
                      if line.startswith("| `")]
        self.modes = read("tests/torture/modes.c")

    def named(self, pattern):
        """What the first cells of the tables name."""
        return {name for cells in self.cells for name in re.findall(pattern, cells[0])}

    def test_boot_words(self):
        sources = [name for folder in ("arch", "kernel", "tests")
                   for name in glob.glob(os.path.join(ROOT, folder, "**", "*.c"), recursive=True)]
        words = {word for name in sources
                 for word in re.findall(r"^BOOT_WORD_[A-Z]+\((\w+),", read(name), re.MULTILINE)}
        self.assertGreater(len(words), 15)
        self.assertEqual(words, self.named(r"`(\w+)="))

    def test_modes_of_torture(self):
        modes = set(re.findall(r'^\t\{ "(\w+)", \d', self.modes, re.MULTILINE))
        self.assertGreater(len(modes), 15)
        self.assertEqual(modes - self.named(r"`(\w+)`"), set())

    def test_chances_of_torture(self):
        names = dict(re.findall(r'\[(CHANCE_\w+)\] = "(\w+)"', self.modes))
        defaults = dict(re.findall(r"\[(CHANCE_\w+)\] = (\d+)", self.modes))
        self.assertGreater(len(names), 5)
        said = {cells[0].strip(" `"): cells[1].strip() for cells in self.cells}
        for chance, name in names.items():
            self.assertEqual(said.get(name), defaults.get(chance, "0"), name)
