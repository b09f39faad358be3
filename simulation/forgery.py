"""Messages that nobody honest would send."""

from collections.abc import Iterator
from typing import TYPE_CHECKING
from uuid import UUID

from contracts import envelope
from contracts.changes import Change
from contracts.envelope import Headers
from contracts.journal import Author, CustomerEdited
from contracts.registry import TYPE_OF
from contracts.topology import JOURNAL, user_of
from messaging.channel import Message
from pos_node.store.journal import read_standing
from simulation.chance import stream
from simulation.checkers.history import FORGER, OTHER_SELF
from simulation.till import TillProcess

if TYPE_CHECKING:
    from simulation.world import World


def forged_edit(world: "World", victim: TillProcess, user: str, signed: str) -> Iterator[Message]:
    """The next entry of a till's journal, made by another till: in its own name, or in nobody's."""
    if (body := _edit(world, victim, FORGER, ahead=1)) is not None:
        signature = user if signed == "forger" else None
        kind = "customer.edited"
        yield Message(body, JOURNAL, victim.pos_id, user_id=signature, type=kind)


def reused_number(world: "World", till: TillProcess) -> Iterator[Message]:
    """A till's last number once more, for something else: a till put back to a backup would do it."""
    if (body := _edit(world, till, OTHER_SELF, ahead=0)) is not None:
        yield Message(
            body, JOURNAL, till.pos_id, user_id=user_of(till.pos_id), type="customer.edited"
        )


def _edit(world: "World", till: TillProcess, maker: str, *, ahead: int) -> bytes | None:
    if till.store is None:
        return None
    standing = till.store.look(read_standing)
    seq = standing.last_seq + ahead if ahead else standing.applied_seq
    if seq < 1 or not standing.epoch:
        return None
    rng = stream(world.seed, "forged", world.loop.time())
    customer = rng.choice(world.customers)
    now = world.tills[0].clock.now()
    change = Change(path="academic_title", old=None, new=world.token(maker))
    author = Author(operator="mallory", at=now)
    data = CustomerEdited(customer_id=customer, base_version=1, changes=[change], author=author)
    headers = Headers(
        id=UUID(int=rng.getrandbits(128), version=4), type=TYPE_OF[CustomerEdited].name,
        occurred_at=now, origin=user_of(till.pos_id), epoch=standing.epoch, seq=seq, key=str(customer),
    )  # fmt: skip
    return envelope.encode(headers, data)
