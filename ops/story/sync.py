"""Import, both tills complete, a change arriving, withdrawal: SYNC."""

import json
import time
from pathlib import Path

from ops.clients import Client, Json, until
from ops.story.cast import Cast, Step, expect


async def import_twice(cast: Cast) -> str:
    """The customers went in when the system was filled; the same file again changes nothing."""
    again = (
        await cast.system.command("import", str(cast.system.folder / "customers.jsonl"))
    ).strip()
    expect(f"0 created, 0 changed, {cast.customers} unchanged, 0 rejected" in again, again)
    return f"{cast.customers:,} customers are in; the same file again: {again.partition(': ')[2]}"


async def import_bad_rows(cast: Cast) -> str:
    file = cast.system.folder / "mixed.csv"
    file.write_text(
        "code,kind,first_name,last_name,name,email,centres\n"
        f"GOOD-1,retail,Ada,Lovelace,,,{cast.stores[0]}\n"
        f"BAD-1,retail,,Nameless,,,{cast.stores[0]}\n"
        f"BAD-2,business,,,Ets Faux,not-an-address,{cast.stores[0]}\n"
        f"GOOD-2,business,,,Ets Vrai,,{cast.stores[0]}\n",
        "utf-8",
    )  # fmt: skip
    said = await cast.system.command("import", str(file))
    expect("2 created" in said and "2 rejected" in said, said)
    rejects = Path(f"{file}.rejects.csv").read_text("utf-8")
    expect("first_name" in rejects and "email" in rejects, rejects)
    return "2 good rows in, 2 rejected: " + " / ".join(
        line[:60] for line in rejects.splitlines()[1:3]
    )


async def both_complete(cast: Cast) -> str:
    told = []
    for client in (cast.lyon, cast.krakow):
        await until(
            client.status,
            lambda s: s["complete"] and s["behind"] == 0,
            "till complete",
            timeout=240,
        )
        rows, scopes = await equal_digests(cast, client)
        told.append(f"{rows:,} rows in {scopes} feeds")
    return f"digests equal: {' and '.join(told)}"


async def equal_digests(cast: Cast, client: Client) -> tuple[int, int]:
    """Both ends' digests of every scope of a till, once they are equal: rows and scopes."""
    status = await client.get("/status")
    rows = 0
    scopes = [one["scope"] for one in status["scopes"]]
    for scope in scopes:

        async def both(scope: str = scope) -> tuple[Json, Json]:
            return (
                await cast.admin.get(f"/scopes/{scope}/digest"),
                await client.get(f"/scopes/{scope}/digest"),
            )

        erp, _ = await until(both, lambda pair: pair[0] == pair[1], f"digest of {scope} equal")
        rows += sum(erp["counts"])
    return rows, len(scopes)


async def change_arrives(cast: Cast) -> str:
    found = (await cast.lyon.get("/customers", limit=1))["rows"][0]
    record = await cast.admin.get(f"/customers/{found['id']}")
    phone = "+33 6 99 00 11 22"
    began = time.monotonic()
    await cast.admin.send(
        "PATCH", f"/customers/{found['id']}",
        json={"phone": phone}, headers={"If-Match": str(record["version"])},
    )  # fmt: skip
    committed = time.monotonic()
    await until(
        lambda: cast.lyon.get(f"/customers/{found['id']}"),
        lambda seen: seen["record"].get("phone") == phone,
        "the new phone at the till",
    )
    took = time.monotonic() - committed
    expect(took < 1, f"took {took:.2f} s")
    return (
        f"seen at the till {1000 * took:.0f} ms after the ERP's commit ({committed - began:.2f} s)"
    )


async def withdrawn_availability(cast: Cast) -> str:
    made = await make_customer(cast, "WITHDRAW-1", "Ephemeral", centres=[cast.stores[0]])
    await until(lambda: at_till(cast.lyon, "ephemeral"), lambda rows: len(rows) == 1, "arrival")
    await cast.admin.send(
        "PUT", f"/customers/{made['id']}/availability",
        json={"everywhere": False, "centres": [cast.stores[1]], "editors": None},
    )  # fmt: skip
    await until(lambda: at_till(cast.lyon, "ephemeral"), lambda rows: not rows, "withdrawal")
    await until(lambda: at_till(cast.krakow, "ephemeral"), lambda rows: len(rows) == 1, "arrival")
    return f"left {cast.stores[0]}'s list, came to {cast.stores[1]}'s"


async def deactivated_and_prospect(cast: Cast) -> str:
    made = await make_customer(cast, "DEACT-1", "Fleetingson", centres=[cast.stores[0]])
    await until(lambda: at_till(cast.lyon, "fleetingson"), len, "arrival")
    await cast.admin.send("PUT", f"/customers/{made['id']}/state", json={"active": False})
    await until(lambda: at_till(cast.lyon, "fleetingson"), lambda rows: not rows, "deactivation")
    await cast.admin.send("PUT", f"/customers/{made['id']}/state", json={"active": True})
    await until(lambda: at_till(cast.lyon, "fleetingson"), len, "activation")
    await cast.admin.send("PUT", f"/customers/{made['id']}/state", json={"is_customer": False})
    await until(lambda: at_till(cast.lyon, "fleetingson"), lambda rows: not rows, "prospect")
    return "deactivated: gone; active again: back; option Customer off: gone"


async def history_is_kept(cast: Cast) -> str:
    rows = (await cast.lyon.get("/customers", limit=1))["rows"]
    history = await cast.admin.get(f"/customers/{rows[0]['id']}/history")
    lines = history["rows"] if isinstance(history, dict) else history
    phone = next((one for one in lines if one["path"] == "phone"), None)
    expect(phone is not None, json.dumps(lines)[:300])
    assert phone is not None
    return f"{len(lines)} lines; phone by {phone['changed_by']} in {phone['changed_where']}"


async def connection_is_visible(cast: Cast) -> str:
    status = await cast.lyon.get("/status")
    expect(status["online"] and status["journal"]["waiting"] == 0, str(status)[:300])
    tills = await cast.admin.get("/tills")
    rows = tills["rows"] if isinstance(tills, dict) else tills
    expect(len(rows) == len(cast.system.tills), str(rows)[:300])
    return (
        f"till: online since {status['since'][:19]}, 0 waiting; ERP: {len(rows)} tills, "
        + ", ".join(f"{one['pos_id']} {'online' if one['online'] else 'offline'}" for one in rows)
    )


async def at_till(client: Client, phrase: str) -> list[Json]:
    """What a till's list shows for a phrase."""
    rows: list[Json] = (await client.get("/customers", phrase=phrase))["rows"]
    return rows


async def make_customer(
    cast: Cast, code: str, last_name: str, *, centres: list[str], **fields: object
) -> dict[str, str]:
    """Makes a retail customer in the ERP."""
    record = {"kind": "retail", "code": code, "first_name": "Zoe", "last_name": last_name, **fields}
    made: dict[str, str] = await cast.admin.send(
        "POST", "/customers", json={"record": record, "everywhere": False, "centres": centres}
    )
    return made


STEPS = (
    Step("SYNC-1", "import, and again", import_twice),
    Step("SYNC-1", "a file with bad rows", import_bad_rows),
    Step("SYNC-5 SYNC-6", "both tills complete by themselves", both_complete),
    Step("SYNC-1", "a customer changed in the ERP arrives", change_arrives),
    Step("SYNC-3", "its history", history_is_kept),
    Step("SYNC-4", "withdrawn availability", withdrawn_availability),
    Step("SYNC-4 SYNC-1", "deactivated, active, no customer", deactivated_and_prospect),
    Step("SYNC-7", "the connection is visible at both ends", connection_is_visible),
)
