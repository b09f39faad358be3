"""Bodies of messages as they travel: plain, or packed with zstd when their content encoding says so."""

import zstandard

from contracts.envelope import MAX_BYTES, Malformed, Oversized
from contracts.feed import UNPACKED_BYTES
from messaging.channel import Delivery

_decompressor = zstandard.ZstdDecompressor()


def unpacked(delivery: Delivery) -> tuple[bytes, int]:
    """The body, and how long it may be. To be called from one thread.

    Raises Oversized, before unpacking, for what is too long either way; Malformed for what cannot be unpacked.
    """
    body = delivery.body
    if len(body) > MAX_BYTES:
        raise Oversized(f"{len(body)} bytes, at most {MAX_BYTES} are allowed")
    match delivery.content_encoding:
        case None | "" | "identity":
            return body, MAX_BYTES
        case "zstd":
            return _unpack(body), UNPACKED_BYTES
        case other:
            raise Malformed(f"content_encoding: {other} is not known")


def _unpack(body: bytes) -> bytes:
    try:
        size = zstandard.frame_content_size(body)
        if size > UNPACKED_BYTES:
            raise Oversized(f"{size} bytes unpacked, at most {UNPACKED_BYTES} are allowed")
        return _decompressor.decompress(body, max_output_size=UNPACKED_BYTES)
    except zstandard.ZstdError as error:
        raise Malformed(f"not zstd: {error}") from None
