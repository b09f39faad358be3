"""Where the mail server is, as a setting says it."""

from dataclasses import dataclass, field
from email.utils import parseaddr
from urllib.parse import unquote, urlsplit

SUBMISSION_PORT, TLS_PORT = 587, 465

_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class SmtpAddress:
    """A mail server and who logs in there, if anybody; `tls`: from the first byte on."""

    host: str
    port: int
    tls: bool
    user: str | None = None
    password: str | None = field(default=None, repr=False)

    @property
    def start_tls(self) -> bool | None:
        """Whether to insist on STARTTLS; None: when it is offered. A password leaves the machine encrypted only."""
        if self.tls:
            return False
        return None if self.user is None or self.host in _THIS_MACHINE else True

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def read_smtp_url(url: str) -> SmtpAddress:
    """Reads `smtp://user:password@host:587` or `smtps://host`. Raises ValueError, whose text tells no password."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
        parts = None
    if (
        parts is None
        or parts.scheme not in ("smtp", "smtps")
        or not host
        or port == 0
        or parts.path.strip("/")
        or parts.query
        or (parts.username is None) != (parts.password is None)
    ):
        raise ValueError("write smtp://user:password@host:port, odd signs of a password as %XX")
    tls = parts.scheme == "smtps"
    user = unquote(parts.username) if parts.username else None
    password = unquote(parts.password) if parts.password else None
    return SmtpAddress(host, port or (TLS_PORT if tls else SUBMISSION_PORT), tls, user, password)


def read_sender(text: str) -> str:
    """The address within `Name <address>`. Raises ValueError when there is none that every server takes."""
    _, address = parseaddr(text)
    local, at, domain = address.rpartition("@")
    if not (local and at and domain) or not address.isascii() or not text.isprintable():
        raise ValueError("write an address, or a name and an address: Shop <cards@shop.example>")
    return address
