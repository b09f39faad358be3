"""Reading pages of the feed: fast when all is well, row by row when a row is not (one bad row never stops the rest)."""

from typing import Any, TypeAlias

import msgspec

from contracts import envelope
from contracts.decoders import struct_of
from contracts.envelope import Headers, Malformed, TooNew, UnknownType
from contracts.feed import Page as PageModel
from contracts.feed import PageStruct, RowStruct, read_page
from contracts.registry import MESSAGES
from messaging.channel import Delivery
from pos_node.bodies import unpacked
from pos_node.store.arrivals import Trouble

Page: TypeAlias = Any
"""A contracts.feed.Page as contracts.feed.read_page reads it: rows are RowStruct, their records JSON bytes."""

LARGEST = (1 << 63) - 1
"""The largest number SQLite stores."""

_LoosePage: Any = struct_of(PageModel, extra={"rows": list[msgspec.Raw]})
_read_loose = msgspec.json.Decoder(_LoosePage).decode
_whole = envelope.Reader(PageStruct)
_read_row = msgspec.json.Decoder(RowStruct).decode
_Key: Any = msgspec.defstruct("Key", [("key", str, "?")])
_read_key = msgspec.json.Decoder(_Key).decode


class WrongSender(envelope.MessageError):
    """The message does not come from the ERP."""

    code = "wrong_sender"


def page_of(delivery: Delivery) -> tuple[Page, list[Trouble]]:
    """The page a message carries, and its rows that cannot be read.

    Raises Oversized, Malformed, UnknownType, TooNew or WrongSender.
    """
    body, limit = unpacked(delivery)
    headers, raw = open_page(body, limit)
    if headers.type != "feed.page":
        raise UnknownType(f"type: {headers.type} does not belong here")
    if headers.version > MESSAGES["feed.page"].version:
        raise TooNew(f"version: feed.page {headers.version}")
    if headers.origin != "erp":
        raise WrongSender(f"origin: {headers.origin}")
    return read_data(raw)


def open_page(body: bytes, limit: int) -> tuple[Headers, bytes | Page]:
    """Headers and data of a message that should bring a page: read already when all is well.

    Raises Oversized or Malformed.
    """
    try:
        return _whole.read(body, limit)
    except Malformed:
        return envelope.split(body, limit)


def read_data(data: bytes | Page) -> tuple[Page, list[Trouble]]:
    """The page in a message's data, and its rows that cannot be read. Raises Malformed."""
    try:
        page, trouble = read_page(data) if isinstance(data, bytes) else data, list[Trouble]()
    except msgspec.DecodeError:
        page, trouble = _read_row_by_row(data)
    if max(page.prev_seq, page.to_seq, page.head) > LARGEST:
        raise Malformed("to_seq: larger than any number of a feed")
    if any(row.version > LARGEST for row in page.rows):
        trouble += _leave_out_too_large(page)
    return page, trouble


def _leave_out_too_large(page: Page) -> list[Trouble]:
    rows, page.rows = page.rows, [row for row in page.rows if row.version <= LARGEST]
    return [
        Trouble(page.scope, row.key, "version: larger than any that can be stored")
        for row in rows
        if row.version > LARGEST
    ]


def _read_row_by_row(raw: bytes) -> tuple[Page, list[Trouble]]:
    try:
        page = _read_loose(raw)
    except msgspec.DecodeError as error:
        raise Malformed(f"data: {error}") from None
    rows, trouble = [], []
    for one in page.rows:
        try:
            rows.append(_read_row(one))
        except msgspec.DecodeError as error:
            trouble.append(Trouble(page.scope, _key_of(one), str(error)))
    page.rows = rows
    return page, trouble


def _key_of(row: msgspec.Raw) -> str:
    try:
        return str(_read_key(row).key)
    except msgspec.DecodeError:
        return "?"
