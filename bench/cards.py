"""Cards locked in the ERP beside empty request-replies (CARD-15)."""

import asyncio
import time
from collections.abc import Iterator
from statistics import median
from uuid import UUID

import asyncpg

from bench.floors_bus import raw_rpc, raw_rpc_rate
from bench.stand import Stand, Voice, speak_as
from contracts import envelope, registry
from contracts.cards import CardLock, CardLocked, Wanted
from contracts.envelope import Headers
from contracts.topology import RPC
from messaging.channel import Message
from messaging.clock import SystemClock

ROUNDS = 4
IN_FLIGHT = 32


async def card_lock_vs_raw_rpc(stand: Stand) -> tuple[float, float, str]:
    """Locks per second of cards nobody asked for before, each committed before it is answered; rounds in turn."""
    await stand.stop_till()
    count = 1_500 if stand.quick else 6_000
    numbers = _numbers("R")
    floors, rates = [], []
    customer = await _somebody(stand)
    async with speak_as(stand, stand.system.tills[1]) as voice:
        for _ in range(ROUNDS):
            floors.append(await raw_rpc_rate(stand.admin_url, count, IN_FLIGHT))
            rates.append(await _rate(stand, voice, customer, numbers, count))
    each = ", ".join(f"{rate:,.0f}" for rate in rates)
    return median(rates), median(floors), f"{IN_FLIGHT} in flight; rounds of {each}/s"


async def card_lock_rtt_vs_raw_rpc(stand: Stand) -> tuple[float, float, str]:
    """p50 of one lock at a time over p50 of one empty request-reply; rounds in turn."""
    await stand.stop_till()
    count = 250 if stand.quick else 1_000
    numbers = _numbers("L")
    floors: list[float] = []
    locks: list[float] = []
    customer = await _somebody(stand)
    async with speak_as(stand, stand.system.tills[1]) as voice:
        for _ in range(ROUNDS):
            floors += await raw_rpc(stand.admin_url, count)
            for _ in range(count):
                began = time.perf_counter()
                await _lock(stand, voice, customer, next(numbers))
                locks.append(time.perf_counter() - began)
    at_99 = sorted(locks)[int(len(locks) * 0.99)]
    return median(locks), median(floors), f"{len(locks)} locks, p99 {at_99 * 1000:.1f} ms"


async def _rate(
    stand: Stand, voice: Voice, customer: UUID, numbers: Iterator[str], count: int
) -> float:
    async def work(turns: Iterator[int]) -> None:
        for _ in turns:
            await _lock(stand, voice, customer, next(numbers))

    turns = iter(range(count))
    began = time.perf_counter()
    await asyncio.gather(*(work(turns) for _ in range(IN_FLIGHT)))
    return count / (time.perf_counter() - began)


async def _lock(stand: Stand, voice: Voice, customer: UUID, number: str) -> None:
    user = f"pos.{voice.pos_id}"
    headers = Headers(
        id=UUID(int=stand.rng.getrandbits(128), version=4),
        type="card.lock",
        occurred_at=SystemClock().now(),
        origin=user,
    )
    body = envelope.encode(
        headers, CardLock(customer_id=customer, card=Wanted(number=number, type="plastic"))
    )
    message = Message(body, RPC, "card", persistent=False, user_id=user)
    answer = registry.decode((await voice.requester.ask(message, 10.0)).body).data
    assert isinstance(answer, CardLocked), answer
    assert answer.token is not None, answer


def _numbers(letter: str) -> Iterator[str]:
    return (f"{letter}{number:09}" for number in range(1_000_000))


async def _somebody(stand: Stand) -> UUID:
    connection = await asyncpg.connect(stand.system.dsn)
    try:
        found: UUID = await connection.fetchval("SELECT id FROM customer ORDER BY id LIMIT 1")
    finally:
        await connection.close()
    return found
