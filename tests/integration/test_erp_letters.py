"""Letters with the numbers of virtual cards, over a real mail server (CARD-9)."""

import asyncio
import random
import re
import shutil
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from structlog.testing import capture_logs

from contracts.cards import CardIssue
from erp_node import letters as sending
from erp_node.app import open_node
from erp_node.callers import Callers
from erp_node.card_counter import Counter
from erp_node.cards import CardDesk, answer_issue
from erp_node.letters import TRIES, Letters, send_again, settle_attempt
from erp_node.mail import MailServer, Outcome
from erp_node.settings import ErpSettings
from erp_node.smtp_url import read_smtp_url
from erp_node.store.letters import Letter, LetterStanding, add_letters, find_letter
from erp_node.store.pool import Pool, open_pool
from ops.mail import MailSink, mail_sink
from runtime.settings import load
from tests.databases import Database, Migrate
from tests.erp import ANNA, Time, enrol, migrated, question, retail, store_customer
from tests.processes import Spawner

SENDER = "Comptoir <cards@shop.example>"

CUT_WAITING = """
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


@pytest.fixture
def migrate() -> Migrate:
    return migrated


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[Pool]:
    async with await open_pool(database.dsn, max_size=4) as opened:
        yield opened


@pytest.fixture
async def sink() -> AsyncIterator[MailSink]:
    async with mail_sink() as running:
        yield running


async def at_once(seconds: float) -> None:
    """A pause that takes no time."""
    await asyncio.sleep(0)


def worker(pool: Pool, url: str) -> Letters:
    mail = MailServer(read_smtp_url(url), SENDER)
    return Letters(pool, mail, rng=random.Random(7), pause=at_once)


@pytest.fixture
def letters(pool: Pool, sink: MailSink) -> Letters:
    return worker(pool, sink.url)


class Outbox:
    """What the deciding transaction has put there, and what becomes of it."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._count = 0

    async def put(self, customer: UUID | None = None, language: str = "en") -> UUID:
        """A virtual card of a customer, of a new one if need be, and its letter."""
        self._count += 1
        if customer is None:
            someone = retail(f"N-{self._count}", email=f"n{self._count}@example.com")
            customer = await store_customer(self._pool, someone)
        number, request_id = f"V{self._count}", uuid4()
        if await self._pool.fetchval("SELECT true FROM customer WHERE id = $1", customer):
            await self._pool.execute(
                "INSERT INTO card (number, form, customer_id, request_id) VALUES ($1, 'virtual', $2, $3)",
                number, customer, request_id,
            )  # fmt: skip
        async with self._pool.acquire() as connection:
            await add_letters(connection, [Letter(request_id, number, customer, language)])
        return request_id

    async def standing(self, request_id: UUID) -> LetterStanding:
        found = await find_letter(self._pool, request_id)
        assert found is not None
        return found

    async def is_now(self, request_id: UUID) -> tuple[str, str | None]:
        """Its state and why."""
        found = await self.standing(request_id)
        return found.state, found.reason

    async def pass_time(self) -> None:
        """What is waited for has come: the next try, or the end of what a process may take."""
        await self._pool.execute(
            "UPDATE card_letter SET due_at = clock_timestamp() WHERE state IN ('waiting', 'sending')"
        )


@pytest.fixture
def outbox(pool: Pool) -> Outbox:
    return Outbox(pool)


@pytest.fixture
async def ada(pool: Pool) -> UUID:
    customer = retail("A-1", "Łącka <b>", "Zoë", email="ada@example.com")
    return await store_customer(pool, customer)


async def test_card_9_a_letter_tells_the_customer_the_number_once(
    outbox: Outbox, letters: Letters, sink: MailSink, ada: UUID
) -> None:
    request_id = await outbox.put(ada)
    await letters.send_due()
    await letters.send_due()
    (letter,) = sink.letters
    assert (letter.sender, letter.recipients) == ("cards@shop.example", ("ada@example.com",))
    assert letter.message["From"] == SENDER
    assert letter.message["To"] == "ada@example.com"
    assert letter.message["Message-ID"] == f"<card.{request_id}@shop.example>"
    assert letter.message["Date"].datetime
    assert "number of your loyalty card is V1." in letter.text()
    assert "Hello Zoë Łącka <b>," in letter.text()
    assert "Hello Zoë Łącka &lt;b&gt;," in letter.text("html")
    assert "<strong>V1</strong>" in letter.text("html")
    assert await outbox.is_now(request_id) == ("sent", None)


async def test_card_9_a_letter_is_in_the_language_it_was_asked_for(
    outbox: Outbox, letters: Letters, sink: MailSink
) -> None:
    for language in ("fr", "en", "pl"):
        await outbox.put(language=language)
    await letters.send_due()
    subjects = [letter.message["Subject"] for letter in sink.letters]
    assert subjects == ["Votre carte de fidélité", "Your loyalty card", "Your loyalty card"]
    assert "Votre carte de fidélité porte le numéro V1." in sink.letters[0].text()
    assert '<html lang="fr">' in sink.letters[0].text("html")
    assert sink.letters[0].message["Content-Language"] == "fr"


async def test_card_9_an_address_beyond_english_letters_is_written_to(
    pool: Pool, outbox: Outbox, letters: Letters, sink: MailSink
) -> None:
    zofia = await store_customer(pool, retail("Z-1", email="żółć@exämple.com"))
    await outbox.put(zofia)
    await letters.send_due()
    (letter,) = sink.letters
    assert letter.recipients == ("żółć@exämple.com",)


async def test_card_9_workers_of_several_processes_send_each_letter_once(
    outbox: Outbox, letters: Letters, sink: MailSink, database: Database
) -> None:
    put = [await outbox.put() for _ in range(24)]
    async with await open_pool(database.dsn, max_size=2) as other_pool:
        other = worker(other_pool, sink.url)
        await asyncio.gather(letters.send_due(), other.send_due(), letters.send_due())
    arrived = [letter.message["Message-ID"] for letter in sink.letters]
    assert sorted(arrived) == sorted(f"<card.{one}@shop.example>" for one in put)
    assert {await outbox.is_now(one) for one in put} == {("sent", None)}


async def test_card_9_a_request_that_comes_again_is_one_letter(
    pool: Pool, letters: Letters, sink: MailSink, ada: UUID
) -> None:
    await enrol(pool, "p1")
    await pool.execute(
        "INSERT INTO reference (key, kind, record) VALUES ('card_type/mail', 'card_type',"
        """ '{"kind": "card_type", "code": "mail", "form": "virtual"}')"""
    )
    time = Time()
    desk = CardDesk(pool, Callers(time.monotonic), time, uuid4, Counter(pool))
    asked = CardIssue(customer_id=ada, request_id=uuid4(), type="mail", author=ANNA)
    await answer_issue(desk, question("p1", asked))
    await answer_issue(desk, question("p1", asked))
    await letters.send_due()
    await answer_issue(desk, question("p1", asked))
    await letters.send_due()
    assert [letter.recipients for letter in sink.letters] == [("ada@example.com",)]


async def test_card_9_letters_wait_for_a_mail_server_that_is_away(
    outbox: Outbox, letters: Letters, sink: MailSink
) -> None:
    await sink.stop()
    first, second = await outbox.put(), await outbox.put()
    await letters.send_due()
    for request_id in (first, second):
        standing = await outbox.standing(request_id)
        assert (standing.state, standing.attempts) == ("waiting", 1)
        assert standing.reason == "cannot connect: Connection refused"
        assert standing.due_at > standing.wanted_at
    await sink.start()
    await letters.send_due()  # not yet
    assert sink.letters == []
    await outbox.pass_time()
    await letters.send_due()
    assert len(sink.letters) == 2
    assert await outbox.is_now(first) == ("sent", None)


@pytest.mark.parametrize(
    ("command", "answer", "reason"),
    [
        ("MAIL", "451 4.3.0 ada@example.com: busy", "sender refused (451 4.3.0)"),
        ("MAIL", "553 5.7.1 not you", "sender refused (553 5.7.1)"),
        ("RCPT", "450 4.2.0 ada@example.com: greylisted", "recipient refused (450 4.2.0)"),
        ("RCPT", "530 5.7.0 log in first", "recipient refused (530 5.7.0)"),
        ("DATA", "452 ada@example.com: no room", "letter refused (452)"),
        ("DATA", "421 4.3.2 closing", "letter refused (421 4.3.2)"),
    ],
)
async def test_card_9_a_refusal_that_may_pass_is_tried_again(
    outbox: Outbox, letters: Letters, sink: MailSink, command: str, answer: str, reason: str
) -> None:
    both = [await outbox.put() for _ in range(2)]  # over one connection
    sink.refusals = {command: answer}
    await letters.send_due()
    await letters.send_due()
    assert [await outbox.is_now(one) for one in both] == [("waiting", reason)] * 2
    sink.refusals = {}
    await outbox.pass_time()
    await letters.send_due()
    assert [await outbox.is_now(one) for one in both] == [("sent", None)] * 2
    assert len(sink.letters) == 2


@pytest.mark.parametrize(
    ("command", "answer", "reason"),
    [
        ("RCPT", "550 5.1.1 ada@example.com: nobody here", "recipient refused (550 5.1.1)"),
        ("DATA", "554 5.6.0 not wanted", "letter refused (554 5.6.0)"),
    ],
)
async def test_card_9_a_refusal_of_the_recipient_or_letter_for_good_gives_it_up(
    outbox: Outbox, letters: Letters, sink: MailSink, command: str, answer: str, reason: str
) -> None:
    request_id = await outbox.put()
    sink.refusals = {command: answer}
    await letters.send_due()
    assert await outbox.is_now(request_id) == ("given_up", reason)
    sink.refusals = {}
    await outbox.pass_time()
    await letters.send_due()
    assert sink.letters == []


async def test_card_9_a_letter_that_broke_off_after_it_was_handed_over_is_never_sent_again(
    outbox: Outbox, letters: Letters, sink: MailSink
) -> None:
    request_id = await outbox.put()
    sink.cut_after_data = True
    await letters.send_due()
    reason = "connection lost before the letter was confirmed"
    assert await outbox.is_now(request_id) == ("unsure", reason)
    sink.cut_after_data = False
    await outbox.pass_time()
    await letters.send_due()
    assert len(sink.letters) == 1
    assert await outbox.is_now(request_id) == ("unsure", reason)


async def test_card_9_a_letter_whose_process_was_killed_is_never_sent_again(
    outbox: Outbox, letters: Letters, sink: MailSink, database: Database, spawn: Spawner
) -> None:
    request_id = await outbox.put()
    sink.silent_after_data = True
    process = await spawn(sys.executable, "-m", "tests.letter_sender", database.dsn, sink.url)
    await sink.wait_letter()
    await process.kill()
    sink.silent_after_data = False
    await letters.send_due()
    assert (await outbox.standing(request_id)).state == "sending"  # it might still be at it
    await outbox.pass_time()
    await letters.send_due()
    await letters.send_due()
    assert await outbox.is_now(request_id) == ("unsure", "its process ended while sending it")
    assert len(sink.letters) == 1


async def test_card_9_a_person_can_have_a_letter_sent_again(
    pool: Pool, outbox: Outbox, letters: Letters, sink: MailSink
) -> None:
    request_id = await outbox.put()
    sink.cut_after_data = True
    await letters.send_due()
    sink.cut_after_data = False
    assert await send_again(pool, request_id) == "unsure"
    assert (await outbox.standing(request_id)).attempts == 0
    await letters.send_due()
    assert await outbox.is_now(request_id) == ("sent", None)
    first, second = sink.letters
    assert first.message["Message-ID"] == second.message["Message-ID"]
    assert await send_again(pool, uuid4()) is None


async def test_card_9_a_letter_that_is_just_being_sent_is_not_sent_beside(
    pool: Pool, outbox: Outbox, letters: Letters, sink: MailSink
) -> None:
    request_id = await outbox.put()
    sink.silent_after_data = True
    task = asyncio.create_task(letters.run())
    await sink.wait_letter()
    assert await send_again(pool, request_id) == "sending"
    assert await outbox.is_now(request_id) == ("sending", None)
    await sink.stop()
    await end(task)
    assert len(sink.letters) == 1


async def end(task: asyncio.Task[None]) -> None:
    """Cancels a worker and waits for its end."""
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize(
    ("changes", "email", "reason"),
    [
        ({"state": "deleted"}, "n@example.com", "the customer is no more"),
        ({"state": "anonymised"}, "n@example.com", "the customer is no more"),
        ({}, None, "the customer has no e-mail address"),
        ({}, 'n"x"@example.com', "the customer's e-mail address is none"),
        ({}, "a,b@example.com", "the customer's e-mail address is none"),
    ],
)
async def test_card_9_without_anybody_to_write_to_a_letter_is_given_up(
    pool: Pool, outbox: Outbox, letters: Letters, sink: MailSink,
    changes: dict[str, Any], email: str | None, reason: str,
) -> None:  # fmt: skip
    someone = await store_customer(pool, retail("S-1", email=email), **changes)
    request_id, other = await outbox.put(someone), await outbox.put()
    await letters.send_due()
    assert await outbox.is_now(request_id) == ("given_up", reason)
    assert await outbox.is_now(other) == ("sent", None)
    assert len(sink.letters) == 1


async def test_card_9_the_address_is_read_when_the_letter_is_sent(
    pool: Pool, outbox: Outbox, letters: Letters, sink: MailSink, ada: UUID
) -> None:
    await outbox.put(ada)
    await outbox.put(uuid4())  # of a customer that is not there
    await pool.execute(
        "UPDATE customer SET record = jsonb_set(record, '{email}', '\"new@example.com\"') WHERE id = $1",
        ada,
    )
    await letters.send_due()
    assert [letter.recipients for letter in sink.letters] == [("new@example.com",)]


async def test_card_9_the_number_of_a_blocked_card_is_not_sent(
    pool: Pool, outbox: Outbox, letters: Letters, sink: MailSink, ada: UUID
) -> None:
    request_id = await outbox.put(ada)
    await pool.execute("UPDATE card SET state = 'blocked', reason = 'lost'")
    await letters.send_due()
    reason = "the card is blocked, or another customer's by now"
    assert await outbox.is_now(request_id) == ("given_up", reason)
    assert sink.letters == []


async def test_card_9_a_letter_is_given_up_after_about_a_day_of_tries(
    pool: Pool, outbox: Outbox, letters: Letters, sink: MailSink
) -> None:
    failed = Outcome("later", "cannot connect")
    settled = [settle_attempt(failed, attempt, 0.0) for attempt in range(1, TRIES + 1)]
    assert {one.state for one in settled[:-1]} == {"waiting"}
    assert settled[-1].state == "given_up"
    assert 22 <= sum(one.pause_s for one in settled) / 3_600 <= 26
    assert settle_attempt(failed, 1, 1.0).pause_s > settle_attempt(failed, 1, -1.0).pause_s
    request_id = await outbox.put()
    await pool.execute("UPDATE card_letter SET attempts = $1", TRIES - 1)
    await sink.stop()
    await letters.send_due()
    assert await outbox.is_now(request_id) == ("given_up", "cannot connect: Connection refused")


class HeldMail:
    """A mail server that says yes when it is told to."""

    sender = SENDER
    usable = True

    def __init__(self) -> None:
        self.begun, self.may_end = asyncio.Event(), asyncio.Event()
        self.count = 0

    @asynccontextmanager
    async def connect(self) -> AsyncIterator["HeldMail"]:
        yield self

    async def hand_over(self, message: EmailMessage) -> Outcome:
        self.count += 1
        self.begun.set()
        await self.may_end.wait()
        return Outcome("sent")


async def test_card_9_a_worker_that_is_told_to_end_ends_its_letter_first(
    pool: Pool, outbox: Outbox
) -> None:
    mail = HeldMail()
    both = [await outbox.put() for _ in range(2)]
    task = asyncio.create_task(Letters(pool, mail, rng=random.Random(7)).run())
    await mail.begun.wait()
    task.cancel()
    asyncio.get_running_loop().call_soon(mail.may_end.set)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [await outbox.is_now(one) for one in both] == [("sent", None), ("waiting", None)]


async def test_card_9_a_letter_in_hand_at_the_end_is_not_waited_for_without_limit(
    pool: Pool, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "GRACE_S", 0.01)
    mail = HeldMail()
    request_id = await outbox.put()
    task = asyncio.create_task(Letters(pool, mail, rng=random.Random(7)).run())
    await mail.begun.wait()
    await end(task)
    assert (await outbox.standing(request_id)).state == "sending"


async def test_card_9_what_the_server_has_accepted_is_written_down_though_the_database_failed(
    pool: Pool, outbox: Outbox, database: Database
) -> None:
    mail = HeldMail()
    request_id = await outbox.put()
    task = asyncio.create_task(Letters(pool, mail, rng=random.Random(7), pause=at_once).send_due())
    await mail.begun.wait()
    connection = await asyncpg.connect(database.dsn)
    async with asyncio.timeout(30), connection.transaction():
        await connection.execute("SELECT FROM card_letter FOR UPDATE")
        mail.may_end.set()
        while not await connection.fetchval(CUT_WAITING):
            pass
    await connection.close()
    await task
    assert await outbox.is_now(request_id) == ("sent", None)


async def test_card_9_a_process_that_comes_back_too_late_changes_nothing(
    pool: Pool, outbox: Outbox, letters: Letters, sink: MailSink
) -> None:
    mail, again = HeldMail(), HeldMail()
    request_id = await outbox.put()
    late = asyncio.create_task(Letters(pool, mail, rng=random.Random(7)).send_due())
    await mail.begun.wait()
    await outbox.pass_time()
    await letters.send_due()
    assert (await outbox.standing(request_id)).state == "unsure"
    assert sink.letters == []
    await send_again(pool, request_id)
    second = asyncio.create_task(Letters(pool, again, rng=random.Random(7)).send_due())
    await again.begun.wait()
    mail.may_end.set()
    await late
    assert (await outbox.standing(request_id)).state == "sending"  # the second one's
    again.may_end.set()
    await second
    assert (await outbox.standing(request_id)).state == "sent"


async def test_card_9_what_is_logged_names_nobody(
    outbox: Outbox, letters: Letters, sink: MailSink, pool: Pool
) -> None:
    ada = await store_customer(pool, retail("A-9", "Secret", email="secret@example.com"))
    await outbox.put(ada)
    with capture_logs() as logs:
        for answer in ("450 secret@example.com later", "550 secret@example.com no"):
            sink.refusals = {"RCPT": answer}
            await letters.send_due()
            await outbox.pass_time()
        await sink.stop()
        await outbox.put()
        await letters.send_due()
    actions = [one["action"] for one in logs]
    assert actions == ["mail_up", "letter_waits", "letter_given_up", "mail_down"]
    assert not re.search("secret|V1|N-1|example", str(logs), re.IGNORECASE)


async def test_card_9_a_log_in_that_is_refused_is_waited_with(pool: Pool, outbox: Outbox) -> None:
    request_id = await outbox.put()
    async with mail_sink(users={"erp": "it's: hush/?"}) as sink:
        address = f"{sink.host}:{sink.port}"
        await worker(pool, f"smtp://erp:wrong@{address}").send_due()
        assert await outbox.is_now(request_id) == ("waiting", "log-in refused (535 5.7.8)")
        await outbox.pass_time()
        await worker(pool, f"smtp://erp:it%27s%3A%20hush%2F%3F@{address}").send_due()
        assert [letter.user for letter in sink.letters] == ["erp"]


async def certificate(folder: Path) -> tuple[Path, Path]:
    """Of this machine, signed by itself: file and key. Nothing to encrypt with: the test is skipped."""
    if (openssl := shutil.which("openssl")) is None:
        pytest.skip("there is no openssl")
    signed, key = folder / "cert.pem", folder / "key.pem"
    process = await asyncio.create_subprocess_exec(
        openssl, "req", "-x509", "-newkey", "rsa:2048", "-noenc", "-subj", "/CN=localhost", "-days", "2",
        "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", signed,
        stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert await process.wait() == 0
    return signed, key


async def test_card_9_a_connection_is_encrypted_when_the_server_offers_it_and_is_trusted(
    outbox: Outbox, pool: Pool, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed, key = await certificate(folder)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(signed, key)
    request_id = await outbox.put()
    async with mail_sink(users={"erp": "hush"}, tls=tls) as sink:
        url = f"smtp://erp:hush@{sink.host}:{sink.port}"
        await worker(pool, url).send_due()
        state, reason = await outbox.is_now(request_id)
        assert (state, (reason or "")[:17]) == ("waiting", "encryption failed")
        monkeypatch.setenv("SSL_CERT_FILE", str(signed))
        await outbox.pass_time()
        await worker(pool, url).send_due()
        zofia = await store_customer(pool, retail("Z-1", email="żółć@exämple.com"))
        await outbox.put(zofia)
        await worker(pool, sink.url).send_due()
        arrived = [(letter.encrypted, letter.user) for letter in sink.letters]
        assert arrived == [(True, "erp"), (True, None)]


async def test_card_9_the_erp_sends_letters_when_a_mail_server_is_set(
    database: Database, outbox: Outbox, sink: MailSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMPTOIR_ERP_DSN", database.dsn)
    monkeypatch.setenv("COMPTOIR_AMQP_URL", "amqp://erp:x@127.0.0.1:1/x")
    async with AsyncExitStack() as stack:
        with capture_logs() as logs:
            assert (await open_node(load(ErpSettings), stack)).letters is None
        assert [one["action"] for one in logs] == ["mail_none"]
        monkeypatch.setenv("COMPTOIR_ERP_SMTP_URL", sink.url)
        monkeypatch.setenv("COMPTOIR_ERP_SMTP_FROM", SENDER)
        node = await open_node(load(ErpSettings), stack)
        assert node.letters is not None
        request_id = await outbox.put()
        task = asyncio.create_task(node.letters.run())
        await sink.wait_letter()
        await end(task)
    assert await outbox.is_now(request_id) == ("sent", None)
