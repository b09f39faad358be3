"""Dead letters as the ERP judges them: whether putting one back could still do anything."""

from dataclasses import dataclass

from contracts.topology import JOURNAL_PARTITIONS, journal_queue, pos_of
from erp_node.entries import salvage_headers
from erp_node.store import tills as store
from erp_node.store.pool import Pool
from messaging.dead import DeadLetter

JOURNALS = frozenset(map(journal_queue, range(JOURNAL_PARTITIONS)))


@dataclass(frozen=True, slots=True)
class Number:
    """The place of an entry in a till's journal."""

    pos_id: str
    epoch: str
    seq: int


def number_of(letter: DeadLetter) -> Number | None:
    """The journal number a dead letter has; None when it is no journal entry, or none of its sender's."""
    pos_id = pos_of(letter.user_id or "")
    if letter.queue not in JOURNALS or pos_id is None:
        return None
    headers = salvage_headers(letter.body)
    if headers is None or headers.origin != letter.user_id:
        return None
    if not headers.epoch or headers.seq is None:
        return None
    return Number(pos_id, headers.epoch, headers.seq)


async def is_used_up(pool: Pool, letter: DeadLetter) -> bool:
    """Whether a journal entry's number was passed when it was parked: put back, it would be taken for
    a repetition and dropped (I9)."""
    number = number_of(letter)
    if number is None:
        return False
    progress = await store.read_progress(pool, number.pos_id, number.epoch)
    return progress.seq >= number.seq
