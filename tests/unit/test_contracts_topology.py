"""Names on the bus and what a till may do there (I10)."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import topology
from contracts.registry import MESSAGES
from contracts.topology import POS_ID, TillAddress, erp_topology, till_topology

_IDS = st.from_regex(POS_ID.replace("$", r"\Z"), fullmatch=True)
_TILLS = st.builds(
    TillAddress, pos_id=_IDS, centre=st.sampled_from(["LYO", "WAW"]), full=st.booleans()
)


def _may(pattern: str, resource: str) -> bool:
    """As RabbitMQ reads permissions: found anywhere unless anchored."""
    return re.search(pattern, resource) is not None


ERP_QUEUES = [queue.name for queue in erp_topology().queues]
ERP_EXCHANGES = [exchange.name for exchange in erp_topology().exchanges]


@given(_TILLS)
def test_i10_a_till_writes_to_journal_and_rpc_and_nowhere_else(till: TillAddress) -> None:
    write = till.rights.write
    allowed = {name for name in ERP_EXCHANGES if _may(write, name)}
    assert allowed == {topology.JOURNAL, topology.RPC}
    # What a client names "" is "amq.default" to the broker's rights: it leads into any queue.
    for name in ("amq.default", "", "amq.topic", "amq.direct", "amq.fanout", "amq.headers", *ERP_QUEUES,
                 till.feed_queue, till.reply_queue, "comptoir.journal2", "xcomptoir.rpc", "comptoirxrpc"):  # fmt: skip
        assert not _may(write, name), name


@given(_TILLS, _TILLS)
def test_i10_a_till_reads_its_own_queues_and_no_other(
    till: TillAddress, other: TillAddress
) -> None:
    read = till.rights.read
    own = {till.feed_queue, till.urgent_queue, till.reply_queue}
    assert all(_may(read, name) for name in own)
    strange = {other.feed_queue, other.urgent_queue, other.reply_queue} - own
    for name in (*strange, *ERP_QUEUES, *ERP_EXCHANGES, f"{till.feed_queue}2", f"x{till.feed_queue}",
                 till.feed_queue.replace(".", "x", 1), f"pos.{till.pos_id}", ""):  # fmt: skip
        assert not _may(read, name), name


@given(_TILLS, st.sampled_from([*ERP_QUEUES, *ERP_EXCHANGES, "pos.a.feed", "amq.gen-x", "x"]))
def test_i10_a_till_declares_nothing(till: TillAddress, name: str) -> None:
    assert not _may(till.rights.configure, name)
    assert not any(
        _may(till.rights.configure, queue.name) for queue in till_topology(till, 0).queues
    )


@given(_TILLS)
def test_i10_user_till_and_reply_queue_lead_to_one_another(till: TillAddress) -> None:
    assert topology.pos_of(till.user) == till.pos_id
    assert topology.reply_queue(till.user) == till.reply_queue
    assert till.reply_queue in {queue.name for queue in till_topology(till, 0).queues}


def test_i10_only_users_of_tills_stand_for_tills() -> None:
    assert [topology.pos_of(user) for user in ("erp", "admin", "", "POS.a", "xpos.a")] == [None] * 5


@pytest.mark.parametrize(
    "pos_id", ["", "A", "a.b", "-a", "a b", "a\n", "é", "a" * 41, "a/b", ".*", "a|b"]
)
def test_i10_an_id_that_would_widen_a_right_is_no_id(pos_id: str) -> None:
    assert not re.fullmatch(POS_ID, pos_id)


@given(_TILLS)
def test_sync_1_sync_2_a_till_is_bound_to_its_scopes_and_no_others(till: TillAddress) -> None:
    bound = {(one.exchange, one.key) for one in till_topology(till, 3).bindings}
    scopes = {"all", f"centre.{till.centre}", f"pos.{till.pos_id}"}
    if till.full:
        scopes |= {"all.customers", f"centre.{till.centre}.customers"}
    assert bound == {
        *((topology.FEED, scope) for scope in scopes),
        *((topology.URGENT, scope) for scope in scopes),
        (topology.JOURNAL, till.pos_id),
    }


def test_every_message_travels_by_an_exchange_that_is_declared() -> None:
    for message in MESSAGES.values():
        assert message.exchange in (*ERP_EXCHANGES, topology.REPLIES), message.name


def test_every_question_has_its_queue_and_its_answers_are_messages() -> None:
    bound = {one.key: one.queue for one in erp_topology().bindings if one.exchange == topology.RPC}
    for message in MESSAGES.values():
        assert bool(message.answers) == (message.way == "question"), message.name
        if message.way == "question":
            assert bound[message.address] in ERP_QUEUES
        assert all(MESSAGES[answer].sender == "erp" for answer in message.answers)


def test_only_names_and_kinds_are_declared_and_limits_are_policies() -> None:
    patterns = [re.compile(policy.pattern) for policy in erp_topology().policies]
    till = TillAddress("lyon-1", "LYO")
    for queue in (*erp_topology().queues, *till_topology(till, 0).queues):
        covering = [one.pattern for one in patterns if one.search(queue.name)]
        assert len(covering) == 1, queue.name
