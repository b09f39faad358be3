"""Importing customers, or cards, from a file (CSV or JSON Lines): good rows go in, bad ones are named.

What is said here is about customers; cards (imports.cards) have the columns of imports.card_rows.

**JSON Lines**: one object per line. Either `record` is the whole customer
(contracts.customers.Customer) and the other keys stand beside it, or all stand in one object. What
a record does not name it does not have.

**CSV**: the first line names the columns, separated by commas, semicolons, tabs or `|`. A column is a
field of the customer; a field of its main address (`town` or `address.town`; what both have, such
as `phone`, only as `address.phone`); `attribute.NAME`; `consent.DEFINITION` (given, refused,
unknown); `groups` (codes, with spaces between). `kind` and `code` are required. A cell in quotes may
have several lines. Fields without a column stay as they are; an empty cell empties its field, except
in a column of a consent.

**Both** may say `id`, `everywhere`, `centres`, `editors`, `is_customer`, `active`; what they leave
out stays as it is. A new customer for whom neither `everywhere` nor `centres` is said is available
everywhere. Once centres are defined, only those can be named. A customer is known by its id,
otherwise by the code it has now: a code that it had before is somebody new. The text is UTF-8.
Importing a file again changes nothing.
"""

from erp_node.imports.files import WrongFile
from erp_node.imports.load import Import, ImportReport, import_file

__all__ = ["Import", "ImportReport", "WrongFile", "import_file"]
