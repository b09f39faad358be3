"""An online search beside an empty request-reply."""

import json
import time
from itertools import islice
from statistics import median
from uuid import UUID

from bench.floors_bus import raw_rpc
from bench.stand import Stand, Voice, speak_as
from contracts import envelope, registry
from contracts.envelope import Headers
from contracts.search import Criteria, CustomerSearch, CustomersFound
from contracts.topology import RPC
from messaging.channel import Message
from messaging.clock import SystemClock

ROUNDS = 4


async def search_rtt_vs_raw_rpc(stand: Stand) -> tuple[float, float, str]:
    """p50 of a search that finds up to six customers, asked as a till asks; rounds in turn with the floor."""
    await stand.stop_till()
    count = 250 if stand.quick else 1_000
    phrases = _phrases(stand, count)
    searches: list[float] = []
    floors: list[float] = []
    found = 0
    async with speak_as(stand, stand.system.tills[1]) as voice:
        for number in range(ROUNDS):
            floors += await raw_rpc(stand.admin_url, count)
            for phrase in phrases[number::ROUNDS]:
                began = time.perf_counter()
                answer = await _search(stand, voice, phrase)
                searches.append(time.perf_counter() - began)
                found += bool(answer.rows)
    at_99 = sorted(searches)[int(len(searches) * 0.99)]
    return (
        median(searches),
        median(floors),
        f"{len(searches)} searches, {found} found, p99 {at_99 * 1000:.1f} ms",
    )


async def _search(stand: Stand, voice: Voice, phrase: str) -> CustomersFound:
    user = f"pos.{voice.pos_id}"
    headers = Headers(
        id=UUID(int=stand.rng.getrandbits(128), version=4),
        type="customer.search",
        occurred_at=SystemClock().now(),
        origin=user,
    )
    body = envelope.encode(headers, CustomerSearch(criteria=Criteria(phrase=phrase)))
    message = Message(body, RPC, "search", persistent=False, user_id=user)
    answer = registry.decode((await voice.requester.ask(message, 10.0)).body).data
    assert isinstance(answer, CustomersFound), answer
    return answer


def _phrases(stand: Stand, count: int) -> list[str]:
    """What cashiers type to find one person: name and town of customers that are there."""
    with (stand.folder / "customers.jsonl").open("rb") as file:
        records = [json.loads(line)["record"] for line in islice(file, count * ROUNDS)]
    phrases = []
    for record in records:
        name = record.get("name") or f"{record['last_name']} {record['first_name']}"
        phrases.append(f"{name} {record['addresses'][0]['town']}"[:200])
    return phrases
