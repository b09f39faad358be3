"""A till in a process of its own that adds customers until it is killed: `python -m tests.pos_adder FOLDER`."""

import asyncio
import sys
from itertools import count
from pathlib import Path

from pos_node.drafts import CustomerDraft
from tests.pos_parts import retail
from tests.pos_till import ANNE, open_till


async def main(folder: Path) -> None:
    async with open_till(folder) as till:
        for number in count(1):
            typed = retail(f"K-{number}").model_dump(mode="json", exclude_unset=True)
            added = await till.customers.add(CustomerDraft.model_validate(typed), ANNE)
            print(f"added {number} {added.id}", flush=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
