"""The way up: till changes applied in the ERP, beside plain transactions."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import asyncpg

from bench.floors_store import raw_pg_transactions
from bench.stand import LOOK_S, Stand, Voice, speak_as
from contracts import envelope
from contracts.changes import Change
from contracts.envelope import Headers
from contracts.journal import Author, CustomerEdited
from contracts.topology import JOURNAL
from messaging.channel import Message
from ops.clients import until
from ops.system import TillNode

EDITS = 20_000
"""Enough for a few seconds: what happens at the start and the end must not decide."""


async def journal_vs_raw_pg(stand: Stand) -> tuple[float, float, str]:
    """Entries of all tills applied per second, all committed; they wait in the queues when the clock starts."""
    tills = stand.system.tills
    count = EDITS // len(tills)
    await stand.stop_till()
    epoch = f"bench{stand.rng.getrandbits(32):08x}"
    floor = await raw_pg_transactions(stand.system.dsn, 2.0)
    sent: dict[str, int] = {}
    stand.system.erp.pause()
    try:
        for share, till in enumerate(tills):
            customers = await _customers(stand, till, count, share)
            async with speak_as(stand, till) as voice:
                await voice.publisher.publish_all(_entries(stand, voice, epoch, customers))
            sent[till.pos_id] = len(customers)
    finally:
        stand.system.erp.resume()
    began = time.perf_counter()
    await _applied(stand.system.dsn, epoch, sent)
    edits = sum(sent.values())
    product = edits / (time.perf_counter() - began)
    again = await raw_pg_transactions(stand.system.dsn, 2.0)
    return product, (floor + again) / 2, f"{edits:,} edits of {len(tills)} tills"


def _entries(
    stand: Stand, voice: Voice, epoch: str, customers: Sequence[asyncpg.Record]
) -> list[Message]:
    """Edits as the till's journal writes them."""
    user, now = f"pos.{voice.pos_id}", datetime.now(UTC)
    messages = []
    for seq, (customer_id, version, title) in enumerate(customers, 1):
        headers = Headers(
            id=UUID(int=stand.rng.getrandbits(128), version=4), type="customer.edited",
            occurred_at=now, origin=user, epoch=epoch, seq=seq, key=str(customer_id),
        )  # fmt: skip
        edit = CustomerEdited(
            customer_id=customer_id,
            base_version=version,
            changes=[Change(path="academic_title", old=title, new=f"Dr {seq} {epoch}")],
            author=Author(operator="anna", at=now),
        )
        body = envelope.encode(headers, edit)
        messages.append(Message(body, JOURNAL, voice.pos_id, user_id=user))
    return messages


async def _customers(stand: Stand, till: TillNode, count: int, share: int) -> list[asyncpg.Record]:
    """Customers a till may edit, their versions and titles; those of different shares are different."""
    connection = await asyncpg.connect(stand.system.dsn)
    try:
        return await connection.fetch(
            """
            SELECT id, version, record ->> 'academic_title' AS title FROM customer
            WHERE state = 'active' AND is_customer AND (everywhere OR $1 = ANY (centres))
              AND (editors IS NULL OR $1 = ANY (editors))
              AND get_byte(uuid_send(id), 15) % $3 = $4
            LIMIT $2
            """,
            till.centre, count, len(stand.system.tills), share,
        )  # fmt: skip
    finally:
        await connection.close()


async def _applied(dsn: str, epoch: str, sent: dict[str, int]) -> None:
    """Returns when the last entry of each till is applied."""
    connection = await asyncpg.connect(dsn)
    try:

        async def applied() -> dict[str, int]:
            found = await connection.fetch(
                "SELECT pos_id, applied_seq FROM journal_progress WHERE epoch = $1", epoch
            )
            return {row["pos_id"]: row["applied_seq"] for row in found}

        await until(applied, lambda seen: seen == sent, "entries applied", 600, every=LOOK_S)
    finally:
        await connection.close()
