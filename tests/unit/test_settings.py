"""Settings from the environment and a TOML file."""

from pathlib import Path

import pytest

from erp_node.settings import ErpSettings
from erp_node.smtp_url import SmtpAddress, read_smtp_url
from pos_node.settings import PosSettings
from runtime.settings import WrongSettings, explain, load, variable

WHOLE = """\
dsn = "postgresql://erp:secret@db/erp"
amqp_url = "amqp://erp:secret@rabbit:5672/comptoir"
amqp_admin_url = "http://admin:secret@rabbit:15672"
http_port = 8900
"""


@pytest.fixture
def config(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file COMPTOIR_CONFIG names; the environment says nothing else."""
    for model in (ErpSettings, PosSettings):
        for field in model.model_fields:
            monkeypatch.delenv(variable(model, field), raising=False)
    file = folder / "node.toml"
    monkeypatch.setenv("COMPTOIR_CONFIG", str(file))
    return file


def wrong(**overrides: object) -> str:
    with pytest.raises(WrongSettings) as raised:
        load(ErpSettings, **overrides)
    return str(raised.value)


def test_the_keys_of_the_file_are_the_names_of_the_settings(config: Path) -> None:
    config.write_text(WHOLE)
    settings = load(ErpSettings)
    assert settings.amqp_url == "amqp://erp:secret@rabbit:5672/comptoir"
    assert settings.amqp_admin_url == "http://admin:secret@rabbit:15672"
    assert (settings.dsn, settings.http_port) == ("postgresql://erp:secret@db/erp", 8900)


def test_the_environment_wins_over_the_file_and_the_command_line_over_both(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.write_text(WHOLE)
    monkeypatch.setenv("COMPTOIR_ERP_HTTP_PORT", "8901")
    monkeypatch.setenv("COMPTOIR_AMQP_URL", "amqp://other/")
    settings = load(ErpSettings)
    assert (settings.http_port, settings.amqp_url) == (8901, "amqp://other/")
    assert load(ErpSettings, http_port=8902).http_port == 8902


def test_what_is_wrong_is_named_as_it_was_written_and_where(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.write_text('amqp_url = "nowhere"\nhttp_port = 99999\n')
    monkeypatch.setenv("COMPTOIR_ERP_POOL_SIZE", "1")
    found = wrong(beat_s=0)
    assert f"{config}: amqp_url: string should match" in found
    assert f"{config}: http_port: input should be less" in found
    assert "COMPTOIR_ERP_POOL_SIZE: input should be greater" in found
    assert "--beat-s: input should be greater" in found
    assert "COMPTOIR_ERP_DSN: field required" in found


def test_a_key_that_is_a_variable_is_told_its_name_and_another_those_there_are(
    config: Path,
) -> None:
    config.write_text('COMPTOIR_AMQP_URL = "amqp://x/"\nCOMPTOIR_ERP_DSN = "x"\nprot = 1\n')
    found = wrong()
    assert f"{config}: COMPTOIR_AMQP_URL: there is no such key, write amqp_url" in found
    assert f"{config}: COMPTOIR_ERP_DSN: there is no such key, write dsn" in found
    assert f"{config}: prot: there is no such key, only dsn, amqp_url, " in found


def test_the_keys_there_are_stand_once_however_many_keys_are_strange(config: Path) -> None:
    config.write_text('data = "/x"\nCOMPTOIR_ERP_DSN = "x"\nenrolment = "y"\nprot = 1\n')
    found = wrong()
    assert f"{config}: data, enrolment, prot: there is no such key, only dsn, amqp_url, " in found
    assert f"{config}: COMPTOIR_ERP_DSN: there is no such key, write dsn" in found
    assert found.count("amqp_admin_url") == 1


@pytest.mark.parametrize("content", [b"dsn = ", b"dsn = '\xff'"])
def test_a_file_that_is_no_toml_is_named(config: Path, content: bytes) -> None:
    config.write_bytes(content)
    assert wrong().startswith(f"{config}: ")


def test_a_file_that_is_not_there_is_named_with_its_variable(config: Path) -> None:
    assert wrong() == f"COMPTOIR_CONFIG: {config}: No such file or directory"


MAIL = WHOLE + 'smtp_from = "Shop <cards@shop.example>"\n'


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("smtp://mail", SmtpAddress("mail", 587, False)),
        ("smtp://mail:25", SmtpAddress("mail", 25, False)),
        ("smtps://erp%40shop:hu%2Fsh@[::1]/", SmtpAddress("::1", 465, True, "erp@shop", "hu/sh")),
    ],
)
def test_a_mail_server_is_an_address(config: Path, url: str, address: SmtpAddress) -> None:
    config.write_text(f'{MAIL}smtp_url = "{url}"\n')
    settings = load(ErpSettings)
    assert settings.smtp_url is not None
    assert read_smtp_url(settings.smtp_url) == address


def test_a_password_goes_to_a_mail_server_elsewhere_encrypted_only() -> None:
    assert read_smtp_url("smtp://erp:hush@mail").start_tls is True
    assert read_smtp_url("smtp://erp:hush@127.0.0.1").start_tls is None
    assert read_smtp_url("smtp://mail").start_tls is None
    assert read_smtp_url("smtps://erp:hush@mail").start_tls is False
    assert "hush" not in repr(read_smtp_url("smtp://erp:hush@mail"))


@pytest.mark.parametrize(
    "url",
    [
        "smtp://",
        "smtp://erp:hu/sh@mail",
        "smtp://mail/x",
        "http://hush",
        "mail",
        "smtp://hush@mail",
    ],
)
def test_what_is_no_mail_server_is_told_without_its_password(config: Path, url: str) -> None:
    config.write_text(f'{MAIL}smtp_url = "{url}"\n')
    told = wrong()
    assert told.startswith(f"{config}: smtp_url: ")
    assert "hu" not in told.removeprefix(f"{config}")


def test_no_mail_server_may_be_written_as_an_empty_one(config: Path) -> None:
    config.write_text(f'{WHOLE}smtp_url = ""\nsmtp_from = ""\n')
    settings = load(ErpSettings)
    assert (settings.smtp_url, settings.smtp_from) == (None, None)


def test_letters_need_a_sender_and_it_has_an_address(config: Path) -> None:
    config.write_text(f'{WHOLE}smtp_url = "smtp://mail"\n')
    assert "COMPTOIR_ERP_SMTP_FROM: field required beside smtp_url" in wrong()
    for sender in ("Shop", "cärds@shop.example", "Shop <>"):
        config.write_text(f'{WHOLE}smtp_url = "smtp://mail"\nsmtp_from = "{sender}"\n')
        assert f"{config}: smtp_from: write an address" in wrong()


def test_the_till_reads_the_same_kind_of_file(config: Path) -> None:
    config.write_text('enrolment = "lyon-1.toml"\ndata = "/var/lib/comptoir"\n')
    assert load(PosSettings).data == Path("/var/lib/comptoir")


def test_help_names_variable_and_key_of_every_setting() -> None:
    text = explain(ErpSettings)
    assert "COMPTOIR_AMQP_URL, amqp_url: " in text
    assert "COMPTOIR_ERP_DSN, dsn: " in text
