"""A small client for QEMU's machine protocol (QMP): commands, replies and events.

The harness needs it to look at a machine before it ends it: registers of a hung or
triple-faulted machine, and screenshots.  A QEMU that does not answer is never fatal.
"""

import json
import socket
import time

REPLY_SECONDS = 5


class Qmp:
    """One end of a socket pair whose other end is QEMU's monitor."""

    def __init__(self):
        self.socket, self.peer = socket.socketpair()
        self.socket.settimeout(REPLY_SECONDS)
        self.buffer = b""
        self.next_id = 0
        self.events = []
        self.closed = False
        self.version = None  # as text; QEMU greets with it
        self._send("qmp_capabilities", {})

    def close(self):
        self.socket.close()
        self.peer.close()

    def _send(self, command, arguments):
        self.next_id += 1
        message = {"execute": command, "arguments": arguments, "id": self.next_id}
        try:
            self.socket.sendall(json.dumps(message).encode() + b"\n")
        except OSError:
            self.closed = True
        return self.next_id

    def receive(self):
        """Read what has arrived; store events and return the replies by id."""
        try:
            data = self.socket.recv(1 << 16)
        except OSError:
            data = b""
        self.closed = self.closed or not data
        *lines, self.buffer = (self.buffer + data).split(b"\n")
        messages = [json.loads(line) for line in lines if line.strip()]
        for greeting in (message["QMP"] for message in messages if "QMP" in message):
            self.version = "%(major)d.%(minor)d.%(micro)d" % greeting["version"]["qemu"]
        self.events += [message for message in messages if "event" in message]
        return {message["id"]: message for message in messages if "id" in message}

    def execute(self, command, **arguments):
        """Run a command; its return value, or None when QEMU refuses or is silent.

        One that was silent once is not asked again.
        """
        wanted = self._send(command, arguments)
        deadline = time.monotonic() + REPLY_SECONDS
        while not self.closed and time.monotonic() < deadline:
            replies = self.receive()
            if wanted in replies:
                return replies[wanted].get("return")
        self.closed = True
        return None

    def monitor(self, line):
        """Run a command of the human monitor and return its text."""
        return self.execute("human-monitor-command", **{"command-line": line}) or ""
