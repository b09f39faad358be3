"""What the library's exceptions mean here."""

import asyncio

from aiormq.exceptions import (
    AuthenticationError,
    ChannelAccessRefused,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
    ConnectionNotAllowed,
    ProbableAuthenticationError,
)
from aiormq.exceptions import ChannelClosed as LibraryChannelClosed

from messaging.channel import (
    ChannelClosed,
    LinkDown,
    MessagingError,
    Mismatch,
    NotAllowed,
    NotFound,
)

KINDS: tuple[tuple[tuple[type[BaseException], ...], type[MessagingError]], ...] = (
    (
        (
            ChannelAccessRefused,
            ConnectionNotAllowed,
            ProbableAuthenticationError,
            AuthenticationError,
        ),
        NotAllowed,
    ),
    ((ChannelNotFoundEntity,), NotFound),
    ((LibraryChannelClosed,), ChannelClosed),
)


ACCESS_REFUSED, NOT_ALLOWED = 403, 530


def read_close(code: int, words: str) -> MessagingError:
    """Why the broker closed a connection, or did not open it."""
    return NotAllowed(words) if code in (ACCESS_REFUSED, NOT_ALLOWED) else LinkDown(words)


def read_failure(error: BaseException | None) -> MessagingError:
    """The error of this package for one of the library's, keeping the broker's words."""
    if isinstance(error, MessagingError):
        return error
    reason = _words(error)
    if isinstance(error, ChannelPreconditionFailed):
        return _precondition(reason)
    for causes, kind in KINDS:
        if isinstance(error, causes):
            return kind(reason)
    return LinkDown(reason)


def _precondition(reason: str) -> MessagingError:
    """RabbitMQ has one code for these; only its words tell them apart."""
    if "inequivalent" in reason:
        return Mismatch(reason)
    return NotAllowed(reason) if "user_id property" in reason else ChannelClosed(reason)


def _words(error: BaseException | None) -> str:
    match error:
        case None:
            return "closed"
        case asyncio.CancelledError():
            return "closed or silent for too long"
        case TimeoutError():
            return "no answer in time"
        case _:
            return " ".join(str(part) for part in error.args if part) or type(error).__name__
