"""Whether a server answers: asked by handshake, so that an open port alone does not count."""

import asyncio
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

import asyncpg
import httpx

from ops.errors import ServiceError
from ops.guardian import until

AMQP_GREETING = b"AMQP\x00\x00\x09\x01"
CONNECTION_START_FRAME = b"\x01"
ANSWER_SECONDS = 5.0


@dataclass(frozen=True)
class BrokerAddress:
    """A RabbitMQ: AMQP as an administrator, and its management API, whose credentials are those of `amqp_url`."""

    amqp_url: str
    amqp_api: str

    @property
    def credentials(self) -> tuple[str, str]:
        """User name and password."""
        parts = urlsplit(self.amqp_url)
        return unquote(parts.username or "guest"), unquote(parts.password or "guest")

    @property
    def endpoint(self) -> tuple[str, int]:
        """Host and port of AMQP."""
        parts = urlsplit(self.amqp_url)
        return parts.hostname or "localhost", parts.port or 5672


async def broker_answers(address: BrokerAddress) -> bool:
    """Whether AMQP greets and the management API sees every virtual host up."""
    return await _greets(*address.endpoint) and await _manages(address)


async def _greets(host: str, port: int) -> bool:
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(AMQP_GREETING)
                return await reader.read(1) == CONNECTION_START_FRAME
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False


async def _manages(address: BrokerAddress) -> bool:
    async with httpx.AsyncClient(
        auth=address.credentials, trust_env=False, timeout=ANSWER_SECONDS
    ) as client:
        try:
            answer = await client.get(f"{address.amqp_api}/api/health/checks/virtual-hosts")
        except httpx.TransportError:
            return False
        return answer.status_code == httpx.codes.OK


async def database_answers(dsn: str) -> bool:
    """Whether the server takes a connection; False for any refusal, a wrong password included."""
    try:
        connection = await asyncpg.connect(dsn, timeout=ANSWER_SECONDS)
    except (TimeoutError, OSError, asyncpg.PostgresError):
        return False
    await connection.close()
    return True


async def until_broker_answers(address: BrokerAddress, seconds: float) -> None:
    """Returns when the broker answers; ServiceError after `seconds`."""

    async def answers() -> bool:
        return await broker_answers(address)

    try:
        await until(answers, seconds)
    except TimeoutError:
        host, port = address.endpoint
        raise ServiceError(
            f"no RabbitMQ with management at {host}:{port} and {address.amqp_api} (waited {seconds:.0f} s)"
        ) from None


async def until_database_answers(dsn: str, seconds: float) -> None:
    """Returns when the database answers; ServiceError after `seconds`."""

    async def answers() -> bool:
        return await database_answers(dsn)

    try:
        await until(answers, seconds)
    except TimeoutError:
        parts = urlsplit(dsn)
        raise ServiceError(
            f"no PostgreSQL at {parts.hostname}:{parts.port or 5432} (waited {seconds:.0f} s)"
        ) from None
