"""Names of exchanges, queues and users, and what each till may do. Data only: messaging declares it."""

from dataclasses import dataclass
from typing import Literal

FEED = "comptoir.feed"
URGENT = "comptoir.urgent"
JOURNAL = "comptoir.journal"
RPC = "comptoir.rpc"
DEAD = "comptoir.dead"
DEAD_QUEUE = "dead"
DEAD_BYTES = 256 * 1024 * 1024
"""Of dead letters kept, their headers not counted."""
REPLIES = ""
"""Answers go through the default exchange, whose keys are queue names."""

QUESTIONS = ("feed", "search", "fetch", "card", "presence")
"""One queue each, so that a till catching up never stands before a cashier's search."""

POS_ID = r"^[a-z0-9][a-z0-9-]{0,39}$"
JOURNAL_PARTITIONS = 4

ExchangeKind = Literal["topic", "direct"]
QueueKind = Literal["classic", "quorum"]


@dataclass(frozen=True, slots=True)
class Exchange:
    name: str
    kind: ExchangeKind


@dataclass(frozen=True, slots=True)
class Queue:
    name: str
    kind: QueueKind
    single_active_consumer: bool = False


@dataclass(frozen=True, slots=True)
class Binding:
    exchange: str
    key: str
    queue: str


@dataclass(frozen=True, slots=True)
class Policy:
    """Limits that may change with time; RabbitMQ applies them to queues by name pattern."""

    name: str
    pattern: str
    definition: dict[str, str | int]


@dataclass(frozen=True, slots=True)
class Topology:
    exchanges: tuple[Exchange, ...] = ()
    queues: tuple[Queue, ...] = ()
    bindings: tuple[Binding, ...] = ()
    policies: tuple[Policy, ...] = ()


@dataclass(frozen=True, slots=True)
class Rights:
    """Regular expressions over resource names, as RabbitMQ's permissions take them."""

    configure: str
    write: str
    read: str


@dataclass(frozen=True, slots=True)
class TillAddress:
    """Where one till is on the bus: its user, its queues, its centre, and whether it holds all customers."""

    pos_id: str
    centre: str
    full: bool = True

    @property
    def user(self) -> str:
        return user_of(self.pos_id)

    @property
    def feed_queue(self) -> str:
        return f"pos.{self.pos_id}.feed"

    @property
    def urgent_queue(self) -> str:
        return f"pos.{self.pos_id}.urgent"

    @property
    def reply_queue(self) -> str:
        return reply_queue(user_of(self.pos_id))

    @property
    def scopes(self) -> tuple[str, ...]:
        """The feeds this till follows (SYNC-1, SYNC-2); a scope is also the key its pages travel under."""
        own = (ALL, centre_scope(self.centre), pos_scope(self.pos_id))
        return (*own, ALL_CUSTOMERS, customers_of(self.centre)) if self.full else own

    @property
    def rights(self) -> Rights:
        name = self.pos_id.replace(".", r"\.")
        return Rights(
            configure="^$",
            write=r"^comptoir\.(journal|rpc)$",
            read=rf"^pos\.{name}\.(feed|urgent|reply)$",
        )


ALL = "all"
ALL_CUSTOMERS = "all.customers"


def centre_scope(centre: str) -> str:
    """What concerns one centre, customers apart: its operators, its settings."""
    return f"centre.{centre}"


def customers_of(centre: str) -> str:
    """Customers available to this centre and not to all."""
    return f"centre.{centre}.customers"


def pos_scope(pos_id: str) -> str:
    """What concerns one till: progress, verdicts, and in mode local-only the customers it holds."""
    return f"pos.{pos_id}"


def user_of(pos_id: str) -> str:
    """The RabbitMQ user of a till; it is also the origin in its envelopes."""
    return f"pos.{pos_id}"


def pos_of(user: str) -> str | None:
    """The till a RabbitMQ user stands for, or None."""
    return user.removeprefix("pos.") if user.startswith("pos.") else None


def reply_queue(user: str) -> str:
    """Where answers to this validated user go (never where the message says)."""
    return f"{user}.reply"


def journal_queue(partition: int) -> str:
    return f"erp.journal.{partition}"


def question_queue(question: str) -> str:
    return f"erp.rpc.{question}"


def erp_topology(partitions: int = JOURNAL_PARTITIONS) -> Topology:
    """Everything that is there once."""
    journals = tuple(
        Queue(journal_queue(n), "quorum", single_active_consumer=True) for n in range(partitions)
    )
    questions = tuple(Queue(question_queue(name), "classic") for name in QUESTIONS)
    return Topology(
        exchanges=(
            Exchange(FEED, "topic"),
            Exchange(URGENT, "topic"),
            Exchange(JOURNAL, "direct"),
            Exchange(RPC, "direct"),
            Exchange(DEAD, "topic"),
        ),
        queues=(*journals, *questions, Queue(DEAD_QUEUE, "quorum")),
        bindings=(
            *(Binding(RPC, name, question_queue(name)) for name in QUESTIONS),
            Binding(DEAD, "#", DEAD_QUEUE),
        ),
        policies=_policies(),
    )


def till_topology(till: TillAddress, partition: int) -> Topology:
    """The queues of one till. It publishes its journal under its own id; the partition is the ERP's choice."""
    feed = tuple(Binding(FEED, scope, till.feed_queue) for scope in till.scopes)
    urgent = tuple(Binding(URGENT, scope, till.urgent_queue) for scope in till.scopes)
    return Topology(
        queues=tuple(
            Queue(name, "classic")
            for name in (till.feed_queue, till.urgent_queue, till.reply_queue)
        ),
        bindings=(*feed, *urgent, Binding(JOURNAL, till.pos_id, journal_queue(partition))),
    )


def _policies() -> tuple[Policy, ...]:
    """A till's queues are accelerators: overflow or expiry costs a pull, nothing else."""
    hour = 3_600_000
    return (
        Policy(
            "comptoir-journal",
            r"^erp\.journal\.",
            {
                "dead-letter-exchange": DEAD,
                "delivery-limit": 50,
                "dead-letter-strategy": "at-most-once",
            },
        ),
        # Looking at a dead letter delivers it; looking must never drop it.
        # When nobody clears up, the oldest give way: refusing new ones would stop the journal.
        Policy(
            "comptoir-dead",
            r"^dead$",
            {
                "delivery-limit": 1_000_000_000,
                "max-length-bytes": DEAD_BYTES,
                "overflow": "drop-head",
            },
        ),
        Policy("comptoir-rpc", r"^erp\.rpc\.", {"message-ttl": 30_000, "max-length": 20_000}),
        Policy(
            "comptoir-feed",
            r"^pos\..+\.feed$",
            {"message-ttl": hour, "max-length": 500, "max-length-bytes": 8_000_000},
        ),
        Policy(
            "comptoir-urgent",
            r"^pos\..+\.urgent$",
            {"message-ttl": 24 * hour, "max-length": 10_000},
        ),
        Policy("comptoir-reply", r"^pos\..+\.reply$", {"message-ttl": 30_000, "max-length": 1_000}),
    )
