"""Who is there: a till's greeting and signs of life, the ERP's beat."""

from pydantic import BaseModel, ConfigDict

from contracts.limits import Count, Moment, Token


class Wire(BaseModel):
    model_config = ConfigDict(frozen=True)


class Hello(Wire):
    """A till's first words on a connection, and its sign of life afterwards (SYNC-7).

    `instance` is new with every start: by it two at once under one identity can be told apart from one that was
    started again: the older of the two is heard again.
    """

    instance: Token
    software: Token
    epoch: Token
    last_seq: Count
    waiting: Count
    oldest_waiting_at: Moment | None = None
    cursors: dict[Token, Count] = {}


class Welcome(Wire):
    """The ERP's answer: where the till stands on the bus, how far its journal is, what time it is.

    A till whose own `last_seq` is below `applied_seq`, or whose entry of that number is not of this
    `content` (contracts.journal.content_of), was restored from a backup: it takes a new epoch.
    """

    pos_id: Token
    centre: Token
    full: bool
    scopes: list[Token]
    epoch: Token
    applied_seq: Count
    content: Token | None = None
    now: Moment


class Beat(Wire):
    """The ERP is there: sent to every till every few seconds; `now` is the ERP's clock."""

    now: Moment
    interval_s: float
