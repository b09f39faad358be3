"""What to try at a running demo: lines that are pasted into a shell as they are."""

import shlex
from dataclasses import dataclass

NOWHERE = "qzxqzx"
"""A phrase no generated customer has."""


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
    """The lines; `own` is a customer of the till's store, `other` one of another store alone."""
    searched = shlex.quote(f'{{"phrase": "{(other or own).code}", "column": "code"}}')
    first_id = """grep -o '"id":"[^"]*' | head -n 1 | cut -c 7-"""
    told = "that of another store: usable is false" if other else "with usable and editable"
    return f"""\
Try (the pages above do the same with a mouse). First log in:
{_call("till", till)}
{_call("erp", erp)}

how the till stands, and the list while typing "dup lyo":
till status
till 'customers?phrase=dup+lyo&limit=5'

search in the ERP, and look at what it found ({told}):
SEARCH=$(till searches -d {searched} | {first_id})
till searches/$SEARCH

choose a customer for a document, then change it at the till:
till customers/{own.id}/choose -X POST
till customers/{own.id} -X PATCH -d '{{"phone": "+33 4 72 00 00 01"}}'

change the same customer in the ERP, and look at the till a moment later:
erp customers/{own.id} -X PATCH -d '{{"email": "new@example.org"}}'
till customers/{own.id}

the ERP's list of tills:
erp tills

an answer in French:
till 'customers?phrase={NOWHERE}' -H 'Accept-Language: fr'
"""


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
