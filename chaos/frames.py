"""Cutting the bytes of one direction of an AMQP 0-9-1 connection into whole frames. Pure."""

from messaging.amqp_frames import ACK, BODY, FRAME, HEADER, METHOD, NACK, PUBLISH

GREETING_BYTES = 8
"""What a client says before its first frame."""
END_BYTES = 1


class FrameCutter:
    """Takes bytes as they come, and gives the frames that are whole. `greeting`: the first bytes are no frame."""

    def __init__(self, *, greeting: bool) -> None:
        self._waiting = b""
        self._greeting = greeting

    def feed(self, data: bytes) -> list[bytes]:
        """The frames that end in `data`, each with its head and its end byte; the greeting counts as one."""
        self._waiting += data
        found, at = [], 0
        while (end := self._end_of(at)) is not None and end <= len(self._waiting):
            found.append(self._waiting[at:end])
            at, self._greeting = end, False
        self._waiting = self._waiting[at:]
        return found

    def _end_of(self, at: int) -> int | None:
        """Where what begins at `at` ends; None: too little is there to tell."""
        if self._greeting:
            return at + GREETING_BYTES
        if len(self._waiting) - at < FRAME.size:
            return None
        _, _, size = FRAME.unpack_from(self._waiting, at)
        return at + FRAME.size + int(size) + END_BYTES


def is_publish(frame: bytes) -> bool:
    """Whether a frame begins a publish: its header and its body follow on the same channel."""
    return _method(frame) == PUBLISH


def is_content_header(frame: bytes) -> bool:
    return frame[0] == HEADER


def is_body(frame: bytes) -> bool:
    return frame[0] == BODY


def is_confirm(frame: bytes) -> bool:
    """Whether a frame of the broker confirms publishes, or says that it could not take them."""
    return _method(frame) in (ACK, NACK)


def _method(frame: bytes) -> bytes | None:
    return frame[FRAME.size : FRAME.size + 4] if frame[0] == METHOD else None
