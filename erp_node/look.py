"""Looking for what is stuck: at the database, the broker, its management API and the running ERP's readiness."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack

import httpx

from erp_node import tills
from erp_node.backlog import read_backlog
from erp_node.settings import ErpSettings
from erp_node.setup import admin_of, channel_of, mendable, pool_of
from erp_node.store import feed, letters
from erp_node.store.pool import Pool
from erp_node.stuck import COUNTED, LOOK_AGAIN_S, Condition, Movement, Stuck, find_stuck
from messaging.admin import Administers
from messaging.amqp import address_of
from messaging.channel import MessagingError
from messaging.clock import SystemClock
from messaging.dead import count_codes

PATIENCE_S = 5.0

LETTERS_WAIT_S = 60.0
"""A letter that is wanted for longer than this waits for something."""

_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}
_CLOCK = SystemClock()


async def look_for_stuck(
    settings: ErpSettings, look_again_s: float = LOOK_AGAIN_S
) -> tuple[list[Stuck], str | None]:
    """What is stuck, and why the broker's queues could not be counted, if so. Takes `look_again_s` seconds more
    when something waits, to see whether it moves. Raises CannotDo when the database cannot be asked."""
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(mendable())
        pool = await stack.enter_async_context(pool_of(settings))
        admin = None
        if settings.amqp_admin_url:
            admin = await stack.enter_async_context(admin_of(settings))
        first = await _move(pool, admin)
        condition = await _condition(settings, pool)
        second = first
        if first.waits:
            await asyncio.sleep(look_again_s)
            second = await _move(pool, admin)
        return find_stuck(condition, first, second), second.backlog.unknown


async def _move(pool: Pool, admin: Administers | None) -> Movement:
    async with pool.acquire() as connection:
        marks = await feed.count_marks(connection, COUNTED)
    return Movement(
        at=_CLOCK.now(),
        backlog=await read_backlog(admin),
        tills=await tills.list_standings(pool),
        marks=marks,
        oldest_mark=await feed.oldest_mark(pool),
        words=await feed.count_unworded(pool, COUNTED),
    )


async def _condition(settings: ErpSettings, pool: Pool) -> Condition:
    host = _EVERYWHERE.get(settings.http_host, settings.http_host)
    url = f"http://{f'[{host}]' if ':' in host else host}:{settings.http_port}"
    broker, dead, unread = await _ask_broker(settings)
    return Condition(
        erp_at=url,
        erp=await _ask_erp(url) if settings.http_port else None,  # 0: it took a port nobody knows
        broker_at=address_of(settings.amqp_url),
        broker=broker,
        dead=dead,
        dead_unread=unread,
        troubles=await feed.list_troubles(pool),
        letters=await letters.list_left(pool, LETTERS_WAIT_S),
        mail=settings.smtp_url is not None,
    )


async def _ask_erp(url: str) -> str | None:
    """Why the running ERP cannot do its work, as it says itself."""
    try:
        async with httpx.AsyncClient(timeout=PATIENCE_S, trust_env=False) as http:
            answer = await http.get(f"{url}/readyz")
            parts: dict[str, bool] = answer.json()["parts"]
            missing = [name for name, there in parts.items() if not there]
    except (
        httpx.HTTPError,
        httpx.InvalidURL,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
    ) as error:
        return f"does not answer: {str(error) or type(error).__name__}"
    return f"runs without {' and '.join(missing)}" if missing else None


async def _ask_broker(settings: ErpSettings) -> tuple[str | None, Counter[str], str | None]:
    """Why nobody can connect, or what the dead letters are, or why these cannot be read."""
    connected = False
    try:
        async with asyncio.timeout(4 * PATIENCE_S), channel_of(settings) as channel:
            connected = True
            return None, await count_codes(channel), None
    except (MessagingError, TimeoutError) as error:
        reason = str(error) or "no answer in time"
        return (None, Counter(), reason) if connected else (reason, Counter(), None)
