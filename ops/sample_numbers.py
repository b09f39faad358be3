"""Numbers that pass the checks of France and Poland: SIREN, SIRET, VAT, NIP, PESEL, telephone (CUST-5, CUST-6)."""

from datetime import date

_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
_SCATTER = 48_271_931
"""Prime to ten: multiplied by it, numbers in a row become numbers far apart, each still once."""


def siren(number: int) -> str:
    """A company number for each number below 90 million: eight digits and their Luhn digit."""
    body = f"{10_000_000 + number * _SCATTER % 90_000_000:08d}"
    return body + _luhn(body)


def siret(company: str, establishment: int) -> str:
    """The number of one of a company's establishments, 1 to 9999."""
    body = f"{company}{establishment:04d}"
    return body + _luhn(body)


def french_vat(company: str) -> str:
    return f"FR{(12 + 3 * (int(company) % 97)) % 97:02d}{company}"


def nip(number: int) -> str:
    """A Polish tax number for each number below 90 million."""
    body = f"{10_000_000 + number * _SCATTER % 90_000_000:08d}"
    a, b, c, d, e, f, g, h = map(int, body)
    total = 6 * a + 5 * b + 7 * c + 2 * d + 3 * e + 4 * f + 5 * g + 6 * h
    ninth = 1 if total % 11 == 10 else 0
    return f"{body}{ninth}{(total + 7 * ninth) % 11}"


def pesel(born: date, serial: int, *, woman: bool) -> str:
    """A Polish national id: birth date, a serial below 5000, sex, check digit."""
    month = born.month + (20 if born.year >= 2000 else 0)
    sex_and_serial = 2 * serial + (0 if woman else 1)
    body = f"{born.year % 100:02d}{month:02d}{born.day:02d}{sex_and_serial:04d}"
    a, b, c, d, e, f, g, h, i, j = map(int, body)
    total = a + 3 * b + 7 * c + 9 * d + e + 3 * f + 7 * g + 9 * h + i + 3 * j
    return f"{body}{-total % 10}"


def french_landline(zone: str, draw: float) -> str:
    """A number of a zone (`1` to `5`), as written inside the country; `draw` is at least 0 and below 1."""
    digits = f"{30_000_000 + int(draw * 30_000_000):08d}"
    return f"0{zone} {digits[:2]} {digits[2:4]} {digits[4:6]} {digits[6:]}"


def french_mobile(draw: float) -> str:
    """A mobile number, as written for abroad."""
    digits = f"{40_000_000 + int(draw * 50_000_000):08d}"
    return f"+33 6 {digits[:2]} {digits[2:4]} {digits[4:6]} {digits[6:]}"


def polish_landline(area: str, draw: float) -> str:
    digits = f"{2_000_000 + int(draw * 6_000_000)}"
    return f"{area} {digits[:3]} {digits[3:5]} {digits[5:]}"


def polish_mobile(draw: float) -> str:
    digits = f"{600_000_000 + int(draw * 9_000_000)}"
    return f"+48 {digits[:3]} {digits[3:6]} {digits[6:]}"


def _luhn(body: str) -> str:
    """The digit that makes a number pass Luhn's check."""
    digits = [int(digit) for digit in body]
    total = sum(digits[-2::-2]) + sum(_DOUBLED[digit] for digit in digits[::-2])
    return str(-total % 10)
