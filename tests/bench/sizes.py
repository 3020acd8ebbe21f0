"""How large the kernel is: its instructions, and the image that people boot."""

import os
import re
import subprocess

from harness.machine import HarnessError

# Sections of instructions, as `size -A` names them.
TEXT = re.compile(r"^(\.text\S*|\.boot\.text)\s+(\d+)", re.MULTILINE)
SOURCES = (".c", ".S")


def objects(build, root):
    """The object files of the kernel proper: no tests, none whose source is gone."""
    top = os.path.join(build, "obj")
    found = []
    for folder, _, names in os.walk(top):
        for name in names:
            path = os.path.join(folder, name)
            stem = os.path.relpath(path, top)[:-2]
            if name.endswith(".o") and not stem.startswith("tests" + os.sep) and any(
                    os.path.exists(os.path.join(root, stem + suffix)) for suffix in SOURCES):
                found.append(path)
    return sorted(found)


def text_bytes(build, root):
    """The bytes of instructions in the kernel's own objects."""
    paths = objects(build, root)
    if not paths:
        raise HarnessError("no object files in %s (make builds them)" % os.path.join(build, "obj"))
    done = subprocess.run(["size", "-A", "-d"] + paths, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, universal_newlines=True, check=False)
    if done.returncode:
        raise HarnessError("size: " + done.stderr.strip())
    return sum(int(size) for _, size in TEXT.findall(done.stdout))


def image_bytes(build, elf):
    """The image's bytes, or None and the reason if there is none made from this ELF."""
    image = os.path.join(build, "nudge.iso")
    if not os.path.exists(image):
        return None, "there is no %s (make builds it)" % image
    if os.path.getmtime(image) < os.path.getmtime(elf):
        return None, "%s is older than the ELF (make builds it)" % image
    return os.path.getsize(image), None


def measure(build, root, elf):
    """The size rows as ({name: bytes}, {name: reason why not})."""
    sizes = {"size.text": text_bytes(build, root)}
    size, reason = image_bytes(build, elf)
    if reason:
        return sizes, {"size.image": reason}
    sizes["size.image"] = size
    return sizes, {}
