"""What the log says of a link: each change once, however often the same thing is tried again."""

import structlog

log = structlog.get_logger("link")


class LinkLog:
    """The lines of one link. `address`: the broker's `host:port`, as people know it; never user or password."""

    def __init__(self, name: str, address: str) -> None:
        self._log = log.bind(link=name, broker=address)
        self._told: set[str] = set()
        self._refused: set[tuple[str, str]] = set()

    def connected(self) -> None:
        self._told.clear()
        self._refused.clear()
        self._log.info("connected", action="link_up")

    def lost(self, reason: str) -> None:
        self._log.warning("connection lost", action="link_lost", reason=reason)

    def failed(self, reason: str, pause_s: float) -> None:
        """An attempt failed; told once per reason until there is a connection again."""
        if reason in self._told:
            return
        self._told.add(reason)
        self._log.warning(
            "cannot connect", action="link_down", reason=reason, next_try_s=round(pause_s, 1)
        )

    def refused(self, role: str, reason: str) -> None:
        """The connection stands, but one that works over it is without its channel."""
        if (role, reason) in self._refused:
            return
        self._refused.add((role, reason))
        self._log.warning("not at work", action="link_role_down", role=role, reason=reason)
