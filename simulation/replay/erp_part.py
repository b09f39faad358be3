"""The ERP played from a trace: it sends tills the recorded pages, and answers what they ask from pages sent so far."""

import random
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

import zstandard
from pydantic import BaseModel

from contracts import envelope
from contracts.envelope import Headers
from contracts.feed import Page, Pull
from contracts.presence import Hello, Welcome
from contracts.search import Refused
from contracts.topology import (
    FEED,
    REPLIES,
    TillAddress,
    pos_of,
    question_queue,
    reply_queue,
)
from messaging.channel import Broker, Channel, Delivery, Message
from simulation.replay.story import Given, Story, written

PACKED_FROM = 1024
"""Bytes from which a page is packed."""


class Feeds:
    """What the ERP of a trace has sent so far, by scope."""

    def __init__(self, story: Story) -> None:
        self._pages: dict[str, list[dict[str, Any]]] = {}
        self._begin: dict[str, int] = {}
        self._whole = [page for given in story.given if (page := given.page) is not None]
        self.epoch = ""
        for page in self._whole:
            self.epoch = self.epoch or page["epoch"]
            begin = self._begin.get(page["scope"], page["prev_seq"])
            if page["epoch"] == self.epoch:
                self._begin[page["scope"]] = min(begin, page["prev_seq"])

    @property
    def scopes(self) -> tuple[str, ...]:
        return tuple(sorted(self._begin))

    def add(self, page: dict[str, Any]) -> None:
        """A page is sent. One of another epoch: the feeds begin anew."""
        if page["epoch"] != self.epoch:
            self.epoch = page["epoch"]
            self._pages.clear()
            self._begin.clear()
        self._begin.setdefault(page["scope"], page["prev_seq"])
        self._pages.setdefault(page["scope"], []).append(page)

    def head(self, scope: str) -> int:
        """How far the scope is told; before the first page, where the trace begins."""
        told: list[int] = [page["to_seq"] for page in self._pages.get(scope, ())]
        return max([self._begin.get(scope, 0), *told])

    def after(self, scope: str, seq: int) -> dict[str, Any]:
        """The page that follows this place: of those sent so far, or else of those to come, for what was lost
        when the trace was recorded was asked for later. What no page of the trace tells is passed over."""
        head = self.head(scope)
        later = [page for page in self._pages.get(scope, ()) if page["to_seq"] > seq]
        due = [page for page in later if page["prev_seq"] <= seq]
        found = max(due, key=lambda page: page["to_seq"], default=None)
        if found is None and later:
            found = self._to_come(scope, seq)
        found = found or min(later, key=lambda page: page["prev_seq"], default=None)
        page = {"scope": scope, "epoch": self.epoch, "head": head, "rows": []}
        if found is None:
            return page | {"prev_seq": min(seq, head), "to_seq": head}
        page |= {"head": max(head, found["to_seq"])}
        page |= {"to_seq": found["to_seq"], "rows": found.get("rows", [])}
        return page | {"prev_seq": min(seq, found["prev_seq"]), "rule": found.get("rule", 1)}

    def _to_come(self, scope: str, seq: int) -> dict[str, Any] | None:
        return next(
            (
                page
                for page in self._whole
                if (page["scope"], page["epoch"]) == (scope, self.epoch)
                and page["prev_seq"] <= seq < page["to_seq"]
            ),
            None,
        )


class ErpPart:
    """Plays the ERP for fresh tills, over any broker."""

    def __init__(
        self, story: Story, broker: Broker, now: Callable[[], datetime], rng: random.Random
    ) -> None:
        self.feeds = Feeds(story)
        self._tills = {one.pos_id: one for one in story.tills}
        self._broker = broker
        self._now = now
        self._rng = rng
        self._channel: Channel | None = None

    async def open(self) -> None:
        """Connects, and answers from now on. Raises MessagingError."""
        connection = await self._broker.connect("erp of the trace")
        self._channel = await connection.channel(confirms=True, prefetch=0)
        for question in ("feed", "presence", "search", "fetch"):
            await self._channel.consume(question_queue(question), self._answer, acks=False)

    def know(self, given: Given) -> None:
        """From now on the ERP has sent this, whether or not it arrives."""
        if given.page is not None:
            self.feeds.add(given.page)

    def send(self, given: Given) -> None:
        """A recorded message, as it was."""
        self._publish(given.message)

    def tell_heads(self) -> None:
        """Signs of life, as the ERP sends them now and then: whoever is behind asks."""
        for scope in self.feeds.scopes:
            head = self.feeds.head(scope)
            page = Page(scope=scope, epoch=self.feeds.epoch, prev_seq=head, to_seq=head, head=head)
            body = self._envelope("feed.page", page)
            self._publish(Message(body, FEED, scope, mandatory=False, type="feed.page"))

    def _answer(self, delivery: Delivery) -> None:
        till = self._tills.get(pos_of(delivery.user_id or "") or "")
        if till is None:
            return
        headers, data = envelope.split(delivery.body)
        type_, answer = self._decide(till, headers.type, data)
        body = self._envelope(type_, answer, headers.id)
        packed = len(body) > PACKED_FROM and type_ == "feed.page"
        self._publish(
            Message(
                zstandard.ZstdCompressor().compress(body) if packed else body,
                REPLIES, reply_queue(till.user), mandatory=False, persistent=False,
                correlation_id=delivery.correlation_id, type=type_,
                content_encoding="zstd" if packed else None,
            )
        )  # fmt: skip

    def _decide(self, till: TillAddress, asked: str, data: bytes) -> tuple[str, BaseModel | bytes]:
        if asked == "feed.pull":
            pull = envelope.read_data(Pull, data)
            same = pull.epoch in (None, self.feeds.epoch)
            page = self.feeds.after(pull.scope, pull.from_seq if same else 0)
            return "feed.page", written(page)
        if asked == "pos.hello":
            hello = envelope.read_data(Hello, data)
            welcome = Welcome(
                pos_id=till.pos_id, centre=till.centre, full=till.full, scopes=list(till.scopes),
                epoch=hello.epoch, applied_seq=hello.last_seq, now=self._now(),
            )  # fmt: skip
            return "erp.welcome", welcome
        return "erp.refused", Refused(code="feed.not_yours")

    def _envelope(
        self, type_: str, data: BaseModel | bytes, causation: UUID | None = None
    ) -> bytes:
        id_ = UUID(int=self._rng.getrandbits(128), version=4)
        headers = Headers(
            id=id_, type=type_, occurred_at=self._now(), origin="erp", causation=causation
        )
        return envelope.encode(headers, data)

    def _publish(self, message: Message) -> None:
        assert self._channel is not None
        self._channel.publish(message).add_done_callback(lambda done: done.exception())
