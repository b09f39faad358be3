"""An ERP process as far as it sends letters: `python -m tests.letter_sender DSN SMTP_URL`. Works until killed."""

import asyncio
import random
import sys

from erp_node.letters import Letters
from erp_node.mail import MailServer
from erp_node.smtp_url import read_smtp_url
from erp_node.store.pool import open_pool


async def main(dsn: str, url: str) -> None:
    async with await open_pool(dsn, max_size=2) as pool:
        mail = MailServer(read_smtp_url(url), "cards@shop.example")
        await Letters(pool, mail, rng=random.Random(1)).run()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
