"""An initial ramdisk for Linux, written by hand: cpio's "new ASCII" form, without cpio or root."""

DIRECTORY, FILE, DEVICE = 0o040755, 0o100755, 0o020600


def _entry(number, name, mode, data=b"", device=(0, 0)):
    """One member: thirteen numbers of eight hexadecimal digits, the name, the data."""
    fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0) + device + (len(name) + 1, 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
    return _padded(head) + _padded(data)


def _padded(data):
    return data + b"\0" * (-len(data) % 4)


def archive(folders, files, devices):
    """The bytes of an archive; files: {name: bytes}, devices: {name: (major, minor)}."""
    members = [(name, DIRECTORY, b"", (0, 0)) for name in folders]
    members += [(name, DEVICE, b"", number) for name, number in devices.items()]
    members += [(name, FILE, data, (0, 0)) for name, data in files.items()]
    members.append(("TRAILER!!!", 0, b"", (0, 0)))
    return b"".join(_entry(i, *member) for i, member in enumerate(members, 1))
