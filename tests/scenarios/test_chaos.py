"""A short chaos run on real services; and one whose ends were spoilt before anybody judged them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from chaos.faults.table import DRAWN
from chaos.history import History
from chaos.plan import draw_plan
from chaos.run import Wanted, play
from chaos.witness import look_into
from chaos.world import World, make_world
from ops.progress import SilentProgress
from ops.services import PrivateBroker, PrivateDatabase, Services
from ops.system import remove_system

pytestmark = [pytest.mark.timeout(600), pytest.mark.asyncio(loop_scope="module")]

SEED = 5
MINUTES = 0.6
FEWEST = 4
"""Faults that are met for certain: some want what may not be there in so short a time."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(
    _killable_broker: PrivateBroker,
    _killable_database: PrivateDatabase,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[World]:
    broker, database = _killable_broker, _killable_database
    await broker.start()
    await database.start()
    at = broker.address
    services = Services(at.amqp_url, at.amqp_api, database.dsn, broker, database)
    folder = tmp_path_factory.mktemp("chaos")
    with History(folder / "history.jsonl") as history:
        async with make_world(services, folder / "nodes", SEED, history, SilentProgress()) as made:
            yield made
        await remove_system(made.system)


async def test_i1_i2_i3_i11_hold_after_half_a_minute_of_everything(
    world: World, tmp_path: Path
) -> None:
    said: list[str] = []
    wanted = Wanted(MINUTES, SEED, None, tmp_path / "failures", consent=False)
    assert await play(world, wanted, said.append) == 0, said
    met = sum(world.history.met.values())
    assert met >= FEWEST
    assert said[-1] == f"{met} faults, 0 violations"
    assert not (tmp_path / "failures").exists()
    assert any(one.where != "erp" for one in world.history.told)


async def test_i2_a_row_altered_by_hand_is_found_and_everything_is_kept(
    world: World, tmp_path: Path
) -> None:
    spoilt: list[str] = []

    async def spoil(stage: World) -> None:
        with look_into(stage.tills[0].file) as connection:
            (spoilt_id,) = connection.execute(
                "UPDATE customer SET record = replace(record, ':', ': ') WHERE id ="
                " (SELECT id FROM customer WHERE state = 'active' AND record IS NOT NULL LIMIT 1)"
                " RETURNING lower(hex(id))"
            ).fetchone()
        spoilt.append(spoilt_id)

    said: list[str] = []
    wanted = Wanted(0.05, SEED, None, tmp_path, consent=False)
    assert await play(world, wanted, said.append, spoil) == 1
    (line,) = [one for one in said if one.startswith("  I2")]
    assert spoilt[0] in line.replace("-", "")
    assert "differs" in line
    assert said[-1].endswith(" faults, 1 violations")
    assert f"again: {wanted.again}" in said
    kept = tmp_path / f"seed-{SEED}"
    for name in ("history.jsonl", "erp/customer.csv", "lyon-1/customers.db", "logs/erp-1.log"):
        assert (kept / name).stat().st_size > 0
    assert '"violation"' in (kept / "history.jsonl").read_text("utf-8")


async def test_the_plan_of_the_short_run_begins_with_different_kinds() -> None:
    plan = draw_plan(SEED, MINUTES * 60, DRAWN)
    assert len({one.kind for one in plan}) == len(plan) > FEWEST
