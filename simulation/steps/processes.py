"""What happens to the processes and to PostgreSQL."""

import random

from simulation.checkers.history import Excuse
from simulation.steps.kinds import Given, Kind, nothing, some_till
from simulation.till import TillProcess
from simulation.world import Shape, World

MONTH = 30 * 86_400.0


def _till(world: World, given: Given) -> TillProcess:
    place: int = given["till"]
    return world.tills[place % len(world.tills)]


def _draw_killed(rng: random.Random, shape: Shape) -> Given:
    return some_till(rng, shape) | {
        "writes": rng.choice((0, 0, 1, 2, 5, 12)),
        "down": round(rng.uniform(0.05, 6), 2),
    }


def _killed_at(moment: str, name: str) -> Kind:
    def play(world: World, given: Given) -> None:
        till = _till(world, given)
        if till.store is None:
            return
        till.store.kills.append((moment, given["writes"]))  # type: ignore[arg-type]

        def killed() -> None:
            world.meet(name)
            world.later(given["down"], lambda: world.start_till(till))

        till.on_killed = killed

    return Kind(name, play, _draw_killed, weight=1.5)


def _draw_down(rng: random.Random, shape: Shape) -> Given:
    return some_till(rng, shape) | {"down": round(rng.uniform(0.05, 8), 2)}


def _till_killed(world: World, given: Given) -> None:
    till = _till(world, given)
    if till.running:
        till.kill()
        world.meet("till_killed")
        world.later(given["down"], lambda: world.start_till(till))


def _restored(world: World, given: Given) -> None:
    """A backup of now is put in the place of the file some time later; the epoch beside it stays."""
    till = _till(world, given)
    if not till.running:
        return
    folder = world.folder / f"{till.label}-backup"
    till.save(folder)
    began = world.loop.time()
    if given["apart"]:
        world.bus.apart.add(till.label)
        till.cut()

    def restore() -> None:
        till.kill()
        world.bus.apart.discard(till.label)
        if given["with_epoch"]:
            till.restore_epoch(folder)
        till.restore(folder)
        world.begin_file(till.label)
        world.history.excused.append(Excuse("till restored", till.pos_id, began, world.loop.time()))
        world.meet("till_restored")
        world.start_till(till)

    world.later(given["after"], restore)


def _draw_restored(rng: random.Random, shape: Shape) -> Given:
    return some_till(rng, shape) | {
        "after": round(rng.uniform(0.5, 8), 2),
        "with_epoch": rng.random() < 0.3,
        "apart": rng.random() < 0.3,
    }


def _twin(world: World, given: Given) -> None:
    """A copy of a till, file and epoch, runs beside it for a while."""
    till = _till(world, given)
    if not till.running or any(one.label.endswith("-twin") for one in world.others):
        return
    twin = world.twin_of(till)
    began = world.loop.time()
    world.history.excused.append(
        Excuse("two tills with one identity", till.pos_id, began, float("inf"))
    )
    world.meet("till_twin")
    world.start_till(twin)
    world.later(given["for"], twin.kill)


def _draw_twin(rng: random.Random, shape: Shape) -> Given:
    return some_till(rng, shape) | {"for": round(rng.uniform(1, 10), 2)}


def _clock(world: World, given: Given) -> None:
    _till(world, given).set_clock(given["seconds"])
    world.meet("clock_wrong")


def _draw_clock(rng: random.Random, shape: Shape) -> Given:
    return some_till(rng, shape) | {"seconds": rng.choice((-86_400, 86_400, -3_600, 7, 3.2e7))}


def _locked(world: World, given: Given) -> None:
    till = _till(world, given)
    if till.store is not None:
        till.store.locked = given["writes"]
        world.meet("file_locked")


def _draw_locked(rng: random.Random, shape: Shape) -> Given:
    return some_till(rng, shape) | {"writes": rng.randint(1, 8)}


def _full(world: World, given: Given) -> None:
    till = _till(world, given)
    if till.store is None:
        return
    till.store.fill_up(given["pages"])
    world.meet("disk_full")

    def end() -> None:
        if till.store is not None:
            till.store.fill_up(None)

    world.later(given["for"], end)


def _draw_full(rng: random.Random, shape: Shape) -> Given:
    return some_till(rng, shape) | {
        "pages": rng.choice((0, 0, 1, 2)),
        "for": round(rng.uniform(1, 8), 2),
    }


def _damaged(world: World, given: Given) -> None:
    """Bytes of the file are overwritten, or its end is gone, while the till is off."""
    till = _till(world, given)
    if not till.running:
        return
    till.damage(given["place"], given["truncated"])
    world.begin_file(till.label)
    world.history.excused.append(Excuse("file damaged", till.pos_id, -1.0, world.loop.time()))
    world.meet("file_damaged")
    world.start_till(till)


def _draw_damaged(rng: random.Random, shape: Shape) -> Given:
    return some_till(rng, shape) | {"place": rng.random(), "truncated": rng.random() < 0.3}


def _month(world: World, given: Given) -> None:
    """Everything sleeps for a month: whatever was waited for is overdue."""
    world.loop.pass_by(MONTH)
    world.slept += MONTH
    world.meet("month_away")


def _erp_killed(world: World, given: Given) -> None:
    erp = world.erps[given["process"] % len(world.erps)]
    if not erp.running:
        return
    erp.kill_at = given["statements"]

    def killed() -> None:
        world.meet("erp_killed")
        world.later(given["down"], erp.start)

    erp.on_killed = killed


def _draw_erp_killed(rng: random.Random, shape: Shape) -> Given:
    return {"process": rng.randrange(2), "statements": rng.choice((0, 3, 10, 30)) + rng.randrange(10),
            "down": round(rng.uniform(0.05, 6), 2)}  # fmt: skip


def _statement_lost(name: str, how: str) -> Kind:
    def play(world: World, given: Given) -> None:
        for erp in world.erps:
            if erp.running and erp.pools:
                erp.pools[0].failing.append(how)  # type: ignore[arg-type]
                world.meet(name)
                return

    return Kind(name, play, nothing, weight=1.2)


def _connections_ended(world: World, given: Given) -> None:
    for erp in world.erps:
        for pool in erp.pools:
            pool.lose_all()
    world.meet("database_restarted")


def _rolled_back(world: World, given: Given) -> None:
    """The database is put back to what it was some time before: every process finds it so when it comes back."""
    saved = world.server.save()

    def restore() -> None:
        down = [erp for erp in world.erps if erp.running]
        for erp in down:
            erp.kill()
        world.server.restore(saved, failover=given["failover"])
        world.history.excused.append(Excuse("database restored", None, -1.0, world.loop.time()))
        world.begin_database()
        world.meet("database_restored")
        for erp in down:
            erp.start()

    world.later(given["for"], restore)


def _draw_rolled_back(rng: random.Random, shape: Shape) -> Given:
    return {"for": round(rng.uniform(0.3, 3), 2), "failover": rng.random() < 0.6}


def _deaf(world: World, given: Given) -> None:
    world.bells.deaf = given["rings"]
    world.meet("ring_lost")


def _draw_deaf(rng: random.Random, shape: Shape) -> Given:
    return {"rings": rng.randint(1, 6)}


KINDS = (
    _killed_at("before_commit", "till_killed_before_commit"),
    _killed_at("after_commit", "till_killed_after_commit"),
    Kind("till_killed", _till_killed, _draw_down),
    Kind("till_restored", _restored, _draw_restored, weight=1.1, mended_by_sweep=True),
    Kind("till_twin", _twin, _draw_twin, weight=0.5, mended_by_sweep=True),
    Kind("clock_wrong", _clock, _draw_clock, weight=1.4),
    Kind("file_locked", _locked, _draw_locked),
    Kind("disk_full", _full, _draw_full),
    Kind("file_damaged", _damaged, _draw_damaged, weight=1, mended_by_sweep=True),
    Kind("month_away", _month, nothing, weight=0.3),
    Kind("erp_killed", _erp_killed, _draw_erp_killed, weight=2),
    _statement_lost("statement_lost", "before"),
    _statement_lost("answer_lost", "after"),
    Kind("database_restarted", _connections_ended, nothing),
    Kind("database_restored", _rolled_back, _draw_rolled_back, weight=1.4, mended_by_sweep=True),
    Kind("ring_lost", _deaf, _draw_deaf),
)
