#!/usr/bin/env python3
"""Boot once, and read what stands on the screen at the end: screen.py BUILD OPTIONS OF tests/run.

The pixels are compared with the font that is linked into the kernel.  What was read is printed, a
line for a row of text, each after "screen| "; the exit status is that of tests/run.
"""

import os
import struct
import subprocess
import sys
import tempfile

RUN = os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "run")
PSF1_WIDTH, PSF1_HEADER = 8, 4
PIXEL_BYTES, HEADER_ROOM = 3, 64  # of a PPM
# As kernel/console/fbdraw.c: pixels are enlarged as long as so many cells remain.
COMFORTABLE_COLS, COMFORTABLE_ROWS = 160, 30


class Font:
    """A PSF font, as a table from the bits of a glyph to the character that it shows."""

    def __init__(self, data):
        if data[:2] == b"\x36\x04":
            mode, self.height = data[2], data[3]
            self.width, size, count, at = PSF1_WIDTH, self.height, 512 if mode & 1 else 256, PSF1_HEADER
        else:
            at, _, count, size, self.height, self.width = struct.unpack_from("<6I", data, 8)
        glyphs = [data[at + n * size:at + (n + 1) * size] for n in range(count)]
        table = data[at + count * size:]
        names = _psf1_names(table) if data[0] == 0x36 else _psf2_names(table)
        self.characters = {}
        for glyph, name in zip(glyphs, names):
            self.characters.setdefault(glyph, min(name, default="?"))


def _psf1_names(table):
    """What each glyph stands for, without sequences, which begin with FFFE."""
    text = struct.unpack("<%dH" % (len(table) // 2), table)
    return ["".join(map(chr, name)).split("\ufffe")[0] for name in _split(text, 0xffff)]


def _psf2_names(table):
    """The same in UTF-8, where sequences begin with FE."""
    return [bytes(name).split(b"\xfe")[0].decode("utf-8", "replace") for name in _split(table, 0xff)]


def _split(values, end):
    """Lists of values, each of which ended with that one."""
    lists = [[]]
    for value in values:
        if value == end:
            lists.append([])
        else:
            lists[-1].append(value)
    return lists[:-1]


def read_ppm(path):
    """Width, height and pixels of a picture as QEMU writes it."""
    with open(path, "rb") as picture:
        data = picture.read()
    magic, width, height, most = data[:HEADER_ROOM].split()[:4]
    if magic != b"P6" or most != b"255":
        sys.exit("screen.py: %s is not what QEMU writes" % path)
    return int(width), int(height), data[-int(width) * int(height) * PIXEL_BYTES:]


def glyph_at(pixels, pitch, at, font, scale):
    """The bits of one cell: a pixel is set if it has not the colour of the cell's first one."""
    ground, bits = pixels[at:at + PIXEL_BYTES], bytearray()
    for y in range(font.height):
        row = at + y * scale * pitch
        cell = pixels[row:row + font.width * scale * PIXEL_BYTES]
        value = 0
        if cell != ground * (font.width * scale):
            for x in range(font.width):
                pixel = cell[x * scale * PIXEL_BYTES:][:PIXEL_BYTES]
                value |= (pixel != ground) << (font.width - 1 - x)
        row_bytes = (font.width + 7) // 8
        bits += (value << (row_bytes * 8 - font.width)).to_bytes(row_bytes, "big")
    return bytes(bits)


def read_text(picture, font):
    """The rows of text in a picture."""
    width, height, pixels = picture
    scale = max(1, min(width // (COMFORTABLE_COLS * font.width),
                       height // (COMFORTABLE_ROWS * font.height)))
    cell_width, cell_height = font.width * scale, font.height * scale
    for top in range(0, height - cell_height + 1, cell_height):
        row = (glyph_at(pixels, width * PIXEL_BYTES, (top * width + left) * PIXEL_BYTES, font, scale)
               for left in range(0, width - cell_width + 1, cell_width))
        yield "".join(font.characters.get(glyph, "?") for glyph in row).rstrip()


def main(build, options):
    """Boot, and read."""
    with open(os.path.join(build, "font.psf"), "rb") as file:
        font = Font(file.read())
    with tempfile.TemporaryDirectory(prefix="nudge-") as scratch:
        path = os.path.join(scratch, "screen.ppm")
        status = subprocess.call([RUN, "--screenshot", path] + options)
        if not os.path.exists(path):
            return status or 4
        picture = read_ppm(path)
    print("# the screen has %dx%d pixels" % picture[:2])
    for line in "\n".join(read_text(picture, font)).rstrip().splitlines():
        print("screen| " + line)
    return status


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], sys.argv[2:]))
