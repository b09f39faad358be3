"""Handling a queue strictly in order, in batches, with one ack for many."""

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from messaging.channel import Delivery
from messaging.observer import Observer, ignore


class Transient(Exception):
    """The message cannot be handled now, through no fault of its own; try again later."""


@dataclass(frozen=True, slots=True)
class Bad:
    """Why a message can never be handled: `code` in one word, `text` for people."""

    code: str
    text: str


Handle: TypeAlias = Callable[[Sequence[Delivery]], Awaitable[Sequence[Bad | None]]]
"""Handles a batch, in order; answers one None (handled) or Bad (to be parked) per delivery."""

Park: TypeAlias = Callable[[Delivery, Bad], Awaitable[None]]
"""Puts a bad delivery aside, durably, before its original is acked (`DeadLetters.park`, or a
till's own quarantine: tills may not write to comptoir.dead)."""


class OrderedConsumer:
    """A role: one batch at a time; deliveries are acked after `handle` returned.

    Transient, OSError, TimeoutError, MessagingError and the exceptions in `transient` pause, longer
    each time, and the same batch is handled again. Any other exception: the batch is handled one by
    one, and a delivery that fails alone `patience` times is parked with the code `failed`.
    """

    def __init__(
        self,
        queue: str,
        handle: Handle,
        park: Park,
        *,
        rng: random.Random,
        batch: int = 64,
        prefetch: int = 256,
        patience: int = 3,
        transient: tuple[type[Exception], ...] = (),
        observer: Observer = ignore,
    ) -> None:
        raise NotImplementedError

    async def wait_attached(self) -> None:
        raise NotImplementedError
