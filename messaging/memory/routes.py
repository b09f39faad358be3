"""Which queues a message goes to."""

from collections.abc import Iterable, Sequence

from contracts.topology import Binding, Exchange


def find_queues(exchange: Exchange, bindings: Iterable[Binding], key: str) -> tuple[str, ...]:
    """The queues bound for this key, each once, in the order of binding."""
    found = (
        binding.queue
        for binding in bindings
        if binding.exchange == exchange.name and _matches(exchange, binding.key, key)
    )
    return tuple(dict.fromkeys(found))


def _matches(exchange: Exchange, pattern: str, key: str) -> bool:
    if exchange.kind == "direct" or pattern == key:
        return pattern == key
    return matches_topic(pattern.split("."), key.split("."))


def matches_topic(pattern: Sequence[str], words: Sequence[str]) -> bool:
    """`*` stands for one word, `#` for any number of them."""
    if not pattern:
        return not words
    head, rest = pattern[0], pattern[1:]
    if head == "#":
        return any(matches_topic(rest, words[skipped:]) for skipped in range(len(words) + 1))
    return bool(words) and head in ("*", words[0]) and matches_topic(rest, words[1:])
