"""From what messaging.observer tells to a line of a trace. Pure."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from messaging.channel import Delivery, Headers, Message
from messaging.dead import BROKER_HEADERS, OWN_HEADERS
from messaging.foreign import writable
from messaging.observer import Event
from traces.bodies import read_body
from traces.pseudonyms import Pseudonyms
from traces.record import Does, Line, Properties, Way

_READABLE_HEADERS = (*OWN_HEADERS, *BROKER_HEADERS)


def line_of(
    event: Event,
    *,
    n: int,
    at: datetime,
    node: str,
    names: Pseudonyms | None,
    does: Does | None = None,
) -> Line:
    """The line of one event; `at` is when it was told. `does` instead of the event's action."""
    what = event.what
    body = read_body(what.body, what.content_encoding, names)
    cause = body.message.get("causation") if body.message else None
    return Line(
        n=n,
        at=at - timedelta(seconds=event.took),
        node=node,
        way=_way(event),
        action=does or event.action,
        outcome=event.outcome,
        place=event.place,
        attempt=event.attempt,
        exchange=what.exchange,
        key=what.key,
        user_id=what.user_id,
        properties=_properties(what, names),
        size=len(what.body),
        took_ms=round(event.took * 1000, 3) if event.took else None,
        cause=cause if isinstance(cause, str) else None,
        message=body.message,
        unreadable=body.unreadable,
        body_base64=body.stand_in,
    )


def _way(event: Event) -> Way:
    return "out" if isinstance(event.what, Message) else "in"


def _properties(what: Message | Delivery, names: Pseudonyms | None) -> Properties:
    """A property is written down only where it says something."""
    said: dict[str, Any] = {}
    match what:
        case Message():
            said = {"mandatory": what.mandatory, "persistent": what.persistent}
            said["timestamp"] = what.timestamp
        case Delivery():
            said = {"redelivered": what.redelivered or None, "damaged": what.damaged or None}
    return Properties(
        type=what.type,
        correlation_id=what.correlation_id,
        content_encoding=what.content_encoding,
        expiration_ms=what.expiration_ms,
        headers=_headers(what.headers, names),
        **said,
    )


def _headers(headers: Headers, names: Pseudonyms | None) -> Mapping[str, Any]:
    """A stranger's headers may say anything about anybody; those of dead letters do not."""
    if not headers:
        return {}
    return {name: _header(name, value, names) for name, value in writable(headers).items()}


def _header(name: str, value: Any, names: Pseudonyms | None) -> Any:
    if isinstance(value, str) and names is not None and not name.startswith(_READABLE_HEADERS):
        return names.text(value)
    if (
        isinstance(value, list | dict)
        and not name.startswith(_READABLE_HEADERS)
        and names is not None
    ):
        return names.seal(repr(value))
    return value
