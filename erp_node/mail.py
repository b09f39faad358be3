"""Handing letters to a mail server: what was not accepted, what was, and what nobody knows (CARD-9)."""

import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from socket import gaierror
from ssl import SSLError
from typing import Literal

import aiosmtplib
from aiosmtplib import (
    SMTPAuthenticationError,
    SMTPDataError,
    SMTPException,
    SMTPRecipientRefused,
    SMTPResponseException,
    SMTPSenderRefused,
    SMTPServerDisconnected,
    SMTPTimeoutError,
)

from erp_node.smtp_url import SmtpAddress, read_sender

PATIENCE_S = 30.0
"""For an answer to anything but a letter."""

DATA_PATIENCE_S = 120.0
"""Servers look through a letter before they answer; whoever leaves earlier never knows."""

LONGEST_S = 2 * PATIENCE_S + 2 * DATA_PATIENCE_S
"""A letter is handed over by then, or was not, or nobody knows."""

Fate = Literal["sent", "later", "never", "unsure"]

_ABOUT_US = (530, 534, 535, 538)
"""Refusals that want a log-in, or another one: nothing to do with the letter."""

_ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3}\b")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a letter. `later`: it was certainly not accepted, and another time may be; `never`: neither."""

    fate: Fate
    reason: str | None = None


class NoMail(Exception):
    """The mail server cannot be used; the text says why, without anybody's data and without the password."""


class MailConnection:
    """A connection to the mail server, for one letter after another as long as it is `usable`."""

    def __init__(self, client: aiosmtplib.SMTP, sender: str) -> None:
        self._client = client
        self._sender = read_sender(sender)

    @property
    def usable(self) -> bool:
        return self._client.is_connected

    async def hand_over(self, message: EmailMessage) -> Outcome:
        """Sends one letter to the one address in its To."""
        outcome = await self._introduce(message["To"]) or await self._send(message)
        if outcome.fate != "sent" and self.usable:
            await self._forget()
        return outcome

    async def _introduce(self, recipient: str) -> Outcome | None:
        """Says from whom and to whom; what became of the letter if that was refused."""
        ascii_only = recipient.isascii()
        encoding, options = ("ascii", []) if ascii_only else ("utf-8", ["SMTPUTF8"])
        if not ascii_only and not self._client.supports_extension("smtputf8"):
            return Outcome(
                "never", "the mail server takes no address of other letters than English"
            )
        try:
            await self._client.mail(self._sender, options=options, encoding=encoding)
            await self._client.rcpt(recipient, encoding=encoding)
        except SMTPRecipientRefused as refusal:
            return judge(refusal.code, "recipient refused", refusal.message)
        except SMTPSenderRefused as refusal:
            return Outcome("later", _said(refusal.code, "sender refused", refusal.message))
        except SMTPException as failure:
            return Outcome("later", _broke(failure))
        except OSError:
            return Outcome("later", "connection lost")
        return None if self.usable else Outcome("later", "connection lost")

    async def _send(self, message: EmailMessage) -> Outcome:
        policy = SMTP if message["To"].isascii() else SMTPUTF8
        try:
            await self._client.data(message.as_bytes(policy=policy), timeout=DATA_PATIENCE_S)
        except SMTPDataError as refusal:
            if 400 <= refusal.code < 600:
                return judge(refusal.code, "letter refused", refusal.message)
            return Outcome("unsure", _said(refusal.code, "strange answer"))
        except SMTPException as failure:
            return Outcome("unsure", f"{_broke(failure)} before the letter was confirmed")
        except OSError:
            return Outcome("unsure", "connection lost before the letter was confirmed")
        return Outcome("sent")

    async def _forget(self) -> None:
        """Makes the connection ready for another letter, or closes it."""
        try:
            await self._client.rset()
        except (SMTPException, OSError):
            self._client.close()


class MailServer:
    """Where letters go: `sender` is who they come from, `Name <address>`."""

    def __init__(self, address: SmtpAddress, sender: str) -> None:
        self.address = address
        self.sender = sender

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[MailConnection]:
        """A connection, encrypted when the server offers it, logged in. Raises NoMail."""
        client = aiosmtplib.SMTP(
            hostname=self.address.host,
            port=self.address.port,
            use_tls=self.address.tls,
            start_tls=self.address.start_tls,
            username=self.address.user,
            password=self.address.password,
            timeout=PATIENCE_S,
        )
        await _open(client)
        try:
            yield MailConnection(client, self.sender)
        finally:
            await _close(client)


def judge(code: int, what: str, said: str) -> Outcome:
    """What a refusal of a letter or of its recipient means: 4xx may pass, 5xx stays."""
    lasting = code >= 500 and code not in _ABOUT_US
    return Outcome("never" if lasting else "later", _said(code, what, said))


async def _open(client: aiosmtplib.SMTP) -> None:
    try:
        await client.connect()
        if (
            client.is_ehlo_or_helo_needed
        ):  # what the server can, encrypted or not, is not asked again later
            await client.ehlo()
    except SMTPAuthenticationError as refusal:
        raise NoMail(_said(refusal.code, "log-in refused", refusal.message)) from None
    except SMTPResponseException as refusal:
        raise NoMail(_said(refusal.code, "refused", refusal.message)) from None
    except (SMTPException, OSError, ValueError) as failure:
        raise NoMail(_why_not(failure)) from None


async def _close(client: aiosmtplib.SMTP) -> None:
    try:
        if client.is_connected:
            await client.quit(timeout=1.0)
    except (SMTPException, OSError):
        pass
    finally:
        client.close()


def _why_not(failure: Exception) -> str:
    """In words that are ours: what the library says may hold an address."""
    found = failure if isinstance(failure, SSLError) else failure.__cause__ or failure
    match found:
        case SSLError():
            return (
                "encryption failed: no trusted certificate of this name, or another version of TLS"
            )
        case gaierror():
            return "its name is not known"
        case TimeoutError():
            return "no answer in time"
        case OSError(errno=int(number)) if number > 0:
            return f"cannot connect: {os.strerror(number)}"
        case SMTPServerDisconnected() | OSError():
            return "cannot connect"
        case SMTPException():
            return "it offers no encryption, or no way to log in"
        case _:
            return "cannot connect: not an address"


def _broke(failure: SMTPException) -> str:
    match failure:
        case SMTPTimeoutError():
            return "no answer in time"
        case SMTPResponseException(code=code):
            return _said(code, "strange answer")
        case _:
            return "connection lost"


def _said(code: int, what: str, said: str = "") -> str:
    """With the numbers of an answer, never with its words: they repeat the address."""
    enhanced = _ENHANCED.match(said)
    return f"{what} ({code} {enhanced.group()})" if enhanced else f"{what} ({code})"
