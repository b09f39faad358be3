"""A till's journal entries as they come out of a queue: read, their sender checked, put in order. No I/O."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

import msgspec
from msgspec import structs

from contracts import envelope, registry
from contracts.cards import CardChange
from contracts.decoders import struct_of
from contracts.envelope import MAX_BYTES, Headers, MessageError
from contracts.journal import (
    CONTENT_LETTERS,
    CustomerAdded,
    CustomerEdited,
    Resend,
    content_of,
)
from contracts.limits import within_time
from contracts.topology import pos_of
from messaging.channel import Delivery
from messaging.consumer import DAMAGED, Bad
from messaging.responder import FORGED

REMEMBERED = 64
"""Of this many entries per till the content is known, to tell a repeat from a number used again (I9)."""

Change: TypeAlias = CustomerAdded | CustomerEdited | CardChange
"""What an entry says. An edit may also be a struct with the fields of the model."""

_EDITED = registry.TYPE_OF[CustomerEdited]
_edited = envelope.Reader(struct_of(CustomerEdited))


class Entry(msgspec.Struct, frozen=True, gc=False):
    """A numbered entry of one till; `data` is None when it cannot be read, and `bad` says why.

    `index` is its place in the batch. `id`: it keeps that under whatever number it comes.
    `redelivered`: the broker delivers it again.
    """

    index: int
    pos_id: str
    epoch: str
    seq: int
    id: UUID
    content: str
    data: Change | None = None
    bad: Bad | None = None
    key: str | None = None
    redelivered: bool = False

    @property
    def journal(self) -> tuple[str, str]:
        """The till and its epoch: what numbers are counted in."""
        return self.pos_id, self.epoch

    def unreadable(self, bad: Bad) -> "Entry":
        """The same number without its content: what is left of an entry that cannot be applied."""
        return structs.replace(self, data=None, bad=bad, key=str(self.customer_id))

    @property
    def customer_id(self) -> UUID | None:
        """Whom it is about, as far as that can be read."""
        return self.data.customer_id if self.data else _as_uuid(self.key)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a journal is applied; `contents` are the last REMEMBERED entries' hashes in one text."""

    seq: int = 0
    contents: str = ""

    def content_of(self, seq: int) -> str | None:
        """The hash of an applied entry, None when that is too long ago."""
        end = len(self.contents) - (self.seq - seq) * CONTENT_LETTERS
        return self.contents[end - CONTENT_LETTERS : end] if end >= CONTENT_LETTERS else None

    def after(self, entry: Entry) -> "Progress":
        """The progress once this entry is applied."""
        kept = self.contents[-(REMEMBERED - 1) * CONTENT_LETTERS :]
        return Progress(entry.seq, kept + entry.content)


@dataclass(frozen=True, slots=True)
class Ordered:
    """What a batch comes to: entries to apply, in order; numbers used twice; what is missing."""

    due: tuple[Entry, ...]
    progress: Mapping[tuple[str, str], Progress]
    reused: tuple[Entry, ...]
    repeated: tuple[Entry, ...]
    missing: Mapping[str, Resend]


def read_entry(index: int, delivery: Delivery) -> Entry | Bad:
    """Reads one delivery. Bad: nobody can tell whose number it has, or somebody else's was taken (I10)."""
    if delivery.damaged:
        return DAMAGED
    if delivery.user_id is None:
        return FORGED
    if pos_of(delivery.user_id) is None:
        return Bad("sender", f"user_id: {delivery.user_id} is not a till")
    try:
        headers, data = _read_edited(delivery.body) or _read_any(delivery.body)
    except MessageError as error:
        return _unreadable(index, delivery, Bad(error.code, str(error)))
    if data is None:
        bad = Bad("wrong_type", f"type: {headers.type} is not a journal entry")
        return _entry(index, delivery, headers, bad=bad)
    return _entry(index, delivery, headers, data=data)


def _read_edited(body: bytes) -> tuple[Headers, Change] | None:
    """An edit, which most entries are, in half the time; None for whatever is not quite one."""
    try:
        headers, data = _edited.read(body, MAX_BYTES)
    except MessageError:
        return None
    expected = headers.type == _EDITED.name and headers.version == _EDITED.version
    return (headers, data) if expected and within_time(data.author.at) else None


def _read_any(body: bytes) -> tuple[Headers, Change | None]:
    """Raises MessageError."""
    whole = registry.decode(body)
    return whole.headers, whole.data if isinstance(whole.data, Change) else None


def _entry(
    index: int,
    delivery: Delivery,
    headers: Headers,
    *,
    data: Change | None = None,
    bad: Bad | None = None,
) -> Entry | Bad:
    if headers.origin != delivery.user_id:
        return Bad("forged", f"origin: {headers.origin} was sent by {delivery.user_id}")
    if not headers.epoch:
        return bad or Bad("malformed", "epoch: missing")
    if headers.seq is None:
        return bad or Bad("malformed", "seq: missing")
    return Entry(
        index,
        delivery.user_id.removeprefix("pos."),
        headers.epoch,
        headers.seq,
        headers.id,
        content_of(delivery.body),
        data,
        bad,
        headers.key,
        delivery.redelivered,
    )


def _unreadable(index: int, delivery: Delivery, bad: Bad) -> Entry | Bad:
    """An entry whose content cannot be read, or at least not now; its number, if that can be."""
    headers = salvage_headers(delivery.body)
    return bad if headers is None else _entry(index, delivery, headers, bad=bad)


def salvage_headers(body: bytes) -> Headers | None:
    """The headers of a message whose data is damaged, cut off, too large or unknown."""
    head, found, _ = body.partition(b'"data":')
    for readable in (body, head + found + b"null}"):
        try:
            return envelope.split(readable, limit=len(readable))[0]
        except MessageError:
            continue
    return None


def _as_uuid(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        return None


def put_in_order(entries: Sequence[Entry], progress: Mapping[tuple[str, str], Progress]) -> Ordered:
    """Takes each journal's entries by their numbers, from the next one on, without a gap (I1, I9).

    What was applied before is left out; so is what comes after a missing number.
    """
    now = {entry.journal: progress.get(entry.journal, Progress()) for entry in entries}
    due, reused, repeated = [], [], []
    missing: dict[str, Resend] = {}
    for entry in by_number(entries):
        reached = now[entry.journal]
        if entry.seq == reached.seq + 1:
            due.append(entry)
            now[entry.journal] = reached.after(entry)
        elif entry.seq > reached.seq:
            missing[entry.pos_id] = Resend(epoch=entry.epoch, from_seq=reached.seq + 1)
        elif reached.content_of(entry.seq) in (None, entry.content):
            repeated.append(entry)
        else:
            reused.append(entry)
    return Ordered(tuple(due), _moved(now, progress), tuple(reused), tuple(repeated), missing)


def by_number(entries: Sequence[Entry]) -> Iterator[Entry]:
    """Each journal's entries sorted, in the places its entries had: tills keep their turns."""
    journals: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries:
        journals.setdefault(entry.journal, []).append(entry)
    turns = {name: iter(sorted(some, key=lambda e: e.seq)) for name, some in journals.items()}
    return (next(turns[entry.journal]) for entry in entries)


def _moved(
    now: Mapping[tuple[str, str], Progress], before: Mapping[tuple[str, str], Progress]
) -> dict[tuple[str, str], Progress]:
    return {name: one for name, one in now.items() if one != before.get(name, Progress())}
