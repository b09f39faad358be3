"""The language of a request that asks for none of ours is the till's, as the ERP has set it."""

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Receive, Scope, Send

from pos_node.store.database import Store
from pos_node.store.errors import StoreError
from pos_node.store.reference import read_settings
from web.language import negotiate

_HEADER = "accept-language"


class TillLanguage:
    """Says the till's in Accept-Language where a client leaves it open, so that errors, too, speak that language."""

    def __init__(self, app: ASGIApp, store: Store, centre: str, pos_id: str) -> None:
        self._app = app
        self._store = store
        self._centre = centre
        self._pos_id = pos_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _leaves_it_open(Headers(scope=scope).get(_HEADER, "")):
            scope = {**scope, "headers": list(scope["headers"])}
            MutableHeaders(scope=scope)[_HEADER] = await self._language()
        await self._app(scope, receive, send)

    async def _language(self) -> str:
        try:
            settings = await self._store.read(read_settings, self._centre, self._pos_id)
        except StoreError:
            return "en"
        return settings.language


def _leaves_it_open(header: str) -> bool:
    return negotiate(header, "en") != negotiate(header, "fr")
