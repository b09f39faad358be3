"""RabbitMQ's management API: virtual hosts, users, rights, policies, and what waits where."""

import asyncio
import base64
import hashlib
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, TypeVar
from urllib.parse import quote, unquote, urlsplit

import httpx
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from contracts.topology import Policy, Rights

TIMEOUT = 10.0

_CLOSINGS = 5
_CLOSING_PAUSE_S = 0.2
_FAILED = httpx.codes.INTERNAL_SERVER_ERROR

T = TypeVar("T")


class AdminError(Exception):
    """The management API did not do what was asked; the text names the URL and the status."""

    def __init__(self, method: str, url: str, reason: str, status: int | None = None) -> None:
        super().__init__(f"{method} {url}: {reason}")
        self.url = url
        self.status = status


class QueueInfo(BaseModel):
    """One queue as the broker counts it; counts are up to 5 s old."""

    model_config = ConfigDict(frozen=True)

    name: str
    kind: str = Field(default="classic", alias="type")
    messages: int = 0
    ready: int = Field(default=0, alias="messages_ready")
    unacked: int = Field(default=0, alias="messages_unacknowledged")
    consumers: int = 0
    state: str = "unknown"
    members: tuple[str, ...] = ()
    online: tuple[str, ...] = ()

    @property
    def counted(self) -> bool:
        """Whether the broker told its counts; those of a quorum queue come from its leader."""
        return "messages" in self.model_fields_set

    @property
    def leaderless(self) -> bool:
        """A quorum queue nobody counts, because it has no leader, although all its members run.

        RabbitMQ 3.10 leaves its state out too, RabbitMQ 4 calls it running.
        """
        complete = bool(self.members) and set(self.members) == set(self.online)
        return self.kind == "quorum" and not self.counted and complete


class ConnectionInfo(BaseModel):
    """One open connection, and whose it is."""

    model_config = ConfigDict(frozen=True)

    name: str
    user: str = ""
    state: str = "unknown"


QUEUE = TypeAdapter(QueueInfo)
QUEUES = TypeAdapter(tuple[QueueInfo, ...])
CONNECTIONS = TypeAdapter(tuple[ConnectionInfo, ...])


@dataclass(frozen=True, slots=True)
class UserInfo:
    name: str
    tags: tuple[str, ...]


class Administers(Protocol):
    """What nodes ask of a broker's management; `Admin`, or `messaging.memory.admin.MemoryAdmin`."""

    async def users(self) -> tuple[UserInfo, ...]: ...

    async def put_user(
        self, name: str, *, password_hash: str, tags: tuple[str, ...] = ()
    ) -> None: ...

    async def delete_user(self, name: str) -> None: ...

    async def put_rights(self, user: str, rights: Rights) -> None: ...

    async def rights(self) -> dict[str, Rights]: ...

    async def put_policy(self, policy: Policy) -> None: ...

    async def policies(self) -> tuple[Policy, ...]: ...

    async def delete_policy(self, name: str) -> None: ...

    async def queues(self) -> tuple[QueueInfo, ...]: ...

    async def queue(self, name: str) -> QueueInfo | None: ...

    async def queue_names(self) -> frozenset[str]: ...

    async def connections(self) -> tuple[ConnectionInfo, ...]: ...

    async def close_connection(self, name: str, reason: str) -> None: ...


def hash_password(password: str, salt: bytes) -> str:
    """RabbitMQ's SHA-256 form of a password; `salt` is 4 random bytes."""
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


class Admin:
    """The API of one broker, for one virtual host.

    `url`: `http://user:password@host:15672`. Use as an asynchronous context manager.
    Every method raises AdminError.
    """

    def __init__(
        self, url: str, vhost: str = "/", *, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        self._base = f"{parts.scheme}://{host}{parts.path.rstrip('/')}/api"
        self._vhost = quote(vhost, safe="")
        self._client = httpx.AsyncClient(
            auth=(unquote(parts.username or "guest"), unquote(parts.password or "guest")),
            timeout=TIMEOUT,
            transport=transport,
            trust_env=False,
        )

    async def __aenter__(self) -> "Admin":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._client.aclose()

    async def version(self) -> str:
        """RabbitMQ's version."""
        return str((await self._get("overview"))["rabbitmq_version"])

    async def put_vhost(self, name: str) -> None:
        await self._send("PUT", f"vhosts/{quote(name, safe='')}", {})

    async def users(self) -> tuple[UserInfo, ...]:
        return tuple(
            UserInfo(user["name"], _tags(user.get("tags"))) for user in await self._get("users")
        )

    async def put_user(self, name: str, *, password_hash: str, tags: tuple[str, ...] = ()) -> None:
        """Makes or changes a user; the password itself never travels (see hash_password)."""
        body = {
            "password_hash": password_hash,
            "hashing_algorithm": "rabbit_password_hashing_sha256",
            "tags": ",".join(tags),
        }
        await self._send("PUT", f"users/{quote(name, safe='')}", body)

    async def delete_user(self, name: str) -> None:
        await self._send("DELETE", f"users/{quote(name, safe='')}")

    async def put_rights(self, user: str, rights: Rights) -> None:
        body = {"configure": rights.configure, "write": rights.write, "read": rights.read}
        await self._send("PUT", f"permissions/{self._vhost}/{quote(user, safe='')}", body)

    async def rights(self) -> dict[str, Rights]:
        """What each user may do in this virtual host."""
        rows = await self._get(f"vhosts/{self._vhost}/permissions")
        return {row["user"]: Rights(row["configure"], row["write"], row["read"]) for row in rows}

    async def put_policy(self, policy: Policy) -> None:
        body = {"pattern": policy.pattern, "definition": policy.definition, "apply-to": "queues"}
        await self._send("PUT", f"policies/{self._vhost}/{quote(policy.name, safe='')}", body)

    async def policies(self) -> tuple[Policy, ...]:
        rows = await self._get(f"policies/{self._vhost}")
        return tuple(Policy(row["name"], row["pattern"], row["definition"]) for row in rows)

    async def delete_policy(self, name: str) -> None:
        await self._send("DELETE", f"policies/{self._vhost}/{quote(name, safe='')}")

    async def queues(self) -> tuple[QueueInfo, ...]:
        return await self._read(f"queues/{self._vhost}", QUEUES)

    async def queue(self, name: str) -> QueueInfo | None:
        """One queue; None when it is not there."""
        try:
            return await self._read(f"queues/{self._vhost}/{quote(name, safe='')}", QUEUE)
        except AdminError as error:
            if error.status == httpx.codes.NOT_FOUND:
                return None
            raise

    async def queue_names(self) -> frozenset[str]:
        """Which queues are there; costs the broker little, since nothing is counted."""
        rows = await self._get(f"queues/{self._vhost}?disable_stats=true&columns=name")
        return frozenset(row["name"] for row in rows)

    async def connections(self) -> tuple[ConnectionInfo, ...]:
        return await self._read(f"vhosts/{self._vhost}/connections", CONNECTIONS)

    async def close_connection(self, name: str, reason: str) -> None:
        """Cuts one connection; its client is told the reason. One that is gone already is no error."""
        path = f"connections/{quote(name, safe='')}"
        for attempt in range(_CLOSINGS):
            try:
                await self._send("DELETE", path, headers={"X-Reason": reason})
            except AdminError as error:
                if error.status == httpx.codes.NOT_FOUND:
                    return
                # The broker fails over a connection that is just ending, as one whose user was deleted.
                if error.status != _FAILED or attempt == _CLOSINGS - 1:
                    raise
                await asyncio.sleep(_CLOSING_PAUSE_S)
            else:
                return

    async def _get(self, path: str) -> Any:
        return (await self._send("GET", path)).json()

    async def _read(self, path: str, shape: TypeAdapter[T]) -> T:
        response = await self._send("GET", path)
        try:
            return shape.validate_json(response.content)
        except ValidationError as error:
            raise AdminError(
                "GET", self._url(path), f"an answer of another shape: {error}"
            ) from None

    async def _send(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        url = self._url(path)
        try:
            response = await self._client.request(method, url, json=body, headers=headers)
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise AdminError(method, url, f"not reachable: {reason}") from error
        if response.is_error:
            reason = f"{response.status_code} {_reason(response)}"
            raise AdminError(method, url, reason, response.status_code)
        return response

    def _url(self, path: str) -> str:
        return f"{self._base}/{path}"


def _reason(response: httpx.Response) -> str:
    try:
        return str(response.json()["reason"])
    except (ValueError, KeyError, TypeError):
        return response.reason_phrase


def _tags(tags: Any) -> tuple[str, ...]:
    """A list since 3.9, one comma-separated text before."""
    found = tags.split(",") if isinstance(tags, str) else tags or []
    return tuple(tag for tag in found if tag)
