"""Moments as somebody reads them off a trace."""

from datetime import UTC, datetime

import pytest

from traces.moments import read_moment

BEGAN = datetime(2026, 3, 4, 23, 30, 0, 250_000, UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("23:30:05.120", datetime(2026, 3, 4, 23, 30, 5, 120_000, UTC)),
        ("23:30", datetime(2026, 3, 4, 23, 30, tzinfo=UTC)),
        ("00:10", datetime(2026, 3, 5, 0, 10, tzinfo=UTC)),
        ("2026-03-01", datetime(2026, 3, 1, tzinfo=UTC)),
        ("2026-03-01 12:30", datetime(2026, 3, 1, 12, 30, tzinfo=UTC)),
        ("2026-03-01T12:30:00+02:00", datetime(2026, 3, 1, 10, 30, tzinfo=UTC)),
    ],
)
def test_a_time_of_day_is_the_first_since_the_trace_began(text: str, moment: datetime) -> None:
    assert read_moment(text, BEGAN) == moment


def test_what_is_no_time_is_no_moment() -> None:
    with pytest.raises(ValueError, match="noon"):
        read_moment("noon", BEGAN)
