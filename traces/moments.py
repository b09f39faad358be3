"""Moments as somebody types them, who has read them off a trace. Pure."""

from datetime import UTC, datetime, time, timedelta


def read_moment(text: str, began: datetime) -> datetime:
    """A moment in UTC: `2026-03-01`, `2026-03-01 12:30`, or a time of day such as `12:30:05.120`, which is the first
    one not before the trace began. Raises ValueError."""
    try:
        of_day = time.fromisoformat(text)
    except ValueError:
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    first = began.astimezone(UTC).replace(microsecond=0)
    moment = datetime.combine(first.date(), of_day, of_day.tzinfo or UTC)
    return moment if moment >= first else moment + timedelta(days=1)
