"""Adding and editing at a till, with and without the ERP: CUST, PREV."""

from ops.clients import Client, Json, until
from ops.story.cast import Cast, Step, expect, refused
from ops.story.sync import at_till, equal_digests, make_customer


async def required_fields(cast: Cast) -> str:
    problem = await refused(
        cast.lyon.send("POST", "/customers", json={"kind": "retail", "code": "REQ-1"}),
        "customer.incomplete",
    )
    named = [one["name"] for one in problem["fields"]]
    expect(set(named) >= {"first_name", "last_name"}, str(problem))
    return f"refused, fields marked: {', '.join(named)}"


async def rights_decide(cast: Cast) -> str:
    record = {"kind": "retail", "code": "RIGHT-1", "first_name": "Ada", "last_name": "Rightless"}
    problem = await refused(cast.trainee.send("POST", "/customers", json=record), "right.missing")
    made = await make_customer(cast, "LOCKED-1", "Readonly", centres=[cast.stores[0]])
    await cast.admin.send(
        "PUT", f"/customers/{made['id']}/availability",
        json={"everywhere": False, "centres": list(cast.stores), "editors": [cast.stores[1]]},
    )  # fmt: skip
    await until(lambda: at_till(cast.krakow, "readonly"), len, "arrival")
    await until(lambda: at_till(cast.lyon, "readonly"), len, "arrival")
    await until(
        lambda: cast.lyon.get(f"/customers/{made['id']}"),
        lambda seen: not seen["editable"],
        "the centre's right",
    )
    denied = await refused(
        edit(cast.lyon, made["id"], {"phone": "+33 1"}), "customer.no_edit_right"
    )
    return f"operator: {problem['code']}; centre: {denied['code']} “{denied['text']}”"


async def added_online(cast: Cast) -> str:
    made = await add(cast.lyon, "TILL-1", "Tillborn")
    await until(
        lambda: cast.admin.get("/customers", phrase="tillborn"), lambda s: s["rows"], "in the ERP"
    )
    taken = await refused(_add(cast.krakow, "TILL-1", "Other"), "customer.code_taken")
    return (
        f"{made['record']['code']} is in the ERP; the same code at the other till: {taken['code']}"
    )


async def offline_edit(cast: Cast) -> str:
    """An edit with the broker stopped, seen at once at the till and in the ERP after the start."""
    (row,) = await at_till(cast.lyon, "tillborn")
    await cast.stop_broker()
    try:
        await cast.offline(cast.lyon)
        await edit(cast.lyon, row["id"], {"email": "tillborn@example.org"})
        status = await cast.lyon.get("/status")
        expect(status["journal"]["waiting"] == 1, str(status["journal"]))
        seen = await cast.lyon.get(f"/customers/{row['id']}")
        expect(seen["record"]["email"] == "tillborn@example.org", "not seen at the till")
    finally:
        await cast.start_broker()
    await until(
        lambda: cast.admin.get(f"/customers/{row['id']}"),
        lambda s: s["record"].get("email") == "tillborn@example.org",
        "the edit in the ERP",
    )
    await until(
        lambda: cast.lyon.get("/status"), lambda s: s["journal"]["waiting"] == 0, "journal empty"
    )
    return "seen at once, 1 waiting; broker back: in the ERP, none waiting"


async def offline_code_clash(cast: Cast) -> str:
    """CUST-4: a code that the ERP gave to another store's customer meanwhile."""
    await cast.online()
    await cast.stop_broker()
    try:
        await cast.offline(cast.lyon)
        made = await add(cast.lyon, "CLASH-1", "Newcomer")
        await make_customer(cast, "CLASH-1", "Firstcomer", centres=[cast.stores[1]])
    finally:
        await cast.start_broker()
    seen = await until(
        lambda: cast.lyon.get(f"/customers/{made['id']}"),
        lambda s: s["record"]["code"] != "CLASH-1",
        "the new code at the till",
    )
    notice = await told(cast.lyon, "customer.renamed")
    return f"CLASH-1 became {seen['record']['code']}; told: “{notice['text']}”"


async def conflicting_edit(cast: Cast) -> str:
    """CUST-13: fields changed on one side are both kept; the same field: the ERP's value stands."""
    await cast.online()
    (row,) = await at_till(cast.lyon, "tillborn")
    before = await cast.admin.get(f"/customers/{row['id']}")
    await cast.stop_broker()
    try:
        await cast.offline(cast.lyon)
        await edit(
            cast.lyon, row["id"], {"phone": "+33 6 11 11 11 11", "extra_phone": "+33 6 33 33 33 33"}
        )
        await cast.admin.send(
            "PATCH", f"/customers/{row['id']}",
            json={"phone": "+33 6 22 22 22 22", "email": "erp@example.org"},
            headers={"If-Match": str(before["version"])},
        )  # fmt: skip
    finally:
        await cast.start_broker()
    wanted = {
        "phone": "+33 6 22 22 22 22",
        "email": "erp@example.org",
        "extra_phone": "+33 6 33 33 33 33",
    }

    def holds(seen: Json) -> bool:
        return all(seen["record"].get(name) == value for name, value in wanted.items())

    await until(lambda: cast.admin.get(f"/customers/{row['id']}"), holds, "merged in the ERP")
    await until(lambda: cast.lyon.get(f"/customers/{row['id']}"), holds, "merged at the till")
    notice = await told(cast.lyon, "customer.conflict")
    return f"phone: the ERP's stands; e-mail and extra phone both kept; told: “{notice['text']}”"


async def description_is_the_erps(cast: Cast) -> str:
    (row,) = await at_till(cast.lyon, "tillborn")
    problem = await refused(
        edit(cast.lyon, row["id"], {"description": "mine"}), "customer.description_read_only"
    )
    return str(problem["code"])


async def equal_in_the_end(cast: Cast) -> str:
    told_rows = []
    for till in (cast.lyon, cast.krakow, cast.kiosk):
        await until(till.status, lambda s: s["journal"]["waiting"] == 0, "journal empty")
        rows, scopes = await equal_digests(cast, till)
        told_rows.append(f"{rows:,} rows in {scopes} feeds")
    return f"journals empty, digests equal: {'; '.join(told_rows)}"


async def add(client: Client, code: str, last_name: str) -> Json:
    made: Json = await _add(client, code, last_name)
    return made


async def _add(client: Client, code: str, last_name: str) -> Json:
    record = {"kind": "retail", "code": code, "first_name": "Eva", "last_name": last_name}
    made: Json = await client.send("POST", "/customers", json=record)
    return made


async def edit(client: Client, customer_id: str, patch: Json) -> Json:
    """Edits as a cashier does: with the version that was seen."""
    seen = await client.get(f"/customers/{customer_id}")
    edited: Json = await client.send(
        "PATCH", f"/customers/{customer_id}", json=patch, headers={"If-Match": seen["etag"]}
    )
    return edited


async def told(client: Client, code: str) -> Json:
    """The newest notice with this code."""
    seen = await until(
        lambda: client.get("/notices"),
        lambda s: any(one["code"] == code for one in s),
        f"notice {code}",
    )
    found: Json = next(one for one in seen if one["code"] == code)
    return found


STEPS = (
    Step("CUST-2", "a required field is missing", required_fields),
    Step("CUST-1 PREV-2", "rights decide", rights_decide),
    Step("CUST-1 CUST-3", "added at a till; the code is taken everywhere", added_online),
    Step("CUST-11", "the description is the ERP's", description_is_the_erps),
    Step("CUST-1", "an edit with the broker stopped, then started", offline_edit),
    Step("CUST-4", "offline clash of codes", offline_code_clash),
    Step("CUST-13", "a conflicting edit", conflicting_edit),
    Step("SYNC-6 I1 I2", "in the end", equal_in_the_end),
)
