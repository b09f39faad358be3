"""What the ERP's users do with customers, on PostgreSQL (CUST-2, CUST-3, CUST-5, SYNC-3, SYNC-4)."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from contracts.customers import Customer
from contracts.limits import RECORD_BYTES
from contracts.matching import words_of
from contracts.record import wire_bytes
from erp_node.customers import (
    Actor,
    Availability,
    ChangedMeanwhile,
    CustomerRefused,
    UnknownCustomer,
    create_customer,
    edit_customer,
    find_customer,
    list_history,
    set_availability,
    set_state,
)
from erp_node.store.pool import Pool, open_pool
from tests.databases import Database, Migrate
from tests.erp import NOON, business, migrated, retail, store_customer, stored

MARIA = Actor("maria", NOON)


@pytest.fixture
def migrate() -> Migrate:
    return migrated


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[Pool]:
    opened = await open_pool(database.dsn, max_size=4)
    yield opened
    await opened.close()


async def make(pool: Pool, customer: Customer, availability: Availability | None = None) -> UUID:
    where = availability or Availability(everywhere=True)
    return (await create_customer(pool, uuid4(), customer, MARIA, where)).customer.id


async def scopes(pool: Pool) -> set[str]:
    """Takes the feeds' marks away and says for whom they were."""
    return {row["scope"] for row in await pool.fetch("DELETE FROM feed_mark RETURNING scope")}


async def test_a_customer_is_made_and_told_to_its_centres(pool: Pool) -> None:
    saved = await create_customer(
        pool, uuid4(), retail("A"), MARIA, Availability(centres=("C2", "C1"), editors=("C1",))
    )
    held = saved.customer
    assert (held.version, held.state, held.customer) == (1, "active", retail("A"))
    assert (held.centres, held.editors, held.everywhere) == (("C1", "C2"), ("C1",), False)
    assert await scopes(pool) == {"centre.C1.customers", "centre.C2.customers"}
    assert await pool.fetchval("SELECT words FROM customer_words") == list(words_of(retail("A")))


async def test_cust_2_a_missing_field_is_named_and_nothing_saved(pool: Pool) -> None:
    incomplete = Customer(kind="business", code="A")
    with pytest.raises(CustomerRefused) as caught:
        await make(pool, incomplete)
    assert (caught.value.code, caught.value.field) == ("customer.field_required", "name")
    id = await make(pool, retail("A"))
    with pytest.raises(CustomerRefused) as caught:
        await edit_customer(pool, id, Customer(kind="retail", code="A", last_name="D"), 1, MARIA)
    assert caught.value.field == "first_name"
    assert await stored(pool, id) == retail("A")


async def test_cust_3_a_code_in_use_is_refused(pool: Pool) -> None:
    await make(pool, retail("A"))
    with pytest.raises(CustomerRefused) as caught:
        await make(pool, retail("a"))
    assert (caught.value.code, caught.value.field) == ("customer.code_taken", "code")
    assert caught.value.params == {"code": "a"}
    id = await make(pool, retail("B"))
    with pytest.raises(CustomerRefused):
        await edit_customer(pool, id, retail("A"), 1, MARIA)
    assert (await stored(pool, id)).code == "B"


async def test_cust_5_the_same_tax_number_is_pointed_out(pool: Pool) -> None:
    other = await make(pool, business("A", "Alpha SA", tax_number="FR 12-345"))
    saved = await create_customer(pool, uuid4(), business("B", "Beta", tax_number="fr12345"), MARIA)
    (one,) = saved.same_tax_number
    assert (one.id, one.name, one.code) == (other, "Alpha SA", "A")
    edited = await edit_customer(
        pool, other, business("A", "Alpha", tax_number="FR12345"), 1, MARIA
    )
    assert [one.name for one in edited.same_tax_number] == ["Beta"]


async def test_sync_3_an_edit_leaves_field_by_field_history(pool: Pool) -> None:
    id = await make(pool, retail("A", phone="1"))
    later = replace(MARIA, name="paul", at=NOON + timedelta(hours=1))
    await edit_customer(pool, id, retail("A", phone="2", email="a@b.fr"), 1, later)
    lines = await list_history(pool, id)
    assert [(one.line.version, one.line.path, one.line.old, one.line.new) for one in lines] == [
        (2, "phone", '"1"', '"2"'),
        (2, "email", None, '"a@b.fr"'),
        (1, "", None, None),
    ]
    assert [(one.line.by, one.line.where, one.line.at) for one in lines] == [
        ("paul", "erp", later.at), ("paul", "erp", later.at), ("maria", "erp", NOON),
    ]  # fmt: skip
    assert await list_history(pool, id, before=lines[0].id, limit=1) == [lines[1]]


async def test_an_edit_without_a_difference_changes_nothing(pool: Pool) -> None:
    id = await make(pool, retail("A"))
    await scopes(pool)
    saved = await edit_customer(pool, id, retail("A"), 1, MARIA)
    assert saved.customer.version == 1
    assert await scopes(pool) == set()
    assert len(await list_history(pool, id)) == 1


async def test_an_edit_of_an_older_version_is_refused(pool: Pool) -> None:
    id = await make(pool, retail("A"))
    await edit_customer(pool, id, retail("A", phone="1"), 1, MARIA)
    with pytest.raises(ChangedMeanwhile) as caught:
        await edit_customer(pool, id, retail("A", phone="2"), 1, MARIA)
    assert caught.value.code == "customer.changed_meanwhile"
    assert (await stored(pool, id)).phone == "1"


async def test_sync_4_availability_decides_who_is_told(pool: Pool) -> None:
    id = await make(pool, retail("A"))
    await scopes(pool)
    saved = await set_availability(pool, id, Availability(centres=("C1",)), MARIA)
    assert (saved.customer.version, saved.customer.everywhere) == (2, False)
    assert await scopes(pool) == {"all.customers", "centre.C1.customers"}
    with pytest.raises(ChangedMeanwhile):
        await set_availability(pool, id, Availability(), MARIA, expected_version=1)
    lines = await list_history(pool, id)
    assert {one.line.path: (one.line.old, one.line.new) for one in lines if one.line.path} == {
        "everywhere": ("true", "false"), "centres": ("[]", '["C1"]'),
    }  # fmt: skip


async def test_sync_4_deactivated_and_no_longer_a_customer(pool: Pool) -> None:
    id = await make(pool, retail("A"))
    assert (await set_state(pool, id, MARIA, state="inactive")).customer.state == "inactive"
    assert (await set_state(pool, id, MARIA, state="active")).customer.offered
    assert not (await set_state(pool, id, MARIA, is_customer=False)).customer.offered
    back = await set_state(pool, id, MARIA, is_customer=True, expected_version=4)
    assert back.customer.version == 5
    assert [one.line.path for one in await list_history(pool, id)] == [
        "is_customer", "is_customer", "state", "state", "",
    ]  # fmt: skip


async def test_cust_3_an_inactive_customer_keeps_its_code(pool: Pool) -> None:
    await set_state(pool, await make(pool, retail("A")), MARIA, state="inactive")
    with pytest.raises(CustomerRefused):
        await make(pool, retail("A"))


@pytest.mark.parametrize("state", ["deleted", "anonymised"])
async def test_anon_4_an_erased_customer_is_not_changed(pool: Pool, state: str) -> None:
    id = await store_customer(pool, retail("A"), state=state)
    for attempt in (
        edit_customer(pool, id, retail("B"), 1, MARIA),
        set_state(pool, id, MARIA, state="active"),
        set_availability(pool, id, Availability(), MARIA),
    ):
        with pytest.raises(UnknownCustomer) as caught:
            await attempt
        assert caught.value.code == f"customer.{state}"


async def test_nobody_is_unknown(pool: Pool) -> None:
    for attempt in (find_customer(pool, uuid4()), set_state(pool, uuid4(), MARIA, state="active")):
        with pytest.raises(UnknownCustomer) as caught:
            await attempt
        assert caught.value.code == "customer.unknown"


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "retail", "code": "A", "last_name": "Żółć \"quoted\" \\ /\b\n\u007f", "first_name": "😀"},
        {"attributes": {f"a{n}": "" for n in range(50)}, "groups": ["a", "b"], "consents": []},
        {"kind": "business", "addresses": [{"id": str(UUID(int=1)), "type": "main"}], "lowest_price": True},
    ],
)  # fmt: skip
async def test_the_size_of_a_record_is_that_of_postgresqls_text(
    pool: Pool, fields: dict[str, object]
) -> None:
    text = json.dumps(fields)
    size = await pool.fetchval("SELECT octet_length($1::jsonb::text)", text)
    assert wire_bytes(text) == size


async def test_a_record_that_grows_beyond_a_page_on_its_way_is_refused(pool: Pool) -> None:
    """Shorter than the limit as a program writes it, longer as it is sent to tills."""
    many = retail("A", groups=[f"g{n}" for n in range(15_000)])
    assert len(many.model_dump_json(exclude_none=True)) < RECORD_BYTES
    with pytest.raises(CustomerRefused) as refused:
        await make(pool, many)
    assert refused.value.code == "customer.too_large"
    assert refused.value.params["limit"] == str(RECORD_BYTES)
    assert int(refused.value.params["size"]) > RECORD_BYTES
