"""What happens to the broker, to links and to messages."""

import random

from contracts.topology import DEAD_QUEUE, FEED, JOURNAL, user_of
from simulation.bus import Passed, Trap
from simulation.forgery import forged_edit, reused_number
from simulation.steps.kinds import Given, Kind, lasting, some_till, till_for
from simulation.world import Shape, World

TYPES = (
    "feed.page", "feed.page", "customer.", "customer.edited", "customer.edited", "journal.resend",
    "pos.hello", "feed.pull", "erp.beat", "feed.pulled", "customer.fetch", "customer.found", "",
)  # fmt: skip


def _draw_trap(rng: random.Random, shape: Shape) -> Given:
    return {"of": rng.choice(TYPES), "count": rng.choice((1, 1, 2, 4))}


def _draw_late(rng: random.Random, shape: Shape) -> Given:
    """Mostly pages of one feed, which then come after newer ones of another."""
    of = "feed.page" if rng.random() < 0.6 else rng.choice(TYPES)
    seconds = rng.choice((0.02, 0.2, 2.0)) * rng.random()
    return {"of": of, "count": rng.choice((1, 1, 2, 4)), "seconds": round(seconds, 3)}


def _draw_spoilt(rng: random.Random, shape: Shape) -> Given:
    return {
        "of": rng.choice(("feed.page", "customer.", "customer.edited", "pos.hello", "")),
        "count": 1,
    }


def _trap(mishap: str) -> Kind:
    def play(world: World, given: Given) -> None:
        trap = Trap(mishap, given["of"], given["count"], given.get("seconds", 0.0))  # type: ignore[arg-type]
        world.bus.traps.append(trap)

    draw = {"late": _draw_late, "lost": _draw_trap, "twice": _draw_trap}.get(mishap, _draw_spoilt)
    return Kind(f"message_{mishap}", play, draw, weight=3 if mishap == "late" else 1.2)


def _sender_killed(world: World, given: Given) -> None:
    """Killed with its message written, and no confirm heard."""
    world.bus.traps.append(Trap("sender_killed", given["of"]))


def _draw_sender(rng: random.Random, shape: Shape) -> Given:
    return {"of": rng.choice(("customer.", "customer.", "feed.page", "pos.hello", "feed.pull"))}


def _replayed(world: World, given: Given) -> None:
    """Messages of earlier, from those who sent them: nothing vouches for their being new."""
    passed: list[Passed] = world.bus.passed
    for place in range(given["count"]):
        if passed:
            one = passed[int(given["place"] * len(passed) + place) % len(passed)]
            world.bus.push(one.user, one.message)
            world.meet("message_replayed")


def _draw_replayed(rng: random.Random, shape: Shape) -> Given:
    return {"place": rng.random(), "count": rng.randint(1, 6)}


def _forged(world: World, given: Given) -> None:
    victim = world.tills[given["till"] % len(world.tills)]
    forger = world.tills[(given["till"] + 1) % len(world.tills)]
    user = user_of(forger.pos_id)
    for message in forged_edit(world, victim, user, given["signed"]):
        world.bus.push(user, message)
        world.meet("message_forged")


def _draw_forged(rng: random.Random, shape: Shape) -> Given:
    return some_till(rng, shape) | {"signed": rng.choice(("forger", "nobody"))}


def _reused(world: World, given: Given) -> None:
    till = world.tills[given["till"] % len(world.tills)]
    for message in reused_number(world, till):
        world.bus.push(user_of(till.pos_id), message)
        world.meet("number_reused")


def _stopped(world: World, given: Given) -> None:
    world.bus.stop()
    world.meet("broker_stopped")
    world.later(given["for"], world.bus.start)


def _wiped(world: World, given: Given) -> None:
    world.bus.wipe()
    world.meet("broker_wiped")
    world.bus.stop()
    world.later(given["for"], world.bus.start)


def _alarm(world: World, given: Given) -> None:
    world.bus.set_alarm("memory")
    world.meet("broker_alarm")
    world.later(given["for"], world.bus.clear_alarm)


def _queue(world: World, given: Given) -> str | None:
    names = [name for name in world.bus.queues if name != DEAD_QUEUE]
    return names[int(given["place"] * len(names))] if names else None


def _draw_queue(rng: random.Random, shape: Shape) -> Given:
    return {"place": rng.random()}


def _purged(world: World, given: Given) -> None:
    if (name := _queue(world, given)) is not None:
        world.bus.queues[name].purge()
        world.meet("queue_purged")


def _deleted(world: World, given: Given) -> None:
    if (name := _queue(world, given)) is not None:
        world.bus.delete_queue(name)
        world.meet("queue_deleted")


def _exchange_deleted(world: World, given: Given) -> None:
    world.bus.delete_exchange(given["exchange"])
    world.meet("exchange_deleted")


def _draw_exchange(rng: random.Random, shape: Shape) -> Given:
    return {"exchange": rng.choice((FEED, JOURNAL))}


def _cut(world: World, given: Given) -> None:
    if world.bus.connections:
        every = world.bus.connections
        world.bus.cut(every[int(given["place"] * len(every))])
        world.meet("link_cut")


def _half_open(world: World, given: Given) -> None:
    if world.bus.connections:
        every = world.bus.connections
        world.bus.hush(every[int(given["place"] * len(every))])
        world.meet("link_half_open")


def _slow(world: World, given: Given) -> None:
    world.bus.slow = 0.4

    def end() -> None:
        world.bus.slow = 0.0

    world.meet("link_slow")
    world.later(given["for"], end)


def _apart(world: World, given: Given) -> None:
    """Its user is locked out: a till that reaches no broker while everybody else does."""
    till = world.tills[given["till"] % len(world.tills)]
    world.bus.apart.add(till.label)
    till.cut()
    world.meet("till_apart")
    world.later(given["for"], lambda: world.bus.apart.discard(till.label))


MISHAPS = (
    "lost",
    "twice",
    "late",
    "confirm_lost",
    "malformed",
    "oversized",
    "newer",
    "damaged",
    "unsigned",
)

KINDS = (
    *(_trap(one) for one in MISHAPS),
    Kind("sender_killed", _sender_killed, _draw_sender, weight=2),
    Kind("message_replayed", _replayed, _draw_replayed),
    Kind("message_forged", _forged, _draw_forged),
    Kind("number_reused", _reused, some_till, weight=2),
    Kind("broker_stopped", _stopped, lasting(0.1, 8)),
    Kind("broker_wiped", _wiped, lasting(0.1, 4)),
    Kind("broker_alarm", _alarm, lasting(0.5, 14)),
    Kind("queue_purged", _purged, _draw_queue),
    Kind("queue_deleted", _deleted, _draw_queue),
    Kind("exchange_deleted", _exchange_deleted, _draw_exchange, weight=0.6),
    Kind("link_cut", _cut, _draw_queue, weight=1.5),
    Kind("link_half_open", _half_open, _draw_queue),
    Kind("link_slow", _slow, lasting(1, 8)),
    Kind("till_apart", _apart, till_for(2, 14)),
)
