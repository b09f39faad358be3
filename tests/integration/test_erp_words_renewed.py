"""Words made anew from those before are the words of the record, whoever changed it and how often (SEARCH-13)."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from contracts.matching import words_of
from contracts.stored import read_stored
from erp_node.customers import Actor, edit_customer
from erp_node.sequencer import sequence_once
from erp_node.store.pool import Pool, open_pool
from tests.databases import Database, Migrate
from tests.erp import NOON, migrated, retail, store_customer, words_held

PHONE = """UPDATE customer SET record = record || '{"extra_phone": "06 11 22 33 44"}'"""
NAME = """UPDATE customer SET record = record || '{"last_name": "Durand"}'"""
TOWN = """UPDATE customer SET record = jsonb_set(record, '{addresses,0,town}', '"Lyon"')"""
ADDRESS = (
    """UPDATE customer SET record = record || jsonb_build_object('addresses', jsonb_build_array("""
    """jsonb_build_object('id', gen_random_uuid(), 'country', 'PL', 'town', 'Kraków')))"""
)
GONE = "UPDATE customer SET record = record - 'phone'"
BLOCKED = "UPDATE customer SET state = 'inactive'"
ALLOWED = "UPDATE customer SET state = 'active'"
OLD_RULE = "UPDATE customer_words SET rule = 0, words[1] = 'wrong', words[14] = 'wrong'"
LOST = "UPDATE word_mark SET fields = NULL; UPDATE customer_words SET words[1] = 'wrong'"
NUMBERED = ""


@pytest.fixture(scope="module")
def migrate() -> Migrate:
    return migrated


@pytest_asyncio.fixture
async def pool(database: Database) -> AsyncIterator[Pool]:
    opened = await open_pool(database.dsn)
    yield opened
    await opened.close()


@pytest.mark.parametrize(
    "story",
    [
        [PHONE],
        [PHONE, NAME],
        [PHONE, NUMBERED, NAME],
        [ADDRESS, TOWN],
        [ADDRESS, NUMBERED, TOWN],
        [GONE, BLOCKED, ALLOWED],
        [NAME, "edit", PHONE],
        ["edit", NAME, NUMBERED, "edit", PHONE],
        [OLD_RULE, PHONE],
        [NAME, LOST],
    ],
    ids=lambda story: f"{len(story)}",
)
async def test_search_13_words_are_those_of_the_record_after_any_story(
    pool: Pool, story: list[str]
) -> None:
    id = await store_customer(pool, retail("A", phone="0478"))
    for step in story:
        if step == "edit":
            version = await pool.fetchval("SELECT version FROM customer")
            record = retail("B", email=f"{version}@b.fr", phone="0611")
            await edit_customer(pool, id, record, version, Actor("anna", NOON))
        elif step:
            await pool.execute(step)
        else:
            await sequence_once(pool)
    await sequence_once(pool)
    record = await pool.fetchval("SELECT record::text FROM customer")
    assert await words_held(pool, id) == list(words_of(read_stored(record)))
    assert await pool.fetchval("SELECT count(*) FROM word_mark") == 0
