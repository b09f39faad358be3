"""Which faults a chaos run meets is drawn from its seed."""

import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

from chaos.faults.queues import queue_names
from chaos.faults.table import DRAWN, KINDS
from chaos.plan import NODES, draw_plan
from contracts.topology import DEAD_QUEUE

ROOT = Path(__file__).parent.parent.parent


def test_the_same_seed_gives_the_same_faults_and_another_gives_others() -> None:
    assert draw_plan(7, 600.0, DRAWN) == draw_plan(7, 600.0, DRAWN)
    assert draw_plan(7, 600.0, DRAWN) != draw_plan(8, 600.0, DRAWN)


def test_ten_minutes_have_more_than_120_faults_and_every_kind_of_them_early() -> None:
    plan = draw_plan(1, 600.0, DRAWN)
    assert len(plan) >= 120
    assert {one.kind for one in plan[: len(KINDS)]} == set(KINDS)
    times = Counter(one.kind for one in plan)
    assert max(times.values()) - min(times.values()) <= 1


def test_faults_come_in_order_some_together_and_none_at_the_very_end() -> None:
    moments = [one.at for one in draw_plan(3, 600.0, DRAWN)]
    assert moments == sorted(moments)
    assert moments[0] >= 2.0
    assert moments[-1] <= 598.0
    assert sum(one == other for one, other in pairwise(moments)) >= 10


def test_a_run_of_seconds_has_a_fault_too() -> None:
    (only,) = draw_plan(3, 3.0, DRAWN)
    assert 0.0 < only.at < 3.0


def test_every_node_meets_what_happens_to_nodes() -> None:
    plan = [one for seed in range(20) for one in draw_plan(seed, 600.0, DRAWN)]
    for kind in ("link_cut", "link_half_open", "publish_cut_body"):
        assert {one.given["node"] for one in plan if one.kind == kind} == set(range(len(NODES)))
    assert {one.given["queue"] for one in plan if one.kind == "queue_deleted"} == set(queue_names())


def test_dead_letters_are_left_alone() -> None:
    assert DEAD_QUEUE not in queue_names()


def test_the_documentation_names_every_kind_in_the_words_of_the_table() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \|", (ROOT / "docs/chaos.md").read_text("utf-8"), re.M)
    assert {name: what for name, what in rows if name in KINDS} == {
        name: kind.what for name, kind in KINDS.items()
    }
