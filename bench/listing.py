"""The list while typing, beside LIKE on the same table."""

from bench.stand import Stand


async def local_search_vs_like(stand: Stand) -> tuple[float, float, str]:
    """p99 over typed phrases, two letters and more."""
    raise NotImplementedError
