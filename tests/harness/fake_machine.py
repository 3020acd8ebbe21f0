"""A machine that there is none of here, for tests of the scripts in tools/.

It is a folder: the programs it has, some of them played by a line of shell that notes how it was
called, and the files in which it says what it is.  Nothing outside the folder is changed.
"""

import os
import pty
import shutil
import subprocess
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
# What any machine has, and the scripts are written with.
BASICS = ("awk basename cat chmod cmp cp cut dd dirname env find grep gzip head id mv od paste"
          " readlink rm sed sh sort tee tr wc").split()


class Machine(unittest.TestCase):
    """A folder with programs and files, in which a script runs."""

    def setUp(self):
        self.root = tempfile.mkdtemp(prefix="nudge-tools-")
        self.addCleanup(shutil.rmtree, self.root)
        os.mkdir(self.path("bin"))
        for name in BASICS:
            os.symlink(shutil.which(name), self.path("bin", name))

    def path(self, *parts):
        return os.path.join(self.root, *parts)

    def program(self, name, script=":", folder="bin"):
        """A program that notes its arguments, then does what the script says."""
        path = self.path(folder, name)
        if os.path.islink(path):
            os.remove(path)
        self.file(os.path.join(folder, name),
                  "#!/bin/sh\necho \"%s $*\" >>%s\n%s\n" % (name, self.path("calls"), script))
        os.chmod(path, 0o755)

    def file(self, name, data=b""):
        """A file of the machine; its path."""
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "wb") as out:
            out.write(data.encode() if isinstance(data, str) else data)
        return self.path(name)

    def calls(self, name):
        """The arguments with which a program was called."""
        if not os.path.exists(self.path("calls")):
            return []
        with open(self.path("calls"), encoding="utf-8") as calls:
            return [line.rstrip("\n").partition(" ")[2] for line in calls
                    if line.startswith(name + " ")]

    def environment(self, **more):
        """What a script finds in its environment on the machine."""
        return {"PATH": self.path("bin"), "NUDGE_ROOT": self.root, "LC_ALL": "C",
                "NUDGE_FONT_DIRS": self.path("usr/share/consolefonts"), **more}

    def run_tool(self, tool, *arguments, **environment):
        """Run tools/TOOL on the machine; (status, all that it said)."""
        done = subprocess.run([os.path.join(ROOT, "tools", tool), *arguments], check=False,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, universal_newlines=True,
                              env=self.environment(**environment), timeout=30)
        return done.returncode, done.stdout

    def answered(self, answer, tool, *arguments):
        """The same on a terminal, with an answer to what it asks."""
        person, terminal = pty.openpty()
        os.write(person, answer.encode() + b"\n")
        done = subprocess.run([os.path.join(ROOT, "tools", tool), *arguments], check=False,
                              stdin=terminal, stdout=terminal, stderr=terminal,
                              env=self.environment(), timeout=30)
        os.close(terminal)
        said = b""
        try:
            while True:
                said += os.read(person, 4096)
        except OSError:  # all was read, and the other end is closed
            os.close(person)
        return done.returncode, said.decode()
