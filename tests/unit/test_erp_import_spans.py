"""Which lines of a CSV file are one row."""

import csv
import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from erp_node.imports.files import Lines
from erp_node.imports.spans import leaves_open, take_span

CELLS = st.lists(st.text(st.sampled_from('ab"; ,\n'), max_size=8), min_size=1, max_size=4)


@given(st.lists(CELLS, min_size=1, max_size=4))
@example([['"', ";\n\n", '""\n"']])
def test_rows_are_found_where_they_were_written(rows: list[list[str]]) -> None:
    written = io.StringIO(newline="")
    writer = csv.writer(written, delimiter=";", lineterminator="\n")
    writer.writerows([["x", *row] for row in rows])
    lines = Lines(io.BytesIO(written.getvalue().encode()))
    found = [take_span(line, lines, ";") for line in lines]
    assert [next(csv.reader([one.text], delimiter=";", strict=True))[1:] for one in found] == rows
    assert found[-1].last.read == len(written.getvalue())


@pytest.mark.parametrize(
    ("text", "before", "behind"),
    [
        ("a;b", False, False),
        ("a;b", True, True),
        ('a;"b', False, True),
        ('a;"b";c', False, False),
        ('a;"b"";c', False, True),
        ('a;"b""";c', False, False),
        ('a;b"c', False, False),
        ('a b";"c', True, True),
        ('a b";c', True, False),
        ('a "b" c', True, False),
        ('"', False, True),
        ('"', True, False),
        ('""', False, False),
        ('""', True, True),
        ('";";"', True, False),
        ('";"', True, True),
    ],
)
def test_a_quote_opens_at_the_beginning_of_a_cell(text: str, before: bool, behind: bool) -> None:
    assert leaves_open(text, ";", is_open=before) is behind


def test_lines_are_read_again_from_where_one_goes_back_to() -> None:
    lines = Lines(io.BytesIO(b"\xef\xbb\xbfa\r\nb\nc"))
    first, *rest = lines
    assert [(one.number, one.text, one.read) for one in (first, *rest)] == [
        (1, "a", 6),
        (2, "b", 8),
        (3, "c", 9),
    ]
    lines.go_back(first)
    assert list(lines) == rest
