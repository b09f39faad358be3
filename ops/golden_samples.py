"""Writes the golden samples: `python -m ops.golden_samples` adds those that are missing, and changes none.

A sample file holds two messages of one type: `full` has every field, `minimal` only those it must
have. Once released a file never changes; a new version of a message gets a folder of its own.
"""

import json
from hashlib import sha256
from pathlib import Path
from uuid import UUID

from contracts import envelope
from contracts.envelope import Headers
from contracts.registry import MESSAGES, MessageType
from ops.golden_data import CUSTOMER_ID, DATA, JOURNAL, LATER, NOON

FOLDER = Path(__file__).parent.parent / "contracts" / "samples"
MANIFEST = "SHA256SUMS"


def sample_file(message: MessageType) -> Path:
    """Where the samples of a message are."""
    return FOLDER / f"v{message.version}" / f"{message.name}.json"


def make_samples(message: MessageType) -> dict[str, object]:
    """The full and the minimal message of a type, as JSON."""
    full, minimal = DATA[message.name]
    return {
        "full": json.loads(envelope.encode(_full_headers(message), full)),
        "minimal": json.loads(envelope.encode(_minimal_headers(message), minimal)),
    }


def write_missing() -> list[Path]:
    """Writes the samples that are not there yet and the list of checksums; the files written."""
    written = []
    for message in MESSAGES.values():
        path = sample_file(message)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            text = json.dumps(make_samples(message), ensure_ascii=False, indent=1)
            path.write_text(text + "\n", "utf-8")
            written.append(path)
    for folder in {path.parent for path in written}:
        sums = {
            one.name: sha256(one.read_bytes()).hexdigest() for one in sorted(folder.glob("*.json"))
        }
        lines = (f"{digest}  {name}\n" for name, digest in sums.items())
        (folder / MANIFEST).write_text("".join(lines), "utf-8")
    return written


def _full_headers(message: MessageType) -> Headers:
    journal = message.way == "journal"
    return Headers(
        id=UUID("9a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d"),
        type=message.name,
        version=message.version,
        occurred_at=NOON,
        origin="pos.lyon-1" if message.sender == "pos" else "erp",
        epoch=JOURNAL if journal else None,
        seq=42 if journal else None,
        key=str(CUSTOMER_ID) if journal else None,
        causation=UUID("5d6e7f80-9182-4a3b-8c4d-5e6f7a8b9c0d"),
        traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        expires_at=LATER if message.way in ("question", "urgent") else None,
    )


def _minimal_headers(message: MessageType) -> Headers:
    full = _full_headers(message)
    return full.model_copy(update={"causation": None, "traceparent": None, "expires_at": None})


if __name__ == "__main__":
    for sample in write_missing():
        print(sample.relative_to(FOLDER.parent.parent))
