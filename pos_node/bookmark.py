"""Where a page of the list ended, as it was then: the next begins there, whatever became of its last row (LIST-1)."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import NamedTuple

from pos_node.store.places import LONGEST_NAME, group_of, order_of, place_of, row_at

LONGEST = 1_500
"""Signs of a bookmark as text: a name of LONGEST_NAME signs of four bytes each fits."""

_LAST_PLACE = 2**63 - 1


class Bookmark(NamedTuple):
    """The place of a page's last customer and the words of its name; `name` is None in a crowd of namesakes, which
    stands in the order of places (pos_node.ordering)."""

    place: int
    name: str | None

    @property
    def group(self) -> int:
        return group_of(self.place)

    @property
    def order(self) -> tuple[int, str, int]:
        """Behind this the next page begins where names decide: of who stood in a crowd, the whole group."""
        if self.name is None:
            return self.group, "", -1
        return order_of(self.place, self.name)

    @property
    def text(self) -> str:
        """For clients, who look at nothing in it."""
        plain = f"{self.place}" if self.name is None else f"{self.place} {self.name}"
        return urlsafe_b64encode(plain.encode()).rstrip(b"=").decode()


def read_bookmark(text: str) -> Bookmark:
    """What `Bookmark.text` wrote. Raises ValueError for anything else."""
    try:
        plain = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4)).decode()
    except ValueError:
        raise ValueError("no bookmark") from None
    digits, named, name = plain.partition(" ")
    mark = Bookmark(int(digits) if digits.isdecimal() else -1, name if named else None)
    if not 0 <= mark.place <= _LAST_PLACE or not _fits(mark) or mark.text != text:
        raise ValueError("no bookmark")
    return mark


def _fits(mark: Bookmark) -> bool:
    """Whether a customer of that name can stand there."""
    if mark.name is None:
        return True
    return len(mark.name) <= LONGEST_NAME and place_of(mark.name, row_at(mark.place)) == mark.place
