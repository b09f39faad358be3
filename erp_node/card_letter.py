"""The letter that tells a customer the number of a virtual card, as it is sent (CARD-9)."""

import re
from collections.abc import Mapping
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from html import escape

from contracts.texts import FALLBACK, LANGUAGES, Language, text
from erp_node.smtp_url import read_sender
from erp_node.store.customers import Held
from erp_node.store.letters import DueLetter

_ADDRESS = re.compile(r"""[^\s\x00-\x1f\x7f"(),:;<>@\[\\\]]+@[^\s\x00-\x1f\x7f"(),:;<>@\[\\\]]+""")
"""What needs no quotation marks; nothing in it ends a line or a command of SMTP."""

_GONE = ("deleted", "anonymised")


class CannotWrite(Exception):
    """There is nobody, or nothing, to write to or about; the text says which, without anybody's data."""


def write_card_letter(due: DueLetter, customer: Held | None, sender: str) -> EmailMessage:
    """The letter, the same at each try but for its date. `sender` as in smtp_url.read_sender. Raises CannotWrite."""
    to = _address_of(customer)
    if due.number is None:
        raise CannotWrite("the card is blocked, or another customer's by now")
    assert customer is not None
    language = _language(due.language)
    message = EmailMessage(policy=SMTP)
    message["From"] = sender
    message["To"] = to
    message["Subject"] = text("letter.card_subject", language=language)
    message["Date"] = format_datetime(due.now)
    message["Message-ID"] = f"<card.{due.request_id}@{read_sender(sender).rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    params = {"name": _name_of(customer), "number": due.number}
    plain = text("letter.card_body", params, language)
    message.set_content(plain, cte="quoted-printable")
    message.add_alternative(_html(params, language), subtype="html", cte="quoted-printable")
    message["Content-Language"] = language  # now: it would be the first part's
    message.set_boundary(due.request_id.hex)
    return message


def _address_of(customer: Held | None) -> str:
    if customer is None or customer.state in _GONE:
        raise CannotWrite("the customer is no more")
    email = customer.record.get("email")
    if not email:
        raise CannotWrite("the customer has no e-mail address")
    if not isinstance(email, str) or not _ADDRESS.fullmatch(email):
        raise CannotWrite("the customer's e-mail address is none")
    return email


def _html(params: Mapping[str, str], language: Language) -> str:
    shown = {name: escape(value) for name, value in params.items()}
    shown["number"] = f"<strong>{shown['number']}</strong>"
    body = text("letter.card_body", shown, language).strip()
    paragraphs = "\n".join(f"<p>{part}</p>" for part in body.split("\n\n"))
    return f'<!doctype html>\n<html lang="{language}">\n<body>\n{paragraphs}\n</body>\n</html>\n'


def _language(stored: str) -> Language:
    return next((one for one in LANGUAGES if one == stored), FALLBACK)


def _name_of(customer: Held) -> str:
    """As one is spoken to: first name first. In one line, whatever SQL put there."""
    first_and_last = [customer.record.get(name) for name in ("first_name", "last_name")]
    given = [one for one in first_and_last if isinstance(one, str)]
    name = customer.display_name if customer.record.get("kind") == "business" else " ".join(given)
    return " ".join("".join(sign if sign.isprintable() else " " for sign in name).split())
