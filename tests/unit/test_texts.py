"""Texts: the spec's word for word, one for every code in use, in every language, and no others."""

import ast
import re
import time
from collections.abc import Iterator
from pathlib import Path
from string import Formatter
from typing import get_args

import pytest

from contracts.customers import Address, Consent, Contact, Customer
from contracts.reference import Right
from contracts.registry import MESSAGES
from contracts.texts import LANGUAGES, Language, catalogue, field_label, params_of, text
from erp_node.operators import RIGHTS

ROOT = Path(__file__).parent.parent.parent
USERS = ("pos_node", "erp_node", "web")

SPEC = {
    "search.none_local": (
        "No search results. Do you want to continue searching also in the ERP system?",
        "Aucun résultat de la recherche n’a été trouvé. "
        "Voulez-vous continuer la recherche également dans le système ERP ?",
    ),
    "search.no_exact": (
        "No exact search results. Do you want to continue searching also in the ERP system?",
        "Aucun résultat exact de la recherche n’a été trouvé. "
        "Voulez-vous continuer la recherche également dans le système ERP ?",
    ),
    "search.unavailable": (
        "Failed to search in the ERP system. Connection with data service not established.",
        "La recherche dans le système ERP a échoué. Pas de connexion au service de données.",
    ),
    "search.too_many": (
        "A considerable number of results have been found in the ERP system. "
        "Enter additional data and search again.",
        "Plusieurs résultats de la recherche ont été trouvés dans le système ERP. "
        "Entrez les données supplémentaires et lancez la recherche à nouveau.",
    ),
    "search.none_erp": (
        "No search results found in ERP system",
        "Aucun résultat de la recherche n’a été trouvé dans le système ERP.",
    ),
    "customer.unretrievable": (
        "Unable to retrieve the customer. Connection with the data service not established",
        "Impossible d’enregistrer le client. Pas de connexion au service de données.",
    ),
    "customer.no_edit_right": (
        "Insufficient permissions to edit customer {name}",
        "Pas de droits de modification du client {name}",
    ),
    "card.no_type": (
        "Cannot associate a loyalty card with the customer. No card type to associate.",
        "Impossible d’associer la carte de fidélité au client. Aucun type de carte à associer.",
    ),
    "card.in_use": ("The card is already in use", "La carte est déjà en usage"),
    "card.virtual_requested": (
        "The card number will be generated and sent to the customer",
        "Le numéro de la carte sera généré et envoyé au client",
    ),
    "credit.none": (
        "No credit limit has been granted",
        "Aucun plafond de crédit n’a été accordé.",
    ),
    "credit.unlimited": ("Open", "Illimité"),
    "complaint.anonymised": (
        "Cannot save the customer in the complaint. The customer's data has been anonymized.",
        "Impossible d’enregistrer le client dans la réclamation. "
        "Les données du client ont été anonymisées.",
    ),
}
FIELDS = {name for model in (Customer, Address, Contact, Consent) for name in model.model_fields}

_SUBJECTS = {code.partition(".")[0] for code in catalogue("en")} - {"field"}
_CODE = re.compile(rf"({'|'.join(sorted(_SUBJECTS))})\.[a-z][a-z0-9_]*")
_ANY_CODE = re.compile(r"[a-z]+\.[a-z][a-z0-9_]*")
_REFUSALS = {"Problem", "FieldProblem", "Refusal", "Refused", "Verdict"}
_NO_CODES = {*MESSAGES, *get_args(Right), *RIGHTS}


def _trees() -> Iterator[tuple[Path, ast.Module]]:
    files = [file for user in USERS for file in (ROOT / user).rglob("*.py")]
    for path in (*files, ROOT / "contracts" / "cards.py"):  # it refuses, too
        yield path, ast.parse(path.read_text("utf-8"))


def _strings() -> Iterator[tuple[Path, str, bool]]:
    """Every string of the nodes' source; the last says whether more follows it (an f-string's start)."""
    for path, tree in _trees():
        logged = {id(value) for value in _log_actions(tree)}
        for node in ast.walk(tree):
            match node:
                case ast.Constant() if id(node) in logged:
                    continue
                case ast.JoinedStr(values=[ast.Constant(value=str(start)), *_]):
                    yield path, start, True
                case ast.Constant(value=str(whole)):
                    yield path, whole, False


def _log_actions(tree: ast.Module) -> Iterator[ast.expr]:
    """`action=` of a log line: for machines, without a text."""
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "action":
            yield node.value


def _used() -> dict[str, Path]:
    """Codes by what they look like, and whatever a refusal is made with."""
    alike = {
        one: path
        for path, one, goes_on in _strings()
        if not goes_on and _CODE.fullmatch(one) and one not in _NO_CODES and not one.endswith("sql")
    }
    return alike | dict(_given_to_refusals())


def _given_to_refusals() -> Iterator[tuple[str, Path]]:
    for path, tree in _trees():
        for node in ast.walk(tree):
            match node:
                case ast.Call(func=ast.Name(id=name)) if name in _REFUSALS:
                    values = [*node.args, *(one.value for one in node.keywords)]
                    for value in values:
                        match value:
                            case ast.Constant(value=str(code)) if _ANY_CODE.fullmatch(code):
                                yield code, path


def test_every_code_in_use_has_a_text_in_every_language() -> None:
    for language in LANGUAGES:
        texts = catalogue(language)
        missing = {code: path.name for code, path in _used().items() if not texts.get(code)}
        assert not missing, language


def test_no_catalogue_has_a_text_that_nobody_uses() -> None:
    starts = tuple(one for _, one, goes_on in _strings() if goes_on and one.endswith("."))
    known = _used().keys() | SPEC.keys() | {f"field.{name}" for name in FIELDS}
    unused = [c for c in catalogue("en") if c not in known and not c.startswith(starts)]
    assert not unused


def test_both_languages_have_the_same_codes_and_parameters() -> None:
    english, french = catalogue("en"), catalogue("fr")
    assert list(english) == list(french)
    for code, template in english.items():
        assert params_of(template) == params_of(french[code]), code


def test_texts_have_plain_parameters_only() -> None:
    for language in LANGUAGES:
        for code, template in catalogue(language).items():
            for _, name, form, conversion in Formatter().parse(template):
                assert name is None or (name.isidentifier() and not form and not conversion), code


@pytest.mark.parametrize(("code", "wording"), SPEC.items())
def test_the_wording_is_the_specifications(code: str, wording: tuple[str, str]) -> None:
    assert (catalogue("en")[code], catalogue("fr")[code]) == wording


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_field_has_a_label(language: Language) -> None:
    assert {name for name in FIELDS if f"field.{name}" not in catalogue(language)} == set()


def test_parameters_are_filled_in_and_fields_are_named_as_people_do() -> None:
    assert text("customer.no_edit_right", {"name": "Durand {x}"}, "fr") == (
        "Pas de droits de modification du client Durand {x}"
    )
    assert text("customer.field_required", {"field": "addresses.0.postal_code"}, "fr") == (
        "Code postal : ce champ est obligatoire"
    )
    assert field_label("attributes.colour") == "attributes.colour"


def test_a_missing_parameter_or_text_shows_itself() -> None:
    assert text("customer.no_edit_right") == "Insufficient permissions to edit customer {name}"
    assert text("customer.of_next_year", {"name": "x"}, "fr") == "customer.of_next_year"


def test_a_moment_is_shown_as_its_time_of_day_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Paris")
    time.tzset()
    until = {"until": "2026-03-01T12:30:05+00:00"}
    assert text("card.locked", until).endswith("until 13:30:05")
    assert text("card.locked", {"until": "noon"}).endswith("until noon")
    monkeypatch.undo()
    time.tzset()
