"""compose.yaml: right for its schema, without secrets, and in step with the programs it runs."""

import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic import TypeAdapter
from ruamel.yaml import YAML

from contracts.reference import Centre, ReferenceRecord
from contracts.topology import POS_ID
from erp_node.__main__ import app as erp_app
from ops.containers import Containers
from ops.guardian import Guardian
from pos_node.__main__ import app as pos_app

ROOT = Path(__file__).parent.parent.parent
COMPOSE = ROOT / "compose.yaml"
PASSWORD_VARIABLE = re.compile(r"\$\{(\w*PASSWORD\w*)([^}]*)\}")
NODE_SERVICES = ("setup", "erp", "enrol-lyon-1", "enrol-krakow-1", "pos-lyon-1", "pos-krakow-1")


@cache
def read_compose() -> dict[str, Any]:
    content: dict[str, Any] = YAML(typ="safe", pure=True).load(COMPOSE)
    return content


def test_compose_file_is_right_for_the_compose_schema() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "check_jsonschema",
            "--builtin-schema",
            "vendor.compose-spec",
            COMPOSE,
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_password_comes_from_outside_and_is_asked_for() -> None:
    found = PASSWORD_VARIABLE.findall(COMPOSE.read_text())
    assert {name for name, _ in found} == {
        "COMPTOIR_BROKER_PASSWORD",
        "COMPTOIR_ERP_BROKER_PASSWORD",
        "COMPTOIR_DATABASE_PASSWORD",
    }
    assert all(rest.startswith(":?") for _, rest in found)


def test_i11_the_running_erp_may_mend_the_broker_as_the_documents_promise() -> None:
    erp = read_compose()["services"]["erp"]
    assert erp["command"] == ["erp", "run"]
    assert "COMPTOIR_BROKER_PASSWORD" in erp["environment"]["COMPTOIR_AMQP_ADMIN_URL"]


def test_every_port_is_open_to_this_machine_alone() -> None:
    ports = [
        port for service in read_compose()["services"].values() for port in service.get("ports", [])
    ]
    assert len(ports) == 6
    assert all(port.startswith("127.0.0.1:") for port in ports)


@pytest.mark.parametrize("name", NODE_SERVICES)
def test_nodes_share_one_image(name: str) -> None:
    service = read_compose()["services"][name]
    assert (service["image"], service["build"]) == ("comptoir", ".")


def test_what_runs_on_and_on_has_a_health_check_and_starts_again() -> None:
    for name, service in read_compose()["services"].items():
        lasting = service["restart"] == "unless-stopped"
        assert lasting == ("healthcheck" in service), name


def test_tills_enrol_into_the_stores_that_are_set_up() -> None:
    record: TypeAdapter[ReferenceRecord] = TypeAdapter(ReferenceRecord)
    lines = read_compose()["configs"]["stores"]["content"].splitlines()
    stores = [record.validate_json(line) for line in lines]
    assert all(isinstance(store, Centre) for store in stores)
    for name in ("enrol-lyon-1", "enrol-krakow-1"):
        pos_id, centre = read_compose()["services"][name]["command"]
        assert re.fullmatch(POS_ID, pos_id)
        assert centre in {store.code for store in stores}


def test_containers_run_commands_that_exist() -> None:
    services = read_compose()["services"]
    words = [" ".join(services[name].get("entrypoint", [])) for name in NODE_SERVICES]
    called = set(re.findall(r"-m ops erp ([a-z-]+)", " ".join(words)))
    assert called == {"setup", "load-reference", "enrol-till"}
    erp, pos = (typer.main.get_group(app).commands for app in (erp_app, pos_app))
    assert called | {services["erp"]["command"][1]} <= set(erp)
    assert {services[name]["command"][1] for name in ("pos-lyon-1", "pos-krakow-1")} <= set(pos)


def test_private_containers_give_every_variable_that_has_no_default() -> None:
    needed = set(re.findall(r"\$\{(\w+):\?", COMPOSE.read_text()))
    with Guardian() as guardian:
        containers = Containers(guardian)
        assert needed <= set(containers.environment)
        assert {"rabbitmq", "postgres"} <= set(read_compose()["services"])


def test_the_image_takes_every_package_along() -> None:
    kept = {
        line[1:]
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    packages = {path.parent.name for path in ROOT.glob("*/py.typed")}
    assert kept - {"requirements.lock"} == packages - {"bench", "tests"}
