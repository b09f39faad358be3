"""How the ERP connects to its broker."""

import structlog

from erp_node.settings import ErpSettings
from erp_node.setup import CannotDo, admin_of, make_erp_user
from messaging.admin import AdminError
from messaging.amqp import AmqpBroker
from messaging.channel import Connection, NotAllowed

log = structlog.get_logger()


class Login:
    """A broker that knows the ERP's user: when it was wiped, the user is made again and it is asked again."""

    def __init__(self, settings: ErpSettings) -> None:
        self._settings = settings
        self._broker = AmqpBroker(settings.amqp_url)

    async def connect(self, name: str) -> Connection:
        """As messaging.channel.Broker. Without the management API's address a wiped broker stays NotAllowed."""
        try:
            return await self._broker.connect(name)
        except NotAllowed as error:
            if not await self._made_again(error):
                raise
            return await self._broker.connect(name)

    async def _made_again(self, refusal: NotAllowed) -> bool:
        if not self._settings.amqp_admin_url:
            return False
        try:
            async with admin_of(self._settings) as admin:
                await make_erp_user(self._settings, admin)
        except (AdminError, CannotDo) as error:
            log.error("the ERP's user is not known", action="user", reason=str(error))
            return False
        log.warning("the ERP's user was made again", action="user", reason=refusal.reason)
        return True
