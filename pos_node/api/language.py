"""The language of a request that asks for none is the till's, as the ERP has set it."""

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Receive, Scope, Send

from pos_node.store.database import Store
from pos_node.store.errors import StoreError
from pos_node.store.reference import read_settings

_HEADER = "accept-language"


class TillLanguage:
    """Adds Accept-Language where a client sends none, so that errors, too, speak the till's language."""

    def __init__(self, app: ASGIApp, store: Store, centre: str, pos_id: str) -> None:
        self._app = app
        self._store = store
        self._centre = centre
        self._pos_id = pos_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _HEADER not in Headers(scope=scope):
            scope = {**scope, "headers": list(scope["headers"])}
            MutableHeaders(scope=scope)[_HEADER] = await self._language()
        await self._app(scope, receive, send)

    async def _language(self) -> str:
        try:
            settings = await self._store.read(read_settings, self._centre, self._pos_id)
        except StoreError:
            return "en"
        return settings.language
