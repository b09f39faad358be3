"""Reading traces: files and folders, of one node or many, as one list in the order of time."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from traces.record import FORMAT, Head, Line

M = TypeVar("M", bound=BaseModel)


class WrongTrace(ValueError):
    """A file is no trace; the text names file, line and field."""


@dataclass(frozen=True, slots=True)
class Trace:
    """The lines of one or more files. `names` are the ids of the keys of their pseudonyms."""

    lines: tuple[Line, ...]
    names: frozenset[str] = frozenset()
    gaps: int = 0
    """Things that happened and are in no line: numbers that are missing."""


def read_trace(paths: Iterable[Path]) -> Trace:
    """Reads files, and every `*.jsonl` of folders. Raises WrongTrace, and OSError.

    A last line that was cut off (its writer was killed) is left out.
    """
    heads: list[Head] = []
    lines: list[Line] = []
    gaps = 0
    for file in _files(paths):
        head, own = _read_file(file)
        heads.append(head)
        gaps += sum(b.n - a.n - 1 for a, b in pairwise(own))
        lines += own
    lines.sort(key=lambda line: (line.at, line.node, line.n))
    return Trace(tuple(lines), frozenset(head.names for head in heads), gaps)


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from (file for file in sorted(path.glob("*.jsonl")) if _has_begun(file))
        else:
            yield path


def _has_begun(file: Path) -> bool:
    """Whether its first line is whole: a writer that was killed leaves an empty one."""
    with file.open("rb") as opened:
        return opened.readline().endswith(b"\n")


def _read_file(file: Path) -> tuple[Head, list[Line]]:
    texts = file.read_bytes().split(b"\n")
    whole = texts[:-1]
    if not whole:
        raise WrongTrace(f"{file}:1: no trace")
    head = _read(Head, whole[0], file, 1)
    return head, [_read(Line, text, file, at) for at, text in enumerate(whole[1:], 2)]


def _read(model: type[M], text: bytes, file: Path, at: int) -> M:
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(step) for step in first["loc"]) or "line"
        if model is Head and where == "trace" and isinstance(first["input"], int):
            raise WrongTrace(
                f"{file}:{at}: a trace of format {first['input']}; this program reads format {FORMAT}"
            ) from None
        raise WrongTrace(f"{file}:{at}: {where}: {first['msg']}") from None
