"""The words of the AsyncAPI document: how to connect, ask, follow and report, for a reader with no other source."""

from typing import Any

from contracts.envelope import MAX_BYTES
from contracts.feed import PAGE_ROWS, UNPACKED_BYTES
from contracts.registry import Way
from contracts.search import SHOWN_AT_MOST
from contracts.settings import Settings

DEADLINE_MS = int(Settings().search_deadline_s * 1000)

INTRODUCTION = f"""\
One ERP keeps the customers of many stores; tills hold copies, work without it for weeks, and agree with it
again. Everything travels over one RabbitMQ virtual host (AMQP 0-9-1). This document is enough to write a till
in any language; the part most readers want first is **Asking a question**.

## Connecting

Each till has a user `pos.<pos_id>` made by the ERP together with its three queues `pos.<pos_id>.feed`,
`pos.<pos_id>.urgent` and `pos.<pos_id>.reply`. The user may write to the exchanges `comptoir.journal` and
`comptoir.rpc`, read its own queues, and declare nothing: a client that declares an exchange or a queue is
thrown out of its channel with 403 ACCESS_REFUSED. Use a heartbeat of about 10 seconds.

## The envelope

The body of every message is one JSON object in UTF-8, at most {MAX_BYTES:,} bytes, without the character NUL:
the fields of schema `Headers` (`id`, `type`, `version`, `occurred_at`, `origin`, …) and `data`, whose shape the
type decides. `id` is a new UUID for each message. `origin` is the sender: `pos.<pos_id>`, the very name of the
RabbitMQ user, or `erp`. Times are RFC 3339 with a zone. Fields that are absent may be left out; unknown fields
are to be ignored; a message of a version newer than the reader knows is put aside.

The AMQP property `user_id` must be the connection's user: the broker vouches for it, and what comes without it,
or with an `origin` that differs from it, is treated as forged and put aside. Properties must be UTF-8.

## Asking a question

An online search, step by step (every other question goes the same way):

1. Consume from `pos.<pos_id>.reply` (channel `till.reply`), without declaring it, in mode `no ack` or acking
   each.
2. Publish a `customer.search` to the exchange `comptoir.rpc` with the routing key `search` (channel
   `rpc.search`), mandatory, with the properties `user_id` = `pos.<pos_id>`, `correlation_id` = a text of your
   own that is new for each question, `expiration` = milliseconds you are ready to wait, as text, for instance
   `"{DEADLINE_MS}"`. There is no `reply_to`: answers always go to the reply queue of the user the broker
   vouched for.
3. The answer comes to the reply queue with the same `correlation_id`. `customer.found` tells the `outcome`:
   `found` with 1 to {SHOWN_AT_MOST} `rows`, `too_many` (more than {SHOWN_AT_MOST}; no rows are sent), or
   `none`. `erp.refused` tells by its `code` why there is no answer. Ignore answers whose `correlation_id` you
   no longer wait for.
4. No answer in time means: the data service cannot be reached. A question past its expiration is not executed.
   `expires_at` in the envelope is optional; if given it is a moment on the ERP's clock (see `erp.beat`), not on
   yours.

A search's `criteria`: `phrase` as typed (each word must begin some word of the searched columns; case, accents
and punctuation do not count), optionally one `column`, and the filters `kind`, `country`, `groups`,
`attributes`. To use a found customer in a document, ask for its whole record with `customer.fetch`.

## Following the feed

The ERP numbers every change of a *scope*; pages with these rows come to `pos.<pos_id>.feed`. Remember per scope
the `epoch` and the highest `to_seq` applied (the cursor). A page with `to_seq` ≤ cursor is old: drop it. With
`prev_seq` ≤ cursor: apply its rows and the cursor in one transaction. Otherwise something is missing: ask
`feed.pull` from the cursor, again and again until `to_seq` equals `head`. Pulling from 0 brings the whole
scope. Another `epoch` makes the cursor void. Pages are compressed when the property `content_encoding` is
`zstd`, to at most {UNPACKED_BYTES:,} bytes unpacked; pulled ones have {PAGE_ROWS} rows by default. The scopes
of a till are told by `erp.welcome`.

## Reporting changes

A till numbers its changes 1, 2, 3 … within an `epoch` of its own making (a random text; a new one after a
restore from backup), and publishes them in order as `customer.added` and `customer.edited`, persistent and
confirmed, with `epoch`, `seq` and `key` (the customer's id) in the envelope. It keeps each until a `progress`
row of scope `pos.<pos_id>` says that the ERP has applied it. After `journal.resend` it publishes again from the
given number. A `verdict` row tells what was not simply applied.
"""

TAGS = {"till": "What a till does", "erp": "What the ERP does"}
SERVER = "The broker. Bodies are JSON; one virtual host serves one ERP and all its tills."
TILL_USER = """\
One user per till, `pos.<pos_id>`, with the password of its enrolment. `x-rights` are the regular expressions of
RabbitMQ's permissions for this user, `{pos_id}` standing for the till's id."""
ERP_USER = "The ERP's user. It owns all exchanges and queues; tills never use it."
PARAMETERS = {
    "pos_id": "A till's id: small letters, digits and dashes, 40 at most.",
    "scope": "A feed: `all`, `centre.<centre>`, `all.customers`, `centre.<centre>.customers` or `pos.<pos_id>`.",
    "partition": "The part of the journal a till was given to; the ERP's choice.",
}
ANSWERING = "Several at once. The deadline of the question is kept; one past it is neither executed nor answered."
JOURNAL = "In order, confirmed by the broker, with `epoch`, `seq` and `key`; kept until the ERP has applied it."
CORRELATION = "The same in a question and its answer; chosen by who asks."
SAMPLES = {"full": "every field", "minimal": "only what must be there"}

PROPERTIES_NOTE = "Basic properties of AMQP 0-9-1 (not entries of the property `headers`)."
PROPERTY: dict[str, dict[str, Any]] = {
    "user_id": {
        "type": "string",
        "description": "the sender's RabbitMQ user, which the broker checks; a till's is its `origin`",
        "examples": ["pos.lyon-1"],
    },
    "correlation_id": {
        "type": "string",
        "minLength": 1,
        "maxLength": 255,
        "description": CORRELATION,
    },
    "expiration": {
        "type": "string",
        "pattern": "^[0-9]+$",
        "description": "milliseconds after which nobody waits any more, as text",
        "examples": [str(DEADLINE_MS)],
    },
    "delivery_mode": {"enum": [1, 2], "description": "1 transient, 2 persistent"},
    "type": {"type": "string", "description": "the type of the message, as in the envelope"},
    "content_encoding": {
        "enum": ["zstd"],
        "description": "the body is compressed (Zstandard); absent: it is JSON as it stands",
    },
}
PROPERTIES: dict[Way, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "question": (("user_id", "correlation_id", "expiration"), ("type", "delivery_mode")),
    "answer": (
        ("user_id", "correlation_id"),
        ("expiration", "type", "delivery_mode", "content_encoding"),
    ),
    "journal": (("user_id",), ("type", "delivery_mode")),
    "feed": (
        (),
        ("user_id", "correlation_id", "expiration", "type", "delivery_mode", "content_encoding"),
    ),
    "urgent": ((), ("user_id", "expiration", "type", "delivery_mode")),
}
"""Per way the properties a message must have, and those it may have."""


def asking(question: str, answers: tuple[str, ...]) -> str:
    """How one question is asked."""
    told = " or ".join(f"`{answer}`" for answer in (*answers, "erp.refused"))
    return (
        f"Publish with `user_id`, a new `correlation_id` and an `expiration`; `{question}` is answered by {told} "
        "on the till's reply queue, under the same `correlation_id`. No answer within the expiration: not reachable."
    )
