"""Who is there: a till's greeting and signs of life, the ERP's beat."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict


class Wire(BaseModel):
    model_config = ConfigDict(frozen=True)


class Hello(Wire):
    """A till's first words on a connection, and its sign of life afterwards (SYNC-7).

    `instance` is new with every start: two at once under one identity are noticed by it.
    """

    instance: str
    software: str
    epoch: str
    last_seq: int
    waiting: int
    oldest_waiting_at: datetime | None = None
    cursors: dict[str, int] = {}


class Welcome(Wire):
    """The ERP's answer: where the till stands on the bus, how far its journal is, what time it is.

    A till whose own `last_seq` is below `applied_seq` was restored from a backup: it takes a new epoch.
    """

    pos_id: str
    centre: str
    full: bool
    scopes: list[str]
    epoch: str
    applied_seq: int
    now: datetime


class Beat(Wire):
    """The ERP is there: sent to every till every few seconds; `now` is the ERP's clock."""

    now: datetime
    interval_s: float
