"""Where tills' questions about cards are decided.

Those that come while others are decided are decided together next, in one transaction: locks are asked for faster than
a disk can confirm each by itself.
"""

import asyncio
from collections.abc import Sequence
from uuid import UUID

from pydantic import BaseModel

from erp_node.callers import Till
from erp_node.card_cases import Asked, Case, decide_cases
from erp_node.store.faults import is_transient
from erp_node.store.pool import Pool
from erp_node.store.transaction import IN_THE_WAY, transact
from messaging.failures import fail

AT_ONCE = 64
"""Questions decided in one transaction."""


class Counter:
    """Decides questions, many per transaction, in the order in which they came."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._waiting: list[Case] = []
        self._work: asyncio.Task[None] | None = None

    async def serve(self, till: Till, question: UUID, asked: Asked) -> BaseModel:
        """The answer, committed. Raises what the database does."""
        case = Case(till, question, asked, asyncio.get_running_loop().create_future())
        self._waiting.append(case)
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._decide_all())
        return await case.answer

    async def _decide_all(self) -> None:
        while cases := list(self._waiting[:AT_ONCE]):
            del self._waiting[: len(cases)]
            cases = [one for one in cases if not one.answer.done()]
            try:
                await self._decide(cases)
            except BaseException as error:
                for one in cases:
                    _fail(one, error)
                if not isinstance(error, Exception):
                    raise

    async def _decide(self, cases: Sequence[Case]) -> None:
        """All together; one by one when one cannot be decided, or is in the others' way."""
        try:
            answers = await transact(self._pool, lambda to: decide_cases(to, cases))
        except Exception as error:
            if len(cases) <= 1 or (is_transient(error) and not isinstance(error, IN_THE_WAY)):
                raise
            for one in cases:
                try:
                    await self._decide([one])
                except Exception as error:
                    _fail(one, error)
            return
        for one, answer in zip(cases, answers, strict=True):
            if not one.answer.done():
                one.answer.set_result(answer)


def _fail(case: Case, error: BaseException) -> None:
    if not case.answer.done():
        if isinstance(error, Exception):
            fail(case.answer, error)
        else:
            case.answer.cancel()
