"""Response headers that keep browsers from doing what nobody wants."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
}
_DATA = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
_PAGES = {
    "Content-Security-Policy": (
        "default-src 'none'; connect-src 'self'; script-src 'self' 'unsafe-inline'; worker-src blob:; "
        "style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; frame-ancestors 'none'"
    ),
}


class SafeHeaders:
    """Nothing is kept in caches, framed or guessed; the documentation pages load from here alone."""

    def __init__(self, app: ASGIApp, pages: tuple[str, ...]) -> None:
        self._app = app
        self._pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        chosen = _ALWAYS | (_PAGES if scope["path"].startswith(self._pages) else _DATA)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in chosen.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)
