"""What this database is to the tills."""

from erp_node.store.pool import Database
from erp_node.store.queries import load_sql

SQL = load_sql("identity.sql")


async def renewed_before(database: Database, seconds: float) -> bool:
    """Whether the feeds have had their epoch for longer than this."""
    return bool(await database.fetchval(SQL["renewed_before"], seconds))
