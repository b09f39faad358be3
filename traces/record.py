"""The format of traces: JSON Lines, a Head first in every file, then one Line for each thing that happened.

docs/traces.md describes it for other programs. Within FORMAT fields are only added; a reader ignores
what it does not know.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from messaging.observer import Action, Outcome

FORMAT: Literal[1] = 1
EVERYWHERE = "bus"
"""The node of a trace recorded from outside."""

Way = Literal["out", "in"]
Does = Action | Literal["seen"]
"""What messaging.observer tells; `seen`: passed over the bus, recorded from outside."""


class Record(BaseModel):
    model_config = ConfigDict(frozen=True)


class Head(Record):
    """The first line of a file. `names`: the id of the key of its pseudonyms, or `plain` for none."""

    trace: Literal[1] = FORMAT
    node: str
    names: str
    began: datetime


class Properties(Record):
    """What AMQP carries beside the body; absent ones were not set, or are not known on that side."""

    type: str | None = None
    correlation_id: str | None = None
    content_encoding: str | None = None
    expiration_ms: int | None = None
    timestamp: datetime | None = None
    mandatory: bool | None = None
    persistent: bool | None = None
    redelivered: bool | None = None
    damaged: bool | None = None
    headers: dict[str, Any] = {}


class Line(Record):
    """One thing that happened to one message at one node.

    `n` counts what the recorder was told, from 1: a gap is what it had no room for. `at` is the node's
    clock. `size` is the body's, as it travelled (packed). `message` is the body unpacked, personal values
    replaced; one that is no message has instead `unreadable` (why, a code of contracts.envelope) and
    `body_base64`, other bytes that are no message either. `cause` is the id of the message this
    one answers. `took_ms` lies between writing and the broker's confirm.
    """

    n: Annotated[int, Field(ge=1)]
    at: datetime
    node: str
    way: Way
    action: Does
    outcome: Outcome
    place: str
    attempt: Annotated[int, Field(ge=1)] = 1
    exchange: str
    key: str
    user_id: str | None = None
    properties: Properties = Properties()
    size: Annotated[int, Field(ge=0)]
    took_ms: float | None = None
    cause: str | None = None
    message: dict[str, Any] | None = None
    unreadable: str | None = None
    body_base64: str | None = None

    @property
    def type(self) -> str:
        """The message's type: the envelope's, or what the sender wrote beside the body."""
        return self._said("type") or self.properties.type or "?"

    @property
    def id(self) -> str | None:
        """The message's id."""
        return self._said("id")

    @property
    def origin(self) -> str:
        """Who sent it: whom the broker vouches for, or what the envelope says."""
        return self._said("origin") or self.user_id or "?"

    @property
    def data(self) -> dict[str, Any]:
        """The data of the message; nothing for one that could not be read."""
        data = self.message.get("data") if self.message else None
        return data if isinstance(data, dict) else {}

    def _said(self, name: str) -> str | None:
        value = self.message.get(name) if self.message else None
        return value if isinstance(value, str) else None
