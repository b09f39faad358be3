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
    ((ChannelPreconditionFailed,), Mismatch),
    ((LibraryChannelClosed,), ChannelClosed),
)


def read_failure(error: BaseException | None) -> MessagingError:
    """The error of this package for one of the library's, keeping the broker's words."""
    if isinstance(error, MessagingError):
        return error
    reason = _words(error)
    for causes, kind in KINDS:
        if isinstance(error, causes):
            return kind(reason)
    return LinkDown(reason)


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
