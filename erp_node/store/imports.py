"""After many rows were written at once."""

from erp_node.store.pool import Database
from erp_node.store.queries import load_sql

SQL = load_sql("imports.sql")


async def tidy(database: Database) -> None:
    """Brings the word index in order and counts words anew, so that searches are fast at once."""
    await database.fetchval(SQL["clean_index"])
    await database.execute(SQL["count_anew"])
