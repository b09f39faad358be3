"""The one table of cases of the matching rule (SEARCH-13, LIST-2, LIST-3), run on the rule itself and on both stores.

Load every customer of `CUSTOMERS` into a store; a case then says whether its customer is among
the rows that its criteria find. What else they find is said by other cases.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from contracts.customers import Address, Customer
from contracts.search import AttributeValue, Criteria


@dataclass(frozen=True, slots=True)
class Case:
    """`expected`: whether `customer` is among what `criteria` find."""

    name: str
    customer: Customer
    criteria: Criteria
    expected: bool


CUSTOMERS: list[Customer] = []


def _customer(code: str, kind: str = "retail", /, **fields: Any) -> Customer:
    made = Customer.model_validate({"kind": kind, "code": code, **fields})
    CUSTOMERS.append(made)
    return made


def _at(**place: str) -> list[Address]:
    return [Address.model_validate({"id": UUID(int=len(CUSTOMERS)), "type": "main", **place})]


DUPONT = _customer(
    "LYO-0001",
    first_name="Jean-François",
    last_name="Dupont",
    birth_date="1980-02-29",
    phone="04 78 12 34 56",
    extra_phone="+33 6 12 34 56 78",
    email="jf.dupont_69@exemple.fr",
    national_id="1 80 02 69 123 456 12",
    identity_document="AB 123456",
    groups=["gold", "Staff_Family"],
    attributes={"colour": "Bleu ciel", "size": "XL"},
    addresses=_at(
        country="FR", postal_code="69003", town="Lyon", street="rue de l'Église", building="12 bis"
    ),
)
LEFEVRE = _customer(
    "LYO-0002",
    first_name="Zoé",
    last_name="Lefèvre-Œuvrard",
    phone="+33 (0)6 98 76 54 32",
    attributes={"colour": "Rouge"},
    groups=["silver"],
    addresses=_at(
        country="FR", postal_code="42000", town="Saint-Étienne", street="12, place d’Armes"
    ),
)
OBRIEN = _customer(
    "DUB-0003",
    first_name="Seán",
    last_name="O'Brien",
    phone="0033 4 72 00 11 22",
    addresses=_at(
        country="IE", postal_code="D02 X285", town="Dublin", street="1½ St. Stephen's Green"
    ),
)
NOWAK = _customer(
    "WAW-0004",
    first_name="Łukasz",
    last_name="Nowak-Żółć",
    phone="600 100 200",
    national_id="44051401359",
    groups=["gold"],
    addresses=_at(
        country="PL", postal_code="00-950", town="Łódź", street="ul. 3 Maja", building="7/12"
    ),
)
SORENSEN = _customer(
    "CPH-0005",
    first_name="Bjørn",
    last_name="Sørensen",
    addresses=_at(country="DK", postal_code="DK-1050", town="Ærøskøbing", street="Ǿster Straße"),
)
PAPADOPOULOS = _customer("ATH-0006", first_name="Γιώργος", last_name="Παπαδόπουλος")
IVANOV = _customer("SOF-0007", first_name="Алексей", last_name="Йованов")
WANG = _customer(
    "PEK-0008", first_name="小明", last_name="王", phone="＋８６ １０ ６５５５ １２３４"
)
HINDI = _customer("DEL-0009", first_name="हिन्दी", last_name="देवी")
EMOJI = _customer(
    "EMO-0010",
    "business",
    name="Fleurs 🌸 & Fils 💐",
    attributes={"motto": "C++ or die", "empty": "***"},
)
RENAULT = _customer(
    "BUS-0011",
    "business",
    name="S.A. L’Oréal & Frères",
    tax_number="FR 40 303 265 045",
    siret="303 265 045 00012",
    country_code="FR",
    phone="+48 22 123 45 67",
    groups=["gold", "silver"],
    attributes={"branch": "Cosmétiques", "size": "XL"},
    addresses=_at(
        country="FR", postal_code="92110", town="Clichy", street="Rue Martre", building="41"
    ),
)
POLSKA = _customer(
    "BUS-0012",
    "business",
    name="Piekarnia „Złoty Kłos” Sp. z o.o.",
    tax_number="526-000-12-46",
    addresses=_at(country="PL", postal_code="02-001", town="Warszawa"),
)
LETTERED = _customer(
    "BUS-0013", "business", name="ABC 3000", tax_number="FRK7399859412", country_code="FR"
)
GREEK_TAX = _customer(
    "BUS-0014", "business", name="Hellas AE", tax_number="094259216", country_code="GR"
)
BARE_TAX = _customer("BUS-0015", "business", name="O2 Télécom", tax_number="PL5260001246")
LIGATURE = _customer("LIG-0016", first_name="ﬁona", last_name="Ｆｕｌｌ　Ｗｉｄｔｈ ﷺ")
DECOMPOSED = _customer("DEC-0017", first_name="Rene\u0301", last_name="A\u030angstro\u0308m")
INVISIBLE = _customer(
    "INV-0018", first_name="Ma\u00adrie", last_name="Du\u200bbois\ufeff", groups=["GOLD-2"]
)
MODIFIER = _customer("MOD-0019", first_name="Liliʻu", last_name="OʼHara")
QUOTED = _customer(
    "QUO-0020",
    "business",
    name='The "NEAR" & OR * : Company -- \\ (AND) | !NOT',
    email="a+b@c-d.eu",
)
DIGITS = _customer(
    "DIG-0021",
    last_name="Khan",
    first_name="Ali",
    phone="٠٤ ٧٨ ٩٩ ٩٩ ٩٩",
    addresses=_at(
        country="FR",
        street="Boulevard du 8 Mai 1945",
        building="221B",
        town="Lyon 3e",
        postal_code="６９００３",
    ),
)
LONG = _customer("LNG-0022", "business", name="x" * 100 + " " + "yz-" * 40 + "end")
MATHS = _customer("MAT-0023", first_name="𝔄𝔩𝔟𝔢𝔯𝔱", last_name="𐍈𐌰𐌽𐌺")
TURKISH = _customer("IST-0024", first_name="İbrahim", last_name="Işık")
HUNGARIAN = _customer(
    "BUD-0025",
    first_name="Ő",
    last_name="Szűcs",
    phone="06 1 234 5678",
    addresses=_at(country="HU"),
)
NOBODY = _customer("NIX-0026")
SECOND_HOME = _customer(
    "SEC-0027",
    last_name="Petit",
    first_name="Anne",
    country_code="BE",
    addresses=[
        Address(id=UUID(int=271), type="billing", country="LU", town="Esch", postal_code="4001"),
        Address(
            id=UUID(int=272), type="main", town="Namur", postal_code="B-5000", locality="Jambes"
        ),
    ],
)
SAME_NAME = _customer(
    "SAM-0028",
    "business",
    name="Dupont",
    groups=["silver"],
    attributes={"colour": "bleu-ciel", "note": "colour"},
)

NEILL = _customer("NEI-0029", first_name="Zoé", last_name="Łabędź-O'Neill")

_CASES: list[Case] = []


def _finds(customer: Customer, name: str, phrase: str = "", **criteria: Any) -> None:
    _CASES.append(Case(name, customer, Criteria(phrase=phrase, **criteria), expected=True))


def _misses(customer: Customer, name: str, phrase: str = "", **criteria: Any) -> None:
    _CASES.append(Case(name, customer, Criteria(phrase=phrase, **criteria), expected=False))


# Words and their beginnings
_finds(DUPONT, "beginnings of name and town", "dup lyo")
_finds(DUPONT, "order does not matter", "lyon dupont")
_finds(DUPONT, "one letter", "d")
_finds(DUPONT, "the same word twice", "dupont dupont")
_finds(DUPONT, "spaces around and between", "  dup \t lyon\n")
_misses(DUPONT, "the middle of a word", "upont")
_misses(DUPONT, "one word too many", "dup lyo paris")
_misses(DUPONT, "longer than the word", "duponts")
_misses(SAME_NAME, "a town it does not have", "dup lyo")
_finds(DUPONT, "street and town", "eglise lyon")
_finds(DUPONT, "building number", "12 bis")
_finds(LEFEVRE, "number within the street text", "12 place")

# Case, accents, letters that are not taken apart
_finds(DUPONT, "capitals", "DUPONT LYON")
_finds(DUPONT, "accent typed", "églisé")
_finds(DUPONT, "accent not typed", "francois")
_finds(LEFEVRE, "accent in capitals", "LEFÈVRE")
_finds(LEFEVRE, "oe ligature", "oeuvrard")
_finds(LEFEVRE, "oe ligature typed", "œuvr")
_misses(LEFEVRE, "half of a ligature begins nothing", "euvrard")
_finds(NOWAK, "l with stroke", "lukasz lodz")
_finds(NOWAK, "l with stroke typed", "ŁUKASZ")
_finds(NOWAK, "several Polish letters", "zolc")
_finds(SORENSEN, "o with stroke", "sorensen bjorn")
_finds(SORENSEN, "o with stroke typed", "Bjørn")
_finds(SORENSEN, "ae", "aeroskobing")
_finds(SORENSEN, "o with stroke and accent", "oster")
_finds(SORENSEN, "sharp s", "strasse")
_finds(SORENSEN, "sharp s typed, small and capital", "straße STRAẞE")
_finds(TURKISH, "dotted capital i", "ibrahim")
_finds(TURKISH, "dotless i", "isik")
_finds(TURKISH, "dotless i typed", "ışık")
_finds(HUNGARIAN, "double acute", "szucs o")
_finds(DECOMPOSED, "combining accents stored, composed typed", "rené ångström")
_finds(DECOMPOSED, "combining accents stored, none typed", "rene angstrom")
_finds(LEFEVRE, "combining accents typed", "zoe\u0301 lefe\u0300vre")
_finds(DUPONT, "a combining accent alone", "\u0301dupont")
_finds(LIGATURE, "fi ligature", "fiona")
_finds(LIGATURE, "full-width letters", "full width")
_finds(DUPONT, "full-width letters typed", "ＤＵＰＯＮＴ")
_finds(MATHS, "mathematical letters", "albert")
_finds(MATHS, "letters beyond the first plane", "𐍈𐌰𐌽")
_finds(INVISIBLE, "soft hyphen and zero-width signs", "marie dubois")
_finds(DUPONT, "zero-width sign typed", "du\u200bpont")

# Punctuation
_finds(DUPONT, "hyphenated first name with a space", "jean francois")
_finds(DUPONT, "hyphenated first name with a hyphen", "jean-francois")
_finds(DUPONT, "hyphenated first name in one piece", "jeanfrancois")
_finds(DUPONT, "second half of a hyphenated name", "franc")
_finds(LEFEVRE, "double-barrelled, begun", "lefevre-oe")
_finds(NOWAK, "double-barrelled, other half first", "zolc nowak")
_finds(LEFEVRE, "hyphenated town in one piece", "saintetienne")
_finds(LEFEVRE, "hyphen typed as a space", "saint etienne")
_finds(OBRIEN, "apostrophe left out", "obrien")
_finds(OBRIEN, "apostrophe typed", "o'brien")
_finds(OBRIEN, "typographic apostrophe typed", "O’Brien")
_finds(OBRIEN, "apostrophe as space", "o brien")
_finds(OBRIEN, "abbreviation with a full stop", "st. stephens")
_finds(NEILL, "hyphen and apostrophe in one name, the end in one piece", "oneill labedz")
_finds(NEILL, "hyphen and apostrophe in one name, all in one piece", "labedzoneill")
_finds(NEILL, "hyphen and apostrophe in one name, as written", "Łabędź-O'Neill")
_misses(NEILL, "pieces in another order are no one piece", "oneilllabedz")
_finds(MODIFIER, "modifier letter as apostrophe", "o'hara liliu")
_finds(MODIFIER, "modifier letter typed", "OʼHara")
_finds(RENAULT, "typographic apostrophe stored", "loreal")
_finds(RENAULT, "dotted abbreviation", "sa l'oreal")
_finds(RENAULT, "dotted abbreviation typed", "S.A. freres")
_finds(RENAULT, "ampersand does not count", "oreal & freres")
_finds(POLSKA, "quotation marks", "zloty klos")
_finds(POLSKA, "abbreviations of a company", "sp z oo")
_finds(LETTERED, "dots typed where there are none", "A.B.C.")
_finds(EMOJI, "emoji do not count", "fleurs fils")
_finds(EMOJI, "emoji typed", "🌸fleurs")
_finds(QUOTED, "quotation marks typed", '"near"')
_finds(QUOTED, "unbalanced quotation mark", 'company"')
_finds(QUOTED, "star", "comp*")
_finds(QUOTED, "colon and star", "near:*")
_finds(QUOTED, "ampersand, bar, exclamation mark", "near & or | !not")
_finds(QUOTED, "NEAR with brackets", "NEAR(company or)")
_finds(QUOTED, "boolean words are words", "and OR not")
_finds(QUOTED, "two dashes", "company -- \\")
_finds(QUOTED, "backslash and single quote", "\\' company'")
_finds(QUOTED, "brackets and braces", "({[company]})")
_misses(QUOTED, "column filter of an index is two words", "name:company")
_misses(QUOTED, "OR does not mean or", "company OR dupont")
_misses(QUOTED, "NOT does not mean not", "company NOT dupont")
_misses(QUOTED, "minus does not mean not", "company -dupont")
_finds(DUPONT, "NUL", "dup\x00 lyon\x00")
_finds(DUPONT, "control characters", "dup\x1f\x7flyon")
_finds(DUPONT, "percent and underscore are no wildcards but punctuation", "%dupont_")
_misses(DUPONT, "underscore stands for no letter", "dup_nt")
_misses(DUPONT, "percent stands for no letters", "d%nt")
_finds(DUPONT, "dollar quotes", "$$dupont$$")
_finds(DUPONT, "an equals sign is punctuation", "=dupont")

# Nothing to search
_finds(DUPONT, "empty phrase", "")
_finds(NOBODY, "empty phrase finds even a customer without words", "")
_finds(DUPONT, "only spaces", "   ")
_finds(DUPONT, "only punctuation", "-'.,*\"&|!:()")
_finds(DUPONT, "only emoji", "🌸💐")
_finds(DUPONT, "empty phrase in a column", "", column="siret")
_misses(NOBODY, "a customer without words has no word", "a")

# Other scripts
_finds(PAPADOPOULOS, "Greek", "παπαδοπουλος γιωργος")
_finds(PAPADOPOULOS, "Greek capitals with final sigma", "ΠΑΠΑΔΟΠΟΥΛΟΣ")
_finds(PAPADOPOULOS, "Greek beginning", "Παπαδ")
_finds(IVANOV, "Cyrillic", "йованов алексей")
_finds(IVANOV, "Cyrillic short i as i", "Иованов")
_finds(WANG, "Chinese", "王 小明")
_finds(WANG, "Chinese beginning", "小")
_finds(HINDI, "Devanagari with vowel signs", "हिन्दी")
_misses(WANG, "another script", "wang")

# Long
_finds(LONG, "very long word", "x" * 100)
_finds(LONG, "beginning of a very long word", "x" * 70)
_finds(LONG, "many pieces in one chunk", "yz-" * 40 + "end")
_finds(DUPONT, "very long phrase", "dupont " * 28)
_misses(DUPONT, "very long word that begins like a name", "dupont" * 30)
_misses(DUPONT, "very long phrase of short words", "z " * 100)

# All and single columns (LIST-2)
_misses(DUPONT, "All does not search the code", "LYO-0001")
_misses(DUPONT, "All does not search the e-mail", "jf.dupont_69@exemple.fr")
_misses(DUPONT, "All does not search phones", "0478123456")
_misses(DUPONT, "All does not search the identity document", "AB123456")
_misses(DUPONT, "All does not search the national id", "180026912345612")
_misses(RENAULT, "All does not search the SIRET", "30326504500012")
_misses(DUPONT, "All does not search groups", "gold")
_misses(DUPONT, "All does not search the kind", "retail")
_finds(RENAULT, "All searches the tax number", "40303265045")
_finds(DUPONT, "All searches the postal code", "69003 dupont")
_misses(SECOND_HOME, "All searches the main address only", "esch")
_finds(SECOND_HOME, "All searches the main address", "petit namur")
_misses(SECOND_HOME, "All does not search the locality", "jambes")
_finds(DUPONT, "column name", "dup jean", column="name")
_misses(DUPONT, "column name does not search the town", "dup lyo", column="name")
_finds(DUPONT, "column town", "lyo", column="town")
_misses(DUPONT, "column town does not search the name", "dupont", column="town")
_finds(DUPONT, "column street", "rue eglise 12", column="street")
_finds(DUPONT, "column street, elided article", "l'eglise", column="street")
_misses(DUPONT, "column street does not search the town", "lyon", column="street")
_finds(NOWAK, "column postal code with dash", "00-950", column="postal_code")
_finds(DUPONT, "column code, begun", "lyo", column="code")
_finds(DUPONT, "column code, whole", "LYO-0001", column="code")
_finds(DUPONT, "column code without dash", "lyo0001", column="code")
_finds(DUPONT, "column code, the number", "0001", column="code")
_misses(DUPONT, "column code, another", "lyo-0002", column="code")
_misses(DUPONT, "column code does not search the name", "dupont", column="code")
_finds(RENAULT, "column SIRET with spaces", "303 265 045 00012", column="siret")
_finds(RENAULT, "column SIRET in one piece", "30326504500012", column="siret")
_misses(RENAULT, "column SIRET, its end", "00012", column="siret")
_finds(RENAULT, "column tax number", "fr40303", column="tax_number")
_misses(RENAULT, "column tax number does not search the name", "oreal", column="tax_number")
_finds(DUPONT, "column e-mail, whole", "jf.dupont_69@exemple.fr", column="email")
_finds(DUPONT, "column e-mail, capitals", "JF.Dupont_69@EXEMPLE.FR", column="email")
_finds(DUPONT, "column e-mail, host", "exemple.fr", column="email")
_finds(DUPONT, "column e-mail, around the at sign", "69@ex", column="email")
_finds(DUPONT, "column e-mail, a piece", "dupont", column="email")
_misses(DUPONT, "column e-mail, other host", "jf.dupont_69@example.fr", column="email")
_finds(QUOTED, "column e-mail with plus", "a+b@c-d.eu", column="email")
_finds(DUPONT, "column identity document", "ab123456", column="identity_document")
_finds(DUPONT, "column identity document with a space", "AB 123456", column="identity_document")
_finds(DUPONT, "column identity document, the digits", "123456", column="identity_document")
_finds(DUPONT, "column national id in one piece", "180026912345612", column="national_id")
_finds(DUPONT, "column national id as written", "1 80 02 69 123 456 12", column="national_id")
_finds(NOWAK, "column national id with country", "PL 44051401359", column="national_id")
_finds(NOWAK, "column national id with spaces", "440514 01359", column="national_id")
_finds(DUPONT, "column country, code", "fr", column="country")
_finds(DUPONT, "column country, English name", "France", column="country")
_finds(NOWAK, "column country, French name", "pologne", column="country")
_finds(NOWAK, "column country, English name begun", "pol", column="country")
_misses(NOWAK, "column country, another", "france", column="country")
_finds(
    SECOND_HOME,
    "column country, of the customer when its main address has none",
    "belgique",
    column="country",
)
_misses(SECOND_HOME, "column country, not of another address", "luxembourg", column="country")
_finds(DUPONT, "column attributes, a value", "ciel", column="attributes")
_misses(DUPONT, "column attributes, a name is no value", "colour", column="attributes")
_misses(DUPONT, "column attributes does not search the name", "dupont", column="attributes")

# The country in All (LIST-2)
_misses(DUPONT, "country not shown", "dupont france")
_finds(DUPONT, "country shown", "dupont france", country_shown=True)
_finds(NOWAK, "country shown, its code", "nowak pl", country_shown=True)
_misses(DUPONT, "country shown, another", "dupont pologne", country_shown=True)

# Attributes (LIST-2, LIST-3)
_finds(DUPONT, "attribute values in All, hidden or not", "dupont bleu")
_misses(DUPONT, "attribute names are not searched", "colour")
_finds(SAME_NAME, "a value that is another attribute's name", "dupont colour")
_finds(DUPONT, "attribute column", "bleu", attribute="colour")
_finds(DUPONT, "attribute column, two words", "ciel ble", attribute="colour")
_finds(DUPONT, "attribute column, in any case", "XL", attribute="SIZE")
_misses(DUPONT, "attribute column, value of another attribute", "xl", attribute="colour")
_misses(SAME_NAME, "attribute column it does not have", "xl", attribute="size")
_misses(DUPONT, "attribute column of an attribute that begins alike", "bleu", attribute="col")
_misses(
    DUPONT, "attribute column with a name no attribute can have", "bleu", attribute='colour" OR "x'
)
_misses(DUPONT, "attribute column with an equals sign", "bleu", attribute="x=colour")
_misses(DUPONT, "attribute column with an empty name", "bleu", attribute="")
_misses(DUPONT, "attribute column with spaces", "bleu", attribute="colour size")
_finds(SAME_NAME, "attribute value in one piece", "bleuciel", attribute="colour")

# Drop-down filters (LIST-3)
_finds(DUPONT, "kind", kind="retail")
_misses(DUPONT, "other kind", kind="business")
_finds(SAME_NAME, "kind with a phrase", "dupont", kind="business")
_misses(DUPONT, "other kind with a phrase", "dupont", kind="business")
_finds(DUPONT, "country", country="FR")
_finds(DUPONT, "country in small letters", country="fr")
_misses(DUPONT, "other country", country="PL")
_misses(DUPONT, "country with a space", country="FR PL")
_misses(DUPONT, "country that closes a quotation", country='fr" OR "')
_misses(SAME_NAME, "country of a customer without one", country="FR")
_finds(SECOND_HOME, "country of the customer when its main address has none", country="BE")
_finds(DUPONT, "group", groups=["gold"])
_finds(DUPONT, "group in another case", groups=["staff_family"])
_misses(LEFEVRE, "other group", groups=["gold"])
_misses(DUPONT, "beginning of a group", groups=["gol"])
_misses(INVISIBLE, "group that continues", groups=["gold"])
_finds(INVISIBLE, "group with dash and digit", groups=["gold-2"])
_finds(RENAULT, "two groups, both", groups=["gold", "silver"])
_misses(DUPONT, "two groups, one of them", groups=["gold", "silver"])
_misses(DUPONT, "group with a NUL", groups=["gold\x00"])
_misses(DUPONT, "group with a star", groups=["gol*"])


def _attribute(attribute: str, value: str) -> list[AttributeValue]:
    return [AttributeValue(attribute=attribute, value=value)]


_finds(DUPONT, "attribute value", attributes=_attribute("colour", "Bleu ciel"))
_finds(DUPONT, "attribute value, case and accents", attributes=_attribute("Colour", "BLÉU CIEL"))
_finds(SAME_NAME, "attribute value, punctuation", attributes=_attribute("colour", "Bleu ciel"))
_misses(DUPONT, "beginning of an attribute value", attributes=_attribute("colour", "Bleu"))
_misses(DUPONT, "attribute value of another attribute", attributes=_attribute("size", "Bleu ciel"))
_misses(LEFEVRE, "other attribute value", attributes=_attribute("colour", "Bleu ciel"))
_misses(
    DUPONT, "attribute name no attribute can have", attributes=_attribute("colour=bleu", "ciel")
)
_finds(EMOJI, "attribute value of punctuation", attributes=_attribute("empty", "***"))
_finds(
    RENAULT,
    "two attributes",
    attributes=[*_attribute("size", "xl"), *_attribute("branch", "cosmetiques")],
)
_misses(
    DUPONT,
    "two attributes, one of them",
    attributes=[*_attribute("size", "xl"), *_attribute("colour", "rouge")],
)
_finds(
    RENAULT,
    "everything at once",
    "oreal clichy 92",
    kind="business",
    country="FR",
    groups=["silver"],
    attributes=_attribute("size", "xl"),
)
_misses(
    RENAULT,
    "everything at once but the group",
    "oreal clichy 92",
    kind="business",
    country="FR",
    groups=["staff_family"],
    attributes=_attribute("size", "xl"),
)
_finds(
    DUPONT,
    "filter and attribute column",
    "bleu",
    attribute="colour",
    kind="retail",
    groups=["gold"],
)
_misses(
    DUPONT,
    "filter excludes what the attribute column finds",
    "bleu",
    attribute="colour",
    kind="business",
)
_finds(DUPONT, "filter and single column", "lyo", column="town", country="FR")

# Tax numbers
_finds(RENAULT, "tax number in one piece", "FR40303265045")
_finds(RENAULT, "tax number with spaces", "FR 40 303 265 045")
_finds(RENAULT, "tax number with dashes and dots", "fr-40.303.265-045")
_finds(RENAULT, "tax number without prefix", "40 303 265 045")
_finds(RENAULT, "tax number begun", "fr 40 303")
_misses(RENAULT, "tax number, its middle", "303265045", column="tax_number")
_misses(RENAULT, "tax number of another country", "PL 40 303 265 046")
_finds(POLSKA, "NIP as written", "526-000-12-46")
_finds(POLSKA, "NIP in one piece", "5260001246")
_finds(POLSKA, "NIP with a prefix that is not stored", "PL5260001246")
_finds(POLSKA, "NIP with prefix, spaces and dashes", "PL 526-000-12-46")
_finds(POLSKA, "NIP and name", "526-000-12-46 piekarnia")
_finds(BARE_TAX, "prefix stored, none typed, no country", "526 000 12 46")
_finds(LETTERED, "letters in the key, without prefix", "K7 399 859 412")
_finds(LETTERED, "letters in the key, with prefix", "FR K7 399 859 412")
_finds(LETTERED, "name of letters and digits", "abc 3000")
_finds(GREEK_TAX, "the prefix of Greece is EL", "EL094259216")

# Phones
_finds(DUPONT, "phone national", "0478123456", column="phone")
_finds(DUPONT, "phone national with spaces", "04 78 12 34 56", column="phone")
_finds(DUPONT, "phone national with dots", "04.78.12", column="phone")
_finds(DUPONT, "phone international", "+33478123456", column="phone")
_finds(DUPONT, "phone international with spaces", "+33 4 78 12", column="phone")
_finds(DUPONT, "phone with the written zero", "+33 (0)4 78 12 34 56", column="phone")
_finds(DUPONT, "phone with a zero that should not be there", "+330478123456", column="phone")
_finds(DUPONT, "phone from outside", "0033 4 78 12", column="phone")
_finds(DUPONT, "phone from outside with the written zero", "0033 (0) 4 78 12", column="phone")
_finds(DUPONT, "phone without the first zero", "478123456", column="phone")
_finds(DUPONT, "phone in brackets", "(04) 78-12-34-56", column="phone")
_finds(DUPONT, "extra phone", "06 12 34", column="phone")
_finds(DUPONT, "extra phone international", "+33612345678", column="phone")
_misses(DUPONT, "phone, its end", "123456", column="phone")
_misses(DUPONT, "phone of another country", "+48478123456", column="phone")
_finds(LEFEVRE, "phone stored with the written zero, national", "06 98 76", column="phone")
_finds(LEFEVRE, "phone stored with the written zero, international", "+33 6 98 76", column="phone")
_finds(OBRIEN, "phone stored from outside, of another country", "04 72 00 11", column="phone")
_finds(OBRIEN, "phone stored from outside, typed with plus", "+33 472", column="phone")
_finds(NOWAK, "phone of a country without trunk digit", "600100200", column="phone")
_finds(
    NOWAK,
    "phone of a country without trunk digit, international",
    "+48 600-100-200",
    column="phone",
)
_finds(RENAULT, "phone of another country than the customer's", "22 123 45 67", column="phone")
_finds(RENAULT, "phone of another country, from outside", "0048 22", column="phone")
_finds(HUNGARIAN, "phone with two trunk digits", "+36 1 234", column="phone")
_finds(HUNGARIAN, "phone with two trunk digits, national", "06 1 234", column="phone")
_finds(DIGITS, "phone in other digits", "04 78 99", column="phone")
_finds(WANG, "phone in full-width digits", "+86 10 6555", column="phone")
_finds(DUPONT, "phone typed in full-width digits", "０４ ７８ １２", column="phone")

# Postal codes and streets with digits
_finds(DUPONT, "postal code with a space", "69 003")
_finds(DUPONT, "postal code begun", "690")
_finds(NOWAK, "postal code with dash, in one piece", "00950")
_finds(NOWAK, "postal code with dash, as a space", "00 950")
_finds(OBRIEN, "postal code with a space, in one piece", "d02x285")
_finds(OBRIEN, "postal code with a space, as stored", "D02 X285")
_finds(SORENSEN, "postal code stored with a country", "1050")
_finds(DIGITS, "postal code in full-width digits", "69003")
_misses(DUPONT, "postal code that two zeros precede", "0069003")
_finds(DIGITS, "digits in a street", "8 mai 1945")
_finds(DIGITS, "digits in a street, out of order", "1945 boulevard 8")
_finds(DIGITS, "building number with a letter", "221b")
_finds(NOWAK, "digit that begins a street", "3 maja")
_finds(NOWAK, "building and flat", "7/12")
_finds(OBRIEN, "a vulgar fraction is its digits", "st stephens 1")
_finds(POLSKA, "postal code and town", "02-001 warszawa")

CASES: tuple[Case, ...] = tuple(_CASES)
