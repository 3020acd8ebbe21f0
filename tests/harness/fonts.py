"""Console fonts (PSF) that tests make."""

import struct


def psf1(mode=2):
    """A PSF1 font of 256 blank glyphs; mode 2: with a Unicode table."""
    return b"\x36\x04" + bytes([mode, 16]) + bytes(256 * 16) + b"\xff\xff" * 256


def psf2(flags=1):
    """The same as PSF2."""
    return struct.pack("<8I", 0x864ab572, 0, 32, flags, 256, 16, 16, 8) + bytes(256 * 16) + b"\xff" * 256
