"""Searches in PostgreSQL's words, and how broad they are: pure, without a database."""

from uuid import uuid4

from contracts.search import Criteria
from erp_node.breadth import FEW_ENTRIES, Frequencies, Plan, plan_search
from erp_node.search import decide_found
from erp_node.store.search import FoundRow
from tests.erp import retail

MILLION = Frequencies(
    1_000_000, 200_000, ["n:kind=retail", "rue", "dupont", "zz"], [0.8, 0.4, 0.001, 0.0001]
)


def plan(phrase: str = "", frequencies: Frequencies = MILLION, **criteria: object) -> Plan:
    made = Criteria.model_validate({"phrase": phrase, **criteria})
    return plan_search(made.query(), frequencies)


def test_search_13_words_are_asked_for_by_their_beginnings() -> None:
    assert plan("Dupônt, dur").indexed == "('dur':*) & ('dupont':*)"


def test_list_2_a_column_is_asked_for_by_its_letter() -> None:
    assert plan("lyo", column="town").indexed == "'e:lyo':*"
    assert plan("red", attribute="Colour").indexed == "'m:=colour=red':*"


def test_list_2_the_country_joins_when_it_is_shown() -> None:
    assert plan("pol", country_shown=True).indexed == "('pol':*) | ('c:pol':*)"


def test_a_single_letter_is_not_taken_for_a_column() -> None:
    assert plan("a").indexed == " | ".join(f"('{one}:a':*)" for one in "abdefm")
    assert plan("z").indexed == "'z':*"


def test_list_3_filters_are_whole_lexemes() -> None:
    assert plan(kind="business").indexed == "'n:kind=business'"
    assert plan("durand", kind="business").indexed == "('n:kind=business') & ('durand':*)"


def test_lexemes_are_quoted() -> None:
    hostile = plan(attribute="a'b\\:* | x", phrase="y")
    assert hostile.indexed is not None
    assert hostile.indexed.count("'") % 2 == 0


def test_no_criteria_ask_for_nothing() -> None:
    assert plan("  ,;  ") == Plan(None, None, plan("").look_pages)


def test_search_7_a_selective_search_asks_the_index_alone() -> None:
    assert plan("durand lyon") == Plan("('durand':*) & ('lyon':*)")


def test_search_7_a_broad_search_looks_at_a_piece_of_the_table_first() -> None:
    assert 0 < plan("rue").look_pages < 1_000
    assert 0 < plan("d").look_pages < 1_000
    assert 0 < plan("", kind="retail").look_pages < 1_000


def test_search_7_a_broad_condition_beside_a_selective_one_is_only_checked() -> None:
    assert plan("rue dupont") == Plan("'dupont':*", "'rue':*")
    assert plan("dupont", kind="retail") == Plan("'dupont':*", "'n:kind=retail'")


def test_a_look_costs_no_more_than_the_index_would() -> None:
    both = plan("du ly")
    rows = both.look_pages * 5
    assert FEW_ENTRIES <= rows <= 25_000


def test_a_look_that_would_meet_nobody_is_spared() -> None:
    common = Frequencies(1_000_000, 200_000, ["jean", "martin", "paris"], [0.02, 0.01, 0.02])
    assert plan("martin jean paris", common).look_pages == 0
    assert plan("martin jean", common).look_pages > 0


def test_a_small_table_is_not_looked_at() -> None:
    assert plan("rue", Frequencies(1_000, 200, ["rue"], [0.4])).look_pages == 0


def test_a_table_never_counted_is_thought_large() -> None:
    assert plan("d", Frequencies(-1, 0)).look_pages > 0


def found(count: int) -> list[FoundRow]:
    names = ("Nowak", "dupont", "Zola", "Élan", "Martin", "Abel", "Blum")
    return [
        FoundRow(uuid4(), 1, True, (), None, retail("A", name).model_dump_json(exclude_none=True))
        for name in names[:count]
    ]


def test_search_6_six_rows_count_as_found() -> None:
    answer = decide_found(found(6), "C1")
    assert answer.outcome == "found"
    assert answer.rows[0].name == "Abel Jean"
    assert len(answer.rows) == 6


def test_search_7_more_than_six_sends_no_rows() -> None:
    answer = decide_found(found(7), "C1")
    assert (answer.outcome, answer.rows) == ("too_many", [])


def test_search_8_nobody_is_said() -> None:
    assert decide_found([], "C1").outcome == "none"
