"""The centres the ERP knows: what is given to one that it does not know would reach no till."""

from collections.abc import Collection, Sequence

from contracts.reference import Centre, reference_key
from erp_node.store import reference as store
from erp_node.store import tills
from erp_node.store.pool import Database, Pool

_COUNT_CUSTOMERS = """
SELECT count(*) FROM customer
WHERE NOT everywhere AND $1 = ANY (centres) AND state IN ('active', 'inactive')
"""


class CentreInUse(Exception):
    """A centre cannot be taken away: `tills` are enrolled in it, `customers` are available there."""

    def __init__(self, tills: int, customers: int) -> None:
        super().__init__(f"{tills} tills, {customers} customers")
        self.tills = tills
        self.customers = customers


async def known_centres(database: Database) -> frozenset[str]:
    """The codes of all centres. None at all: nobody has defined any, and every code may be one."""
    return frozenset(one.code for one in await store.list_records(database, "centre"))


def unknown_place(named: Sequence[str], known: Collection[str]) -> int | None:
    """The place of the first centre named that is not among those known; None when all may be."""
    if not known:
        return None
    return next((place for place, one in enumerate(named) if one not in known), None)


async def remove_centre(pool: Pool, code: str) -> bool:
    """Takes a centre away from every till; False when there is none. Raises CentreInUse."""
    key = reference_key(Centre(code=code))
    async with pool.acquire() as connection, connection.transaction():
        if await store.lock_record(connection, key) is None:
            return False
        enrolled = sum(one.centre == code for one in await tills.list_active(connection))
        available: int = await connection.fetchval(_COUNT_CUSTOMERS, code)
        if enrolled or available:
            raise CentreInUse(enrolled, available)
        return await store.delete_record(connection, key)
