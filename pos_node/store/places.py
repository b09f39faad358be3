"""Where a customer stands in the list: a number that grows with the name, and ends with the row it belongs to.

The first eight signs of the name's words, five bits each, then the 23 bits of the row. Numbers of the word index
are places, so that what is found comes out in the order of names, and tells which row it is.
"""

from typing import TypeAlias

ROW_BITS = 23
ROW_MASK = (1 << ROW_BITS) - 1
SIGNS = 8

LONGEST_NAME = 250
"""Signs of a name's words that count in the order of a list: a page tells its last name to the one behind it."""

Order: TypeAlias = tuple[int, str, int]

_END, _SPACE, _DIGIT, _FIRST_LETTER, _OTHER = b"0", b"1", b"2", 3, b"t"
_DIGITS_32 = b"0123456789abcdefghijklmnopqrstuv"


def _ranks() -> bytes:
    """The rank of each byte of a folded name, as a digit to base 32."""
    ranks = bytearray(_OTHER * 256)
    ranks[ord(" ")] = _SPACE[0]
    for sign in b"0123456789":
        ranks[sign] = _DIGIT[0]
    for rank, sign in enumerate(b"abcdefghijklmnopqrstuvwxyz", _FIRST_LETTER):
        ranks[sign] = _DIGITS_32[rank]
    return bytes(ranks)


_RANKS = _ranks()


def place_of(name: str, row: int) -> int:
    """The place of the customer of a row whose words of column name these are."""
    signs = name.encode()[:SIGNS].translate(_RANKS).ljust(SIGNS, _END)
    return int(signs, 32) << ROW_BITS | row


def group_of(place: int) -> int:
    """What customers share whose names begin with the same signs."""
    return place >> ROW_BITS


def order_of(place: int, name: str) -> Order:
    """What a list in the order of whole names is sorted by."""
    return group_of(place), name[:LONGEST_NAME], place


def row_at(place: int) -> int:
    """The row that stands at a place."""
    return place & ROW_MASK
