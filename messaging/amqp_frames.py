"""AMQP frames at the border: what other senders wrote, and what this one writes. Pure.

Publishes, deliveries, returns and acks are most of what travels, and are written and read here, in
a fraction of the time the client library takes; tables within headers are its codec's. A property
another sender wrote wrongly must not cost the connection (and again at every redelivery: one till
could keep the ERP from hearing all others): such a message is marked as damaged, and goes the way
of every other bad message.
"""

from dataclasses import dataclass
from datetime import datetime
from struct import Struct
from typing import Any, cast

from pamqp import decode, encode
from pamqp.header import ContentHeader

from messaging.channel import Delivery, Headers, Message, Return

METHOD, HEADER, BODY, HEARTBEAT = 1, 2, 3, 8
END = b"\xce"
SILENCE = b"\x08\0\0\0\0\0\0" + END
"""A heartbeat."""

PUBLISH, RETURN, DELIVER, ACK, NACK = (
    b"\0\x3c\0" + method for method in (b"\x28", b"\x32", b"\x3c", b"\x50", b"\x78")
)
FRAME = Struct(">BHI")
"""What a frame begins with: its kind, its channel, the bytes of its payload."""
_HEADER = Struct(">HHQH")
_TAG = Struct(">Q")
_BASIC = 60

HAS_HEADERS, HAS_TIMESTAMP = 0x20, 0x40
DAMAGED = "?"
DAMAGED_PROPERTIES = b"\x00\x20\x01?"
"""Properties of nothing but the type `?`: no longer than the shortest that can be damaged."""

_TEXT, _TABLE = 0, -1
_KINDS = (_TEXT, _TEXT, _TABLE, 1, 1, _TEXT, _TEXT, _TEXT, _TEXT, 8, _TEXT, _TEXT, _TEXT, _TEXT)
"""Of every property, in their order: text, table, or so many bytes nobody here reads."""
_FLAGS = tuple((1 << 15 - place, kind) for place, kind in enumerate(_KINDS))


@dataclass(slots=True)
class Properties:
    """The properties of a message another sender wrote, as they are there or not."""

    content_type: str | None = None
    content_encoding: str | None = None
    headers: Headers | None = None
    delivery_mode: None = None
    priority: None = None
    correlation_id: str | None = None
    reply_to: str | None = None
    expiration: str | None = None
    message_id: str | None = None
    timestamp: None = None
    type: str | None = None
    user_id: str | None = None
    app_id: str | None = None
    cluster_id: str | None = None


def read_header(payload: bytes) -> bytes:
    """The payload of a content header, its end byte included, as the library can decode it: as it came, or emptied."""
    first, second = payload[12:14]
    if not first & HAS_HEADERS and not second & HAS_TIMESTAMP and payload[14:-1].isascii():
        return payload
    try:
        ContentHeader().unmarshal(payload[:-1])
    except Exception:  # whatever the decoder raises would cost the connection
        kept, end = payload[:12], payload[-1:]
        return (kept + DAMAGED_PROPERTIES).ljust(len(payload) - 1, b"\0") + end
    return payload


def body_size(header: bytes) -> int:
    """The bytes of the body that follows a content header."""
    return int.from_bytes(header[4:12], "big")


def read_properties(header: bytes) -> Properties | None:
    """The properties in the payload of a content header; None when one of them cannot be read."""
    try:
        return Properties(*_properties(header))
    except Exception:  # whatever a decoder raises would cost the connection
        return None


def _properties(header: bytes) -> list[Any]:
    flags = int.from_bytes(header[12:14], "big")
    if flags & 3:
        raise ValueError("flags that stand for nothing")
    at = 14
    found: list[Any] = []
    for flag, kind in _FLAGS:
        value: Any = None
        if flags & flag:
            if kind == _TEXT:
                value, at = _read_text(header, at)
            elif kind == _TABLE:
                used, value = decode.field_table(header[at:])
                at += used
            else:
                at += kind
        found.append(value)
    if at > len(header):
        raise ValueError("too short")
    return found


def read_delivery(method: bytes, header: bytes, body: bytes) -> tuple[str, Delivery]:
    """The consumer a delivery is for, and the message it carried."""
    consumer, at = _read_text(method, 4)
    (tag,) = _TAG.unpack_from(method, at)
    exchange, key_at = _read_text(method, at + 9)
    key, _ = _read_text(method, key_at)
    redelivered = bool(method[at + 8] & 1)
    properties = read_properties(header)
    if properties is None:
        return consumer, Delivery(body, exchange, key, tag, redelivered, damaged=True)
    return consumer, Delivery(
        body,
        exchange,
        key,
        tag,
        redelivered,
        properties.user_id or None,
        properties.correlation_id or None,
        _milliseconds(properties.expiration),
        properties.headers or {},
        properties.content_encoding or None,
        properties.type or None,
    )


def read_got(frame: Any, header: ContentHeader, body: bytes) -> Delivery:
    """The message that the library fetched with basic.get."""
    properties = header.properties
    damaged = properties.message_type == DAMAGED
    return Delivery(
        body,
        frame.exchange,
        frame.routing_key or "",
        frame.delivery_tag or 0,
        bool(frame.redelivered),
        properties.user_id or None,
        properties.correlation_id or None,
        _milliseconds(properties.expiration),
        cast(Headers, properties.headers) if properties.headers else {},
        properties.content_encoding or None,
        None if damaged else properties.message_type or None,
        damaged,
    )


def read_return(method: bytes, header: bytes) -> tuple[int, Return]:
    """The number this channel published a message under, 0 for none; what came back, without its body."""
    reason, at = _read_text(method, 6)
    exchange, at = _read_text(method, at)
    key, _ = _read_text(method, at)
    properties = read_properties(header) or Properties()
    number = properties.message_id or ""
    returned = Return(exchange, key, properties.correlation_id or None, reason)
    return int(number) if number.isdecimal() else 0, returned


def read_confirm(method: bytes) -> tuple[int, bool]:
    """The delivery tag of an ack or nack, and whether it stands for all before it too."""
    return _TAG.unpack_from(method, 4)[0], bool(method[12] & 1)


def write_message(
    message: Message, channel: int, largest: int, message_id: str | None = None
) -> bytes:
    """The frames of one publish, with bodies of at most `largest` bytes per frame."""
    body = message.body
    mandatory = b"\1" if message.mandatory else b"\0"
    method = b"".join((PUBLISH, b"\0\0", _text(message.exchange), _text(message.key), mandatory))
    frames = [
        _frame(METHOD, channel, method),
        _frame(HEADER, channel, _header(message, message_id)),
    ]
    if len(body) <= largest:
        parts = [body] if body else []
    else:
        parts = [body[at : at + largest] for at in range(0, len(body), largest)]
    frames.extend(_frame(BODY, channel, part) for part in parts)
    return b"".join(frames)


def write_ack(channel: int, tag: int, *, multiple: bool) -> bytes:
    return _frame(METHOD, channel, ACK + _TAG.pack(tag) + (b"\1" if multiple else b"\0"))


def write_nack(channel: int, tag: int, *, multiple: bool, requeue: bool) -> bytes:
    bits = multiple | requeue << 1
    return _frame(METHOD, channel, NACK + _TAG.pack(tag) + bytes((bits,)))


def _frame(kind: int, channel: int, payload: bytes) -> bytes:
    return FRAME.pack(kind, channel, len(payload)) + payload + END


def _header(message: Message, message_id: str | None) -> bytes:
    """A content header: which properties there are, then these, in the order of Properties."""
    expiration = message.expiration_ms
    flags, parts = 0x1000, [b"\2" if message.persistent else b"\1"]
    if message.headers:
        flags |= 0x2000
        parts.insert(0, encode.field_table(cast(Any, dict(message.headers))))
    if message.content_encoding is not None:
        flags |= 0x4000
        parts.insert(0, _text(message.content_encoding))
    for flag, text in (
        (0x0400, message.correlation_id),
        (0x0100, None if expiration is None else str(expiration)),
        (0x0080, message_id),
    ):
        if text is not None:
            flags |= flag
            parts.append(_text(text))
    if message.timestamp is not None:
        flags |= 0x0040
        parts.append(_moment(message.timestamp))
    for flag, text in ((0x0020, message.type), (0x0010, message.user_id)):
        if text is not None:
            flags |= flag
            parts.append(_text(text))
    return _HEADER.pack(_BASIC, 0, len(message.body), flags) + b"".join(parts)


def _moment(moment: datetime) -> bytes:
    return _TAG.pack(int(moment.timestamp()))


def _text(text: str) -> bytes:
    """Raises ValueError for more than 255 bytes."""
    encoded = text.encode()
    return bytes((len(encoded),)) + encoded


def _read_text(payload: bytes, at: int) -> tuple[str, int]:
    """A text, and where it ends. Raises IndexError or ValueError when there is none."""
    end = at + 1 + payload[at]
    if end > len(payload):
        raise ValueError("a text longer than what is there")
    return payload[at + 1 : end].decode(), end


def _milliseconds(expiration: str | None) -> int | None:
    """Another client may write anything here that RabbitMQ takes for a number."""
    return int(expiration) if expiration and expiration.isdecimal() else None
