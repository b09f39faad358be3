"""Loyalty cards at two tills: given, locked, arbitrated, blocked, by e-mail: CARD."""

import time

from ops.clients import Client, Json, Refused, until
from ops.mail import Received
from ops.story.cast import Cast, Step, expect, refused
from ops.story.sync import make_customer
from ops.system import CASHIER, PASSWORD

LASTS_S = 3


async def given_online(cast: Cast) -> str:
    """The card is locked when its number is read, and refused at the other till until it is given, and after that."""
    await _verify(cast, on=True)
    one, other = [await _someone(cast, code) for code in ("CARD-A", "CARD-B")]
    await cast.lyon.send(
        "POST", f"/customers/{one}/cards/4000A/reservation", params={"type": "plastic"}
    )
    early = await refused(_give(cast.krakow, other, "4000A"), "card.locked")
    given = await _give(cast.lyon, one, "4000A")
    expect(given["code"] == "card.issued", str(given))
    late = await refused(_give(cast.krakow, other, "4000A"), "card.in_use")
    return (
        f"{given['card']['number']} given; at the other till {early['code']}, then {late['code']}"
    )


async def lock_of_a_killed_till(cast: Cast) -> str:
    """Nobody gives the lock back: its time is over on the ERP's clock."""
    one, other = [await _someone(cast, code) for code in ("CARD-C", "CARD-D")]
    await cast.krakow.send(
        "POST", f"/customers/{one}/cards/4000B/reservation", params={"type": "plastic"}
    )
    began = time.monotonic()
    await cast.system.tills[1].process.kill()
    early = await refused(_give(cast.lyon, other, "4000B"), "card.locked")
    given = await until(
        lambda: _try(cast.lyon, other, "4000B"),
        lambda one: one is not None,
        "the lock's end",
        every=0.2,
    )
    took = time.monotonic() - began
    expect(given is not None and given["code"] == "card.issued", str(given))
    await _start_again(cast)
    return f"{early['code']} while it lasted, given after {took:.1f} s (a lock lasts {LASTS_S} s)"


async def both_offline(cast: Cast) -> str:
    """The first to arrive keeps the card; the other till undoes it and says so."""
    await _verify(cast, on=False)
    people = [await _someone(cast, code) for code in ("CARD-E", "CARD-F")]
    tills = (cast.lyon, cast.krakow)
    await cast.stop_broker()
    try:
        await cast.offline(*tills)
        for till, person in zip(tills, people, strict=True):
            given = await _give(till, person, "4000C")
            expect(given["card"]["waiting"], str(given))
    finally:
        await cast.start_broker()
    await cast.online(*tills)

    async def numbers() -> list[list[str]]:
        return [await _numbers(till, person) for till, person in zip(tills, people, strict=True)]

    held = await until(
        numbers, lambda found: sorted(found) == [[], ["4000C"]], "one till without", timeout=90
    )
    loser = tills[held.index([])]
    notices = await loser.get("/notices")
    told = next((one for one in notices if one["code"] == "card.undone"), None)
    expect(told is not None, str(notices[:2]))
    assert told is not None
    return f"one till keeps it; the other: “{told['text']}”"


async def virtual(cast: Cast) -> str:
    """Online the number comes at once, offline after reconnecting; each in one letter."""
    now, later = [await _someone(cast, code) for code in ("CARD-G", "CARD-H")]
    given = await _give(cast.lyon, now, None)
    expect(given["code"] == "card.issued", str(given))
    await cast.stop_broker()
    try:
        await cast.offline(cast.lyon)
        asked = await _give(cast.lyon, later, None)
        expect(asked["code"] == "card.virtual_requested", str(asked))
    finally:
        await cast.start_broker()
    (number,) = await until(
        lambda: _numbers(cast.lyon, later),
        lambda found: len(found) == 1,
        "the number",
        timeout=90,
    )
    for address, wanted in (
        ("card-g@example.com", given["card"]["number"]),
        ("card-h@example.com", number),
    ):
        letter = await _letter_to(cast, address)
        expect(wanted in letter.text(), letter.text())
    count = sum("card-" in one.recipients[0] for one in cast.mail.letters)
    expect(count == 2, f"{count} letters")
    return f"{given['card']['number']} at once, {number} after reconnecting; two letters"


async def blocked(cast: Cast) -> str:
    person = await _someone(cast, "CARD-I")
    await _give(cast.lyon, person, "4000D")
    wrong = await refused(_block(cast.lyon, person, "4000D", reason="mood"), "card.reason_unknown")
    await _block(cast.lyon, person, "4000D", reason="stolen")
    began = time.monotonic()
    await until(
        lambda: _state(cast.krakow, "4000D"),
        lambda found: found == ("blocked", "stolen"),
        "the block",
    )
    took = time.monotonic() - began
    again = await refused(_give(cast.krakow, person, "4000D"), "card.blocked")
    return f"other reason: {wrong['code']}; at the other till after {1000 * took:.0f} ms: {again['code']}"


async def replaced(cast: Cast) -> str:
    person = await _someone(cast, "CARD-J")
    await _give(cast.lyon, person, "4000E")
    done = await _block(
        cast.lyon, person, "4000E", reason="lost", new_card={"number": "4000F", "type": "plastic"}
    )
    expect(done["code"] == "card.issued", str(done))
    await until(
        lambda: _numbers(cast.krakow, person), lambda found: found == ["4000F"], "the new card"
    )
    history = (await cast.admin.get("/cards/4000E/history"))["rows"]
    events = [one["event"] for one in history]
    expect("blocked" in events and "assigned" in events, str(events))
    preview = (await cast.krakow.get(f"/customers/{person}"))["cards"]
    shown = ", ".join(f"{one['number']} {one['state']} ({one['points']} points)" for one in preview)
    return f"4000E blocked and 4000F given; the other till shows {shown}"


async def _verify(cast: Cast, *, on: bool) -> None:
    await cast.admin.send(
        "PUT", "/settings/all", json={"card_verify_on_issue": on, "card_lock_s": LASTS_S}
    )
    for till in (cast.lyon, cast.krakow):
        await until(
            lambda till=till: till.get("/settings"),  # type: ignore[misc]
            lambda found: found["card_verify_on_issue"] is on and found["card_lock_s"] == LASTS_S,
            "the setting",
        )


async def _someone(cast: Cast, code: str) -> str:
    """A customer of both stores, at both tills."""
    made = await make_customer(
        cast, code, f"Holder {code}", centres=list(cast.stores), email=f"{code.lower()}@example.com"
    )
    for till in (cast.lyon, cast.krakow):
        await until(
            lambda till=till: till.get("/customers", phrase=code, column="code"),  # type: ignore[misc]
            lambda found: found["rows"],
            f"{code} at the till",
        )
    return made["id"]


async def _give(till: Client, customer: str, number: str | None) -> Json:
    wanted = {"type": "virtual"} if number is None else {"number": number, "type": "plastic"}
    given: Json = await till.send("POST", f"/customers/{customer}/cards", json=wanted)
    return given


async def _try(till: Client, customer: str, number: str) -> Json | None:
    """None while another till holds the card."""
    try:
        return await _give(till, customer, number)
    except Refused as problem:
        expect(problem.code == "card.locked", problem.code)
        return None


async def _block(till: Client, customer: str, number: str, **wanted: object) -> Json:
    done: Json = await till.send("POST", f"/customers/{customer}/cards/{number}/block", json=wanted)
    return done


async def _numbers(till: Client, customer: str) -> list[str]:
    """A customer's cards that work and have a number."""
    cards = (await till.get(f"/customers/{customer}/cards"))["cards"]
    return [one["number"] for one in cards if one["state"] != "blocked" and one["number"]]


async def _letter_to(cast: Cast, address: str) -> Received:
    return await cast.mail.wait_letter(lambda one: address in one.recipients)


async def _state(till: Client, number: str) -> tuple[str, str | None] | None:
    """None of a card the till does not know yet."""
    try:
        found = await till.get(f"/cards/{number}")
    except Refused as problem:
        expect(problem.code == "card.unknown", problem.code)
        return None
    return found["card"]["state"], found["card"]["reason"]


async def _start_again(cast: Cast) -> None:
    """The killed till runs again, and its cashier logs in."""
    url = await cast.system.tills[1].process.start()
    await cast.krakow.close()
    cast.krakow = await Client(url).log_in(CASHIER, PASSWORD)
    await cast.online(cast.krakow)


STEPS = (
    Step("CARD-5 CARD-8 CARD-15", "a card given online, locked first", given_online),
    Step("CARD-15", "the lock of a killed till ends", lock_of_a_killed_till),
    Step("CARD-8", "one card given at two tills without the ERP", both_offline),
    Step("CARD-9", "virtual cards, online and offline", virtual),
    Step("CARD-12", "a block reaches the other till", blocked),
    Step("CARD-10 CARD-13", "the next card with the block", replaced),
)
