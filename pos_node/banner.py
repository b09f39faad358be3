"""When the list offers to search in the ERP too (SEARCH-1 to SEARCH-3)."""

from dataclasses import dataclass

from contracts.search import SHOWN_AT_MOST


@dataclass(frozen=True, slots=True)
class Banner:
    """`code` None: no banner. `button_shown` False: the ERP has switched online search off."""

    code: str | None = None
    button_shown: bool = True
    button_active: bool = False


def decide_banner(*, online_search_on: bool, criteria_empty: bool, local_count: int) -> Banner:
    """What stands below the rows found here.

    Off: nothing (SEARCH-1). No row: `search.none_local` (SEARCH-2). One to six: `search.no_exact`
    (SEARCH-3). More, or nothing asked: no banner, and the button cannot be pressed.
    """
    if not online_search_on:
        return Banner(button_shown=False)
    if criteria_empty or local_count > SHOWN_AT_MOST:
        return Banner()
    code = "search.none_local" if local_count == 0 else "search.no_exact"
    return Banner(code, button_active=True)
