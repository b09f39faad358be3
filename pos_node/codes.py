"""Whether a code is used in the ERP (CUST-3): asked while a cashier waits, so never longer than once in vain."""

from collections.abc import Callable
from uuid import UUID

import structlog

from contracts import envelope
from contracts.envelope import MessageError
from contracts.search import CodeCheck, CodeChecked
from messaging.channel import MessagingError, NoAnswer
from pos_node.contact import Contact
from pos_node.questions import Questions

CODE_CHECK_S = 0.5
"""How long a cashier waits for the ERP's word on a code; without it the ERP arbitrates later (CUST-4)."""

_log = structlog.get_logger("customers")


class Codes:
    """Asks the ERP for codes. One question in vain is enough: until the ERP has answered something else, the till's
    greeting at the latest, it is not asked again. Its beat is no answer: it goes on when the ERP's database hangs."""

    def __init__(
        self, questions: Questions, contact: Contact, *, online: Callable[[], bool]
    ) -> None:
        self._questions = questions
        self._contact = contact
        self._online = online
        self._in_vain_after: int | None = None

    async def taken(self, code: str, customer_id: UUID | None) -> bool:
        """Whether the ERP knows the code as another customer's; no answer in time means no (CUST-4)."""
        if not self._online():
            return False
        if self._in_vain_after == self._contact.answers:
            _log.info("code not checked", action="code_unchecked", reason="no answer last time")
            return False
        answers = self._contact.answers
        try:
            question = CodeCheck(code=code, customer_id=customer_id)
            answer = await self._questions.ask(question, CODE_CHECK_S)
            return envelope.read_data(CodeChecked, answer.raw).taken
        except (MessagingError, MessageError) as error:
            if isinstance(error, NoAnswer):
                self._in_vain_after = answers
            _log.info("code not checked", action="code_unchecked", reason=str(error))
            return False
