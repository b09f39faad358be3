"""What to try at a running demo: lines that are pasted into a shell as they are."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

NOWHERE = "qzxqzx"
"""A phrase no generated customer has."""


CARD, NEXT = "2900012345", "2900012346"


@dataclass(frozen=True, slots=True)
class Example:
    """A customer to try things with."""

    id: str
    code: str


@dataclass(frozen=True, slots=True)
class Address:
    """A node, and a person who may log in there."""

    url: str
    name: str
    password: str


def suggestions(till: Address, erp: Address, own: Example, other: Example | None) -> str:
    """The lines, explanations among them as comments: one may paste them all at once.

    `own` is a person who is a customer of the till's store, `other` one of another store alone.
    """
    searched = shlex.quote(f'{{"phrase": "{(other or own).code}", "column": "code"}}')
    first_id = """grep -o '"id":"[^"]*' | head -n 1 | cut -c 7-"""
    told = "one of another store: held and usable are false" if other else "one of this store"
    block = shlex.quote(
        f'{{"reason": "lost", "new_card": {{"number": "{NEXT}", "type": "plastic"}}}}'
    )
    return f"""\
# log in
{_call("till", till)}
{_call("erp", erp)}

# how the till stands, and its list while somebody types dup lyo
till status
till 'customers?phrase=dup+lyo&limit=5'

# search in the ERP and wait for what it finds, {told}
SEARCH=$(till searches -d {searched} | {first_id})
{_again("till searches/$SEARCH", "-v", '"state":"running"')}

# choose a customer for a document, then change it at the till
till customers/{own.id}/choose -X POST
till customers/{own.id} -X PATCH -d '{{"phone": "+33 4 72 00 00 01"}}'

# change the same customer in the ERP, and wait until the till has it
erp customers/{own.id} -X PATCH -d '{{"email": "new@example.org"}}'
{_again(f"till customers/{own.id}", "-F", "new@example.org")}

# give them a loyalty card, and look at it in the ERP
till customers/{own.id}/cards -d '{{"number": "{CARD}", "type": "plastic"}}'
{_again(f"erp cards/{CARD}", "-F", '"state":"active"')}

# block it and give the next one in the same step; then what happened to the first, as the ERP has it
till customers/{own.id}/cards/{CARD}/block -d {block}
{_again(f"erp cards/{CARD}", "-F", '"state":"blocked"')}
erp cards/{CARD}/history

# the tills as each last told the ERP, at seen_at: that may be ten seconds ago, behind and waiting with it
erp tills

# an answer in French
till 'customers?phrase={NOWHERE}' -H 'Accept-Language: fr'
"""


def recording(amqp_url: str, admin_url: str) -> str:
    """The line that records what goes over the bus, for a terminal of its own."""
    bus, admin = shlex.quote(amqp_url), shlex.quote(admin_url)
    return f"./comptoir trace record trace --outside --amqp-url {bus} --admin-url {admin}"


def operating(env: Mapping[str, str]) -> str:
    """The lines that let `comptoir erp …` work on this ERP, for a terminal of its own."""
    settings = "\n".join(f"export {name}={shlex.quote(value)}" for name, value in env.items())
    return f"{settings}\n./comptoir erp stuck"


def _again(call: str, option: str, text: str) -> str:
    """Shell that asks again until the answer has a text (-F), or has it no more (-v), and shows that one."""
    return f"until {call} | grep {option} {shlex.quote(text)}; do sleep 0.2; done"


def _call(name: str, at: Address) -> str:
    """A shell function that sends a request as somebody logged in."""
    api, kind = f"{at.url}/api/v1", "-H 'Content-Type: application/json'"
    person = shlex.quote(f'{{"name": "{at.name}", "password": "{at.password}"}}')
    token = (
        f"""$(curl -s {api}/session {kind} -d {person} | sed 's/.*"token":"\\([^"]*\\)".*/\\1/')"""
    )
    variable = f"{name.upper()}_TOKEN"
    call = f"""curl -s "{api}/$where" {kind} -H "Authorization: Bearer ${variable}" "$@"; echo"""
    return f"{variable}={token}\n{name}() {{ where=$1; shift; {call}; }}"
