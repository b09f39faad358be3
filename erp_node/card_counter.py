"""Where tills' questions about cards are decided.

Those that come while others are decided are decided together next, in one transaction: locks are asked for faster than
a disk can confirm each by itself.
"""

import asyncio
from collections.abc import Sequence
from functools import partial
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

    async def serve(
        self, till: Till, question: UUID, asked: Asked, left_s: float
    ) -> BaseModel | None:
        """The answer, committed; None when it could not be had in so many seconds: nobody waits for it any more, and
        unless it was just being committed nothing was decided (SEARCH-12). Raises what the database does."""
        loop = asyncio.get_running_loop()
        case = Case(till, question, asked, loop.time() + left_s, loop.create_future())
        self._waiting.append(case)
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._decide_all())
        return await case.answer

    async def _decide_all(self) -> None:
        while self._waiting:
            cases, self._waiting = self._waiting[:AT_ONCE], self._waiting[AT_ONCE:]
            try:
                await self._decide(cases)
            except BaseException as error:
                for one in cases:
                    _fail(one, error)
                if not isinstance(error, Exception):
                    raise

    async def _decide(self, cases: Sequence[Case]) -> None:
        """All that are in time together; one by one when one cannot be decided, or is in the others' way."""
        while cases := _in_time(cases):
            try:
                async with asyncio.timeout_at(min(one.until for one in cases)) as time:
                    answers = await transact(self._pool, partial(decide_cases, cases=cases))
            except Exception as error:
                if time.expired():
                    continue  # whoever is late now is left out
                if len(cases) == 1 or (is_transient(error) and not isinstance(error, IN_THE_WAY)):
                    raise
                await self._decide_each(cases)
                return
            for one, answer in zip(cases, answers, strict=True):
                _answer(one, answer)
            return

    async def _decide_each(self, cases: Sequence[Case]) -> None:
        for one in cases:
            try:
                await self._decide([one])
            except Exception as error:
                _fail(one, error)


def _in_time(cases: Sequence[Case]) -> list[Case]:
    """Those that somebody still waits for; the others are told that there is no answer."""
    now = asyncio.get_running_loop().time()
    for one in cases:
        if one.until <= now:
            _answer(one, None)
    return [one for one in cases if not one.answer.done()]


def _answer(case: Case, answer: BaseModel | None) -> None:
    if not case.answer.done():
        case.answer.set_result(answer)


def _fail(case: Case, error: BaseException) -> None:
    if not case.answer.done():
        if isinstance(error, Exception):
            fail(case.answer, error)
        else:
            case.answer.cancel()
