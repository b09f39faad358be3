"""Why something could not be done, for logs and the status page: never with personal data in it."""

from contracts.envelope import MessageError
from messaging.channel import MessagingError
from messaging.failures import describe
from pos_node.store.errors import StoreError


def reason_of(error: BaseException) -> str:
    """The words of an error that has words of ours; of any other only what and where it was."""
    known = isinstance(error, MessagingError | MessageError | StoreError)
    return str(error) if known else describe(error)
