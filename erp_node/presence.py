"""Tills that greet (SYNC-7): what they say of themselves is kept, and they learn where they stand."""

from contracts.presence import Hello, Welcome
from contracts.topology import TillAddress
from erp_node.callers import Till
from erp_node.store import tills as store
from erp_node.store.pool import Pool
from messaging.clock import Clock


async def answer_hello(pool: Pool, clock: Clock, till: Till, hello: Hello) -> Welcome:
    """Notes a till's sign of life; tells its centre, feeds, how far its journal is, and the time."""
    await store.hear(pool, till.pos_id, hello)
    address = TillAddress(till.pos_id, till.centre, full=not till.local_only)
    return Welcome(
        pos_id=till.pos_id,
        centre=till.centre,
        full=address.full,
        scopes=list(address.scopes),
        epoch=hello.epoch,
        applied_seq=await store.read_applied_seq(pool, till.pos_id, hello.epoch),
        now=clock.now(),
    )
