"""Somebody at a node: logs in again whenever the node is another process than before, and is told what became of it."""

import asyncio
from typing import Any

import httpx

from chaos.node import Node
from ops.clients import Client, Json, Refused
from ops.system import PASSWORD

DONE = "done"
UNKNOWN = "no answer"
"""It may have happened or not."""


class NotDone(Exception):
    """The node refused, or gave no answer; the text is the code of the refusal, or UNKNOWN."""


class Person:
    """Logged in at one node, as far as that lets in."""

    def __init__(self, node: Node, name: str) -> None:
        self.node = node
        self._name = name
        self._client: Client | None = None
        self._life = 0

    async def ask(self, method: str, path: str, **given: Any) -> Json:
        """One request, and its answer. Raises NotDone."""
        try:
            client = await self._at_node()
            answer: Json = await client.send(method, path, **given)
        except Refused as refusal:
            if refusal.status == 401:
                await self.leave()
            raise NotDone(refusal.code or str(refusal.status)) from None
        except (httpx.HTTPError, OSError):
            await self.leave()
            raise NotDone(UNKNOWN) from None
        return answer

    async def leave(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _at_node(self) -> Client:
        if self._life != self.node.life:
            await self.leave()
        if self._client is None:
            self._life = self.node.life
            client = Client(self.node.process.url)
            try:
                await client.log_in(self._name, PASSWORD)
            except BaseException:
                await asyncio.shield(client.close())
                raise
            self._client = client
        return self._client
