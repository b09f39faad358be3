"""Online search with each of its outcomes: SEARCH."""

import asyncio
from typing import Any

from ops.clients import Client, Json, until
from ops.story.cast import Cast, Step, expect, refused
from ops.story.sync import at_till, make_customer

NOWHERE = "qzxqzx"
"""A phrase no generated customer has."""


async def search_switch(cast: Cast) -> str:
    await cast.admin.send("PUT", "/settings/all", json={"search_online": False})
    await until(
        lambda: banner(cast.lyon, NOWHERE),
        lambda seen: not seen["button_shown"],
        "no button when off",
    )
    await cast.admin.send("PUT", "/settings/all", json={"search_online": True})
    await until(
        lambda: banner(cast.lyon, NOWHERE), lambda seen: seen["button_shown"], "button when on"
    )
    return "off: no banner; on again: banner"


async def none_local(cast: Cast) -> str:
    seen = await banner(cast.lyon, NOWHERE)
    return _banner_is(seen, "search.none_local")


async def no_exact(cast: Cast) -> str:
    few = await banner(cast.lyon, "lovelace")
    many = await banner(cast.lyon, "a")
    nothing_asked = await banner(cast.lyon, "")
    expect(not many["code"] and not many["button_active"], f"more than 6 rows, but {many}")
    expect(not nothing_asked["button_active"], f"no criteria, but {nothing_asked}")
    return f"{_banner_is(few, 'search.no_exact')}; more than 6 rows or no criteria: none"


async def unavailable(cast: Cast) -> str:
    cast.system.erp.pause()
    try:
        await cast.offline(cast.kiosk)
        ended = await search(cast.kiosk, NOWHERE)
    finally:
        cast.system.erp.resume()
    await cast.online()
    return _ended(ended, "search.unavailable")


async def found(cast: Cast) -> str:
    """Rows of the other store: shown, each with what this till may do with it (SEARCH-11)."""
    first, second = cast.stores
    for code, centre in (("FIND-1", first), ("FIND-2", first), ("FIND-3", second)):
        await make_customer(
            cast,
            code,
            "Findable-Ćwirko",
            centres=[centre],
            tax_number=None,
            phone="+48 601 002 003",
        )
    ended = await search(cast.kiosk, "findable cwirko")
    expect(ended["state"] == "found" and len(ended["rows"]) == 3, str(ended)[:400])
    usable = {row["code"]: row["usable"] for row in ended["rows"]}
    expect(usable == {"FIND-1": True, "FIND-2": True, "FIND-3": False}, str(usable))
    return f"3 rows; usable here: {usable}"


async def same_rule(cast: Cast) -> str:
    """SEARCH-4, SEARCH-13: the ERP finds by the same rule and filters as the till."""
    phrases = ("FINDABLE Ćwir", "find cwir", "findable-cwirko")
    for phrase in phrases:
        ended = await search(cast.kiosk, phrase)
        expect(len(ended.get("rows", ())) == 3, f"{phrase}: {str(ended)[:200]}")
    by_phone = await search(cast.kiosk, "0048 601-002-003", column="phone")
    expect(len(by_phone["rows"]) == 3, str(by_phone)[:300])
    other_kind = await search(cast.kiosk, "findable", kind="business")
    expect(other_kind["state"] == "none", str(other_kind)[:300])
    local = await at_till(cast.krakow, "find cwir")
    expect([row["code"] for row in local] == ["FIND-3"], str(local)[:300])
    return f"{len(phrases)} spellings, a phone number, a filter: the same rows at both ends"


async def too_many(cast: Cast) -> str:
    ended = await search(cast.kiosk, "a")
    expect(not [row for row in ended["rows"] if not row["held"]], "rows were sent")
    return _ended(ended, "search.too_many")


async def none_in_erp(cast: Cast) -> str:
    return _ended(await search(cast.kiosk, NOWHERE), "search.none_erp")


async def chosen_is_stored(cast: Cast) -> str:
    ended = await search(cast.kiosk, "findable")
    rows = {row["code"]: row["id"] for row in ended["rows"]}
    expect(not await at_till(cast.kiosk, "findable"), "ERP rows were stored by searching")
    await cast.kiosk.send("POST", f"/customers/{rows['FIND-1']}/choose")
    stored = await at_till(cast.kiosk, "findable")
    expect([row["code"] for row in stored] == ["FIND-1"], str(stored)[:300])
    problem = await refused(
        cast.kiosk.send("POST", f"/customers/{rows['FIND-3']}/choose"), "customer.not_available"
    )
    return f"chosen: in the local list; the other store's: {problem['code']}"


async def held_customer_follows(cast: Cast) -> str:
    """SYNC-2: in mode local-only, changes of what a till holds still reach it."""
    (held,) = await at_till(cast.kiosk, "findable")
    record = await cast.admin.get(f"/customers/{held['id']}")
    await cast.admin.send(
        "PATCH", f"/customers/{held['id']}",
        json={"last_name": "Refound"}, headers={"If-Match": str(record["version"])},
    )  # fmt: skip
    await until(lambda: at_till(cast.kiosk, "refound"), len, "the change at the local-only till")
    total = (await cast.kiosk.get("/customers", limit=50))["rows"]
    expect(len(total) < 20, f"a local-only till holds {len(total)} rows")
    return f"its change arrived; the till holds {len(total)} customer(s)"


async def cancelled(cast: Cast) -> str:
    cast.system.erp.pause()
    try:
        started = await start(cast.kiosk, "findable")
        await until(
            lambda: look(cast.kiosk, started), lambda seen: seen["waiting_window"], "waiting window"
        )
        await cast.kiosk.send("DELETE", f"/searches/{started}")
    finally:
        cast.system.erp.resume()
    await cast.online(cast.kiosk)
    await asyncio.sleep(0.3)
    ended = await look(cast.kiosk, started)
    expect(ended["state"] == "cancelled", str(ended)[:300])
    expect(all(row["held"] for row in ended["rows"]), "a late answer was shown")
    return "window after 1 s, cancelled, the late answer changed nothing"


async def past_deadline(cast: Cast) -> str:
    await cast.admin.send("PUT", await own_settings(cast.kiosk), json={"search_deadline_s": 1.5})
    await until(
        lambda: cast.kiosk.get("/settings"), lambda s: s["search_deadline_s"] == 1.5, "the deadline"
    )
    cast.system.erp.pause()
    try:
        ended = await search(cast.kiosk, "findable")
    finally:
        cast.system.erp.resume()
    await cast.admin.send("PUT", await own_settings(cast.kiosk), json={"search_deadline_s": 10.0})
    await cast.online()
    expect(ended["state"] == "expired", str(ended)[:300])
    return _ended(ended, "search.expired")


async def lost_while_choosing(cast: Cast) -> str:
    await cast.online(cast.kiosk)
    ended = await search(cast.kiosk, "cwirko")
    target = next(row["id"] for row in ended["rows"] if row["usable"] and not row["held"])
    await cast.stop_broker()
    try:
        problem = await refused(
            cast.kiosk.send("POST", f"/customers/{target}/choose"), "customer.unretrievable"
        )
        left = await look(cast.kiosk, ended["id"])
        expect(all(row["held"] for row in left["rows"]), "ERP rows are still shown")
        stored = [row["id"] for row in await at_till(cast.kiosk, "cwirko")]
        expect(target not in stored, "something was stored")
        still = await search(cast.lyon, "cwirko")
        unavailable_code = _ended(still, "search.unavailable")
        expect(still["rows"], "local rows are gone")
    finally:
        await cast.start_broker()
    await cast.online()
    return f"{problem['code']}; ERP rows cleared, nothing stored; searching: {unavailable_code}"


async def banner(client: Client, phrase: str) -> Json:
    seen: Json = (await client.get("/customers", phrase=phrase, limit=10))["banner"]
    return seen


async def own_settings(client: Client) -> str:
    """Where the ERP keeps the switches of this till alone."""
    return f"/settings/pos.{(await client.get('/status'))['pos_id']}"


async def start(client: Client, phrase: str, **criteria: Any) -> str:
    started: Json = await client.send("POST", "/searches", json={"phrase": phrase, **criteria})
    return str(started["id"])


async def look(client: Client, search_id: str) -> Json:
    seen: Json = await client.get(f"/searches/{search_id}")
    return seen


async def search(client: Client, phrase: str, **criteria: Any) -> Json:
    """A whole online search, polled to its end."""
    search_id = await start(client, phrase, **criteria)
    return await until(
        lambda: look(client, search_id),
        lambda seen: seen["state"] != "running",
        f"end of search {phrase}",
    )


def _banner_is(seen: Json, code: str) -> str:
    expect(seen["code"] == code, f"{code} expected, seen {seen}")
    expect(seen["button_active"], "the button is not active")
    return f"{code} “{seen['text']}”, button active"


def _ended(ended: Json, code: str) -> str:
    expect(ended["code"] == code, f"{code} expected, seen {str(ended)[:300]}")
    return f"{code} “{ended['text']}”"


STEPS = (
    Step("SEARCH-1", "switched off and on by the ERP", search_switch),
    Step("SEARCH-2", "no local row", none_local),
    Step("SEARCH-3", "1 to 6 local rows", no_exact),
    Step("SEARCH-6 SEARCH-11", "up to 6 rows in the ERP", found),
    Step("SEARCH-4 SEARCH-13", "one rule at both ends", same_rule),
    Step("SEARCH-7", "more than 6", too_many),
    Step("SEARCH-8", "none in the ERP", none_in_erp),
    Step("SEARCH-9", "choosing stores the whole record", chosen_is_stored),
    Step("SYNC-2", "what a local-only till holds follows the ERP", held_customer_follows),
    Step("SEARCH-12", "cancelled", cancelled),
    Step("SEARCH-12", "past its deadline", past_deadline),
    Step("SEARCH-5", "the ERP does not answer", unavailable),
    Step("SEARCH-10 SEARCH-5", "connection lost while choosing", lost_while_choosing),
)
