"""What plain aio-pika does on the same broker: the floors the bus figures are compared to.

Each is written as the library's documentation shows it, with the other side in a process of its
own. Queues are named by the caller's `name`, made here, and removed.
"""

import asyncio
import contextlib
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

PREFETCH = 256
ROOT = Path(__file__).resolve().parent.parent


async def raw_rpc(url: str, count: int, in_flight: int = 1) -> list[float]:
    """Seconds of each of `count` empty request-replies, `in_flight` at the same time.

    The documented pattern: default channel, exclusive callback queue, correlation ids; the
    server answers each message through the default exchange and acks it.
    """
    return (await _raw_rpc(url, count, in_flight))[0]


async def raw_rpc_rate(url: str, count: int, in_flight: int) -> float:
    """Empty request-replies per second, `in_flight` at the same time; as `raw_rpc`."""
    return count / (await _raw_rpc(url, count, in_flight))[1]


async def _raw_rpc(url: str, count: int, in_flight: int) -> tuple[list[float], float]:
    """Seconds of each, and of all together."""
    queue = f"floor.rpc.{uuid4().hex[:8]}"
    latencies: list[float] = []
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        async with _beside("answer", url, queue):
            client = await _RawClient.open(channel, queue)
            turns = iter(range(count))
            began = time.perf_counter()
            await asyncio.gather(*(client.work(turns, latencies) for _ in range(in_flight)))
            took = time.perf_counter() - began
        await channel.queue_delete(queue)
    return latencies, took


async def raw_consume(url: str, count: int, size: int) -> float:
    """Messages of `size` bytes consumed per second, an ack each, from a full queue."""
    queue = f"floor.consume.{uuid4().hex[:8]}"
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=PREFETCH)
        declared = await channel.declare_queue(queue, durable=True)
        await _run_beside("fill", url, queue, str(count), str(size))
        began = time.perf_counter()
        left = count
        async with declared.iterator() as messages:
            async for message in messages:
                await message.ack()
                left -= 1
                if not left:
                    seconds = time.perf_counter() - began
                    break
        await channel.queue_delete(queue)
    return count / seconds


class _RawClient:
    def __init__(self, channel: AbstractChannel, queue: str, replies: str) -> None:
        self.channel, self.queue, self.replies = channel, queue, replies
        self.waiting: dict[str, asyncio.Future[bytes]] = {}

    @classmethod
    async def open(cls, channel: AbstractChannel, queue: str) -> "_RawClient":
        replies = await channel.declare_queue(exclusive=True)
        client = cls(channel, queue, replies.name)
        await replies.consume(client.take, no_ack=True)
        return client

    async def take(self, message: AbstractIncomingMessage) -> None:
        if message.correlation_id is not None:
            self.waiting.pop(message.correlation_id).set_result(message.body)

    async def ask(self) -> bytes:
        correlation = str(uuid4())
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.waiting[correlation] = answer
        message = aio_pika.Message(b"", correlation_id=correlation, reply_to=self.replies)
        await self.channel.default_exchange.publish(message, self.queue)
        return await answer

    async def work(self, turns: Iterator[int], latencies: list[float]) -> None:
        for _ in turns:
            began = time.perf_counter()
            await self.ask()
            latencies.append(time.perf_counter() - began)


async def _answer(url: str, queue: str) -> None:
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        declared = await channel.declare_queue(queue, durable=True)
        print("ready", flush=True)
        async with declared.iterator() as messages:
            async for message in messages:
                async with message.process(requeue=False):
                    if message.reply_to is None:
                        continue
                    answer = aio_pika.Message(b"", correlation_id=message.correlation_id)
                    await channel.default_exchange.publish(answer, message.reply_to)


async def _fill(url: str, queue: str, count: int, size: int) -> None:
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        message = aio_pika.Message(b"x" * size, delivery_mode=2)
        for start in range(0, count, PREFETCH):
            some = range(start, min(start + PREFETCH, count))
            await asyncio.gather(*(channel.default_exchange.publish(message, queue) for _ in some))


def _command(*words: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "bench.floors_bus", *words)


async def _run_beside(*words: str) -> None:
    process = await asyncio.create_subprocess_exec(*_command(*words), cwd=ROOT)
    if await process.wait():
        raise RuntimeError(f"the floor's {words[0]} process failed")


@contextlib.asynccontextmanager
async def _beside(*words: str) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(*_command(*words), cwd=ROOT, stdout=PIPE)
    try:
        if process.stdout is None or not await process.stdout.readline():
            raise RuntimeError(f"the floor's {words[0]} process did not start")
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def main(words: list[str]) -> None:
    """The other side of a floor, in its own process."""
    import uvloop

    match words:
        case ["answer", url, queue]:
            uvloop.run(_answer(url, queue))
        case ["fill", url, queue, count, size]:
            uvloop.run(_fill(url, queue, int(count), int(size)))
        case _:
            raise SystemExit(f"unknown: {words}")


if __name__ == "__main__":
    main(sys.argv[1:])
