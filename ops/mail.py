"""A mail server of our own on loopback: it takes letters, keeps them to be looked at, and sends none anywhere."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import cached_property
from ssl import SSLContext
from typing import Any, cast

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from ops.ports import Ports

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Received:
    """A letter as it arrived: over an encrypted connection or not, and from whom, if they logged in."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes
    encrypted: bool
    user: str | None

    @cached_property
    def message(self) -> EmailMessage:
        return message_from_bytes(self.content, policy=policy.default)

    def text(self, subtype: str = "plain") -> str:
        """What stands in its part of this kind, `plain` or `html`."""
        part = self.message.get_body((subtype,))
        return "" if part is None else str(part.get_content())


class MailSink:
    """The server. What the attributes say holds for the next letter; letters stand in `letters` in their order.

    `refusals`: what is answered instead of yes, by command (MAIL, RCPT, DATA), such as `450 4.2.0 later`.
    `silent_after_data`: the letter is taken and never answered; `cut_after_data`: the connection is cut instead.
    """

    def __init__(self, port: int, users: dict[str, str] | None, tls: SSLContext | None) -> None:
        self.host, self.port = HOST, port
        self.letters: list[Received] = []
        self.refusals: dict[str, str] = {}
        self.cut_after_data = False
        self.silent_after_data = False
        self._users = users
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._talks: set[_Talk] = set()
        self._news = asyncio.Event()

    @property
    def url(self) -> str:
        return f"smtp://{self.host}:{self.port}"

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        if self._server is None:
            self._server = await loop.create_server(self._begin, self.host, self.port)

    async def stop(self) -> None:
        """Away as if switched off; what was received stays."""
        if self._server is not None:
            self._server.close()
            for talk in tuple(self._talks):
                talk.cut()
            self._server = None

    async def wait_letter(
        self, wanted: Callable[[Received], bool] = lambda letter: True, seconds: float | None = 30.0
    ) -> Received:
        """The first letter that is wanted. Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while True:
                for letter in self.letters:
                    if wanted(letter):
                        return letter
                self._news.clear()
                await self._news.wait()

    def _begin(self) -> "_Talk":
        return _Talk(self, self._talks, self._tls, self._check if self._users else None)

    def _check(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        del server, session, envelope, mechanism
        assert isinstance(data, LoginPassword)
        user, password = data.login.decode(), data.password.decode()
        good = (self._users or {}).get(user) == password
        return AuthResult(success=good, handled=False, auth_data=user if good else None)

    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if refusal := self.refusals.get("MAIL"):
            return refusal
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 OK"

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if refusal := self.refusals.get("RCPT"):
            return refusal
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if refusal := self.refusals.get("DATA"):
            return refusal
        self._keep(session, envelope)
        if self.cut_after_data:
            assert isinstance(server, _Talk)
            server.cut()
        if self.cut_after_data or self.silent_after_data:
            await asyncio.Event().wait()
        return "250 2.0.0 OK"

    def _keep(self, session: Session, envelope: Envelope) -> None:
        content = envelope.original_content or b""
        recipients = tuple(map(str, envelope.rcpt_tos))
        encrypted = session.ssl is not None
        self.letters.append(
            Received(envelope.mail_from or "", recipients, content, encrypted, session.auth_data)
        )
        self._news.set()


class _Talk(SMTP):
    """One connection, which can be cut."""

    def __init__(
        self,
        sink: MailSink,
        talks: "set[_Talk]",
        tls: SSLContext | None,
        authenticator: Any,
    ) -> None:
        super().__init__(
            sink,
            hostname="localhost",
            ident="comptoir",
            enable_SMTPUTF8=True,
            tls_context=tls,
            authenticator=authenticator,
            auth_require_tls=tls is not None,
            auth_exclude_mechanism=None if authenticator else ("LOGIN", "PLAIN"),
            loop=asyncio.get_running_loop(),
        )
        self._talks = talks
        self._socket: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self._socket is None:  # with STARTTLS another one comes, above this one
            self._socket = cast(asyncio.Transport, transport)
        self._talks.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._talks.discard(self)
        super().connection_lost(error)

    def cut(self) -> None:
        """Without a word of goodbye."""
        if self._socket is not None:
            self._socket.abort()


@asynccontextmanager
async def mail_sink(
    *, users: dict[str, str] | None = None, tls: SSLContext | None = None
) -> AsyncIterator[MailSink]:
    """A running mail server on a free port. `users`: passwords by name; `tls`: offers STARTTLS with it."""
    with Ports() as ports:
        sink = MailSink(ports.reserve(), users, tls)
        await sink.start()
        try:
            yield sink
        finally:
            await sink.stop()
