"""A virtual host per test: nothing of one test is seen by another, nor by another session."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import quote, urlsplit, urlunsplit

import httpx

from ops.readiness import BrokerAddress


class Vhost:
    """A fresh virtual host and the users made for it."""

    def __init__(self, name: str, address: BrokerAddress, http: httpx.AsyncClient) -> None:
        self.name = name
        self._address = address
        self._http = http
        self._users: list[str] = []

    @property
    def admin_url(self) -> str:
        """AMQP into this virtual host as the administrator."""
        return self.amqp_url(*self._address.credentials)

    @property
    def api(self) -> str:
        """The management API with the administrator's credentials in it."""
        user, password = self._address.credentials
        parts = urlsplit(self._address.amqp_api)
        login = f"{quote(user, safe='')}:{quote(password, safe='')}"
        return urlunsplit(parts._replace(netloc=f"{login}@{parts.netloc}"))

    def amqp_url(self, user: str, password: str) -> str:
        """AMQP into this virtual host as this user."""
        host, port = self._address.endpoint
        login = f"{quote(user, safe='')}:{quote(password, safe='')}"
        return f"amqp://{login}@{host}:{port}/{quote(self.name, safe='')}"

    async def create_user(self, name: str, configure: str, write: str, read: str) -> str:
        """Makes a user with these rights (regular expressions) here and nowhere else; returns its AMQP URL.

        The user is removed with the virtual host.
        """
        password = secrets.token_urlsafe(16)
        self._users.append(name)
        user = quote(name, safe="")
        await self.put(f"/api/users/{user}", {"password": password, "tags": ""})
        rights = {"configure": configure, "write": write, "read": read}
        await self.put(f"/api/permissions/{quote(self.name, safe='')}/{user}", rights)
        return self.amqp_url(name, password)

    async def put(self, path: str, body: dict[str, str]) -> None:
        """One call of the management API; httpx.HTTPStatusError when it is refused."""
        (await self._http.put(path, json=body)).raise_for_status()

    async def remove(self) -> None:
        """Takes the virtual host and its users away."""
        for user in self._users:
            await self._http.delete(f"/api/users/{quote(user, safe='')}")
        await self._http.delete(f"/api/vhosts/{quote(self.name, safe='')}")


@asynccontextmanager
async def fresh_vhost(address: BrokerAddress) -> AsyncIterator[Vhost]:
    """A virtual host of this broker, taken away at the end."""
    auth = address.credentials
    async with httpx.AsyncClient(
        base_url=address.amqp_api, auth=auth, trust_env=False, timeout=30
    ) as http:
        vhost = Vhost(f"test-{secrets.token_hex(6)}", address, http)
        path = quote(vhost.name, safe="")
        await vhost.put(f"/api/vhosts/{path}", {})
        all_rights = {"configure": ".*", "write": ".*", "read": ".*"}
        await vhost.put(f"/api/permissions/{path}/{quote(auth[0], safe='')}", all_rights)
        try:
            yield vhost
        finally:
            await vhost.remove()
