"""The bus as the nodes use it, measured like bench.floors_bus: same broker, same shapes."""

import asyncio
import contextlib
import random
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from uuid import uuid4

from contracts.topology import Queue, QueueKind, reply_queue
from messaging.amqp import AmqpBroker
from messaging.channel import Delivery, Message
from messaging.clock import SystemClock
from messaging.connection import Link, Role
from messaging.consumer import Bad, OrderedConsumer
from messaging.publisher import Publisher
from messaging.responder import Reply, Responder
from messaging.rpc import Requester

ROOT = Path(__file__).resolve().parent.parent


async def our_rpc(url: str, count: int, in_flight: int = 1) -> list[float]:
    """Seconds of each of `count` empty questions, `in_flight` at a time; the answers come from a
    process of their own."""
    questions = f"bench.rpc.{uuid4().hex[:8]}"
    latencies: list[float] = []
    async with _queues(url, questions) as user, _beside("answer", url, questions):
        requester = Requester(reply_queue(user), rng=random.Random())
        async with _link(url, requester):
            turns = iter(range(count))
            await asyncio.gather(
                *(_ask(requester, questions, turns, latencies) for _ in range(in_flight))
            )
    return latencies


async def our_consume(url: str, count: int, size: int, *, batch: int = 64) -> float:
    """Messages of `size` bytes handled per second from a full queue, one ack per batch."""
    queue = f"bench.consume.{uuid4().hex[:8]}"
    done = asyncio.Event()
    left = count

    async def handle(deliveries: Sequence[Delivery]) -> Sequence[Bad | None]:
        nonlocal left
        left -= len(deliveries)
        if not left:
            done.set()
        return [None] * len(deliveries)

    async def park(delivery: Delivery, bad: Bad) -> None:
        raise AssertionError(bad)

    async with _queues(url, queue):
        publisher = Publisher()
        async with _link(url, publisher):
            await publisher.publish_all([Message(b"x" * size, "", queue)] * count)
        began = time.perf_counter()
        async with _link(
            url, OrderedConsumer(queue, handle, park, rng=random.Random(), batch=batch)
        ):
            await done.wait()
            return count / (time.perf_counter() - began)


async def our_publish(url: str, count: int, size: int, kind: QueueKind = "classic") -> float:
    """Messages of `size` bytes published in order and confirmed per second, 256 in flight."""
    queue = f"bench.publish.{uuid4().hex[:8]}"
    publisher = Publisher()
    async with _queues(url, queue, kind=kind), _link(url, publisher):
        message = Message(b"x" * size, "", queue)
        began = time.perf_counter()
        await publisher.publish_all([message] * count)
        return count / (time.perf_counter() - began)


async def _ask(
    requester: Requester, questions: str, turns: Iterator[int], latencies: list[float]
) -> None:
    for _ in turns:
        began = time.perf_counter()
        await requester.ask(Message(b"", "", questions, persistent=False), 10.0)
        latencies.append(time.perf_counter() - began)


@contextlib.asynccontextmanager
async def _queues(url: str, name: str, kind: QueueKind = "classic") -> AsyncIterator[str]:
    """The queue, and one for answers to this user, whose name it yields."""
    connection = await AmqpBroker(url).connect("bench")
    channel = await connection.channel(confirms=False, prefetch=0)
    names = {name: kind, reply_queue(connection.user): "classic"}
    for each, wanted in names.items():
        await channel.declare_queue(Queue(each, "quorum" if wanted == "quorum" else "classic"))
    try:
        yield connection.user
    finally:
        for each in names:
            await channel.delete_queue(each)
        await connection.close()


@contextlib.asynccontextmanager
async def _link(url: str, role: Role) -> AsyncIterator[None]:
    link = Link(AmqpBroker(url), "bench", clock=SystemClock(), rng=random.Random())
    link.add(role)
    running = asyncio.create_task(link.run())
    try:
        await link.wait_up()
        yield
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@contextlib.asynccontextmanager
async def _beside(*words: str) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.bus", *words, cwd=ROOT, stdout=PIPE
    )
    try:
        if process.stdout is None or not await process.stdout.readline():
            raise RuntimeError("the answering process did not start")
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _answer_forever(url: str, queue: str) -> None:
    async def answer(request: Delivery) -> Reply:
        return Reply(b"")

    async def park(request: Delivery, bad: Bad) -> None:
        raise AssertionError(bad)

    async with _link(url, Responder(queue, answer, park, concurrency=32)):
        print("ready", flush=True)
        await asyncio.get_running_loop().create_future()


def main(words: list[str]) -> None:
    """The other side of a measurement, in its own process."""
    import uvloop

    match words:
        case ["answer", url, queue]:
            uvloop.run(_answer_forever(url, queue))
        case _:
            raise SystemExit(f"unknown: {words}")


if __name__ == "__main__":
    main(sys.argv[1:])
