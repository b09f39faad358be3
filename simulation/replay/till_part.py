"""A till played from a trace: it sends the ERP its recorded entries and questions, and entries again when asked."""

from contracts import envelope
from contracts.envelope import MessageError
from contracts.journal import Resend
from contracts.topology import TillAddress
from messaging.channel import Broker, Channel, Delivery, Message, MessagingError
from simulation.replay.story import Given


class TillPart:
    """Plays one till for a fresh ERP, over any broker."""

    def __init__(self, address: TillAddress, broker: Broker) -> None:
        self.address = address
        self.journal: dict[tuple[str, int], Message] = {}
        """Entries it has made so far, by epoch and number; of one sent twice, the first."""
        self._broker = broker
        self._channel: Channel | None = None

    async def open(self) -> None:
        """Connects, and listens from now on. Raises MessagingError."""
        connection = await self._broker.connect(f"{self.address.pos_id} of the trace")
        self._channel = await connection.channel(confirms=True, prefetch=0)
        await self._channel.consume(self.address.urgent_queue, self._hear, acks=False)
        for queue in (self.address.reply_queue, self.address.feed_queue):
            await self._channel.consume(queue, lambda delivery: None, acks=False)

    def know(self, given: Given) -> None:
        """From now on the till has written this, whether or not it arrives."""
        if (entry := given.entry) is not None:
            self.journal.setdefault((entry.epoch, entry.seq), given.message)

    def send(self, given: Given) -> None:
        """A recorded message, as it was."""
        self._publish(given.message)

    def send_again(self, epoch: str, after: int) -> None:
        """What it has of a journal beyond a number."""
        for (known, seq), message in sorted(self.journal.items(), key=lambda one: one[0]):
            if known == epoch and seq > after:
                self._publish(message)

    def _hear(self, delivery: Delivery) -> None:
        if delivery.type != "journal.resend":
            return
        try:
            _, data = envelope.split(delivery.body)
            asked = envelope.read_data(Resend, data)
        except MessageError:
            return
        self.send_again(asked.epoch, asked.from_seq - 1)

    def _publish(self, message: Message) -> None:
        assert self._channel is not None
        try:
            self._channel.publish(message).add_done_callback(lambda done: done.exception())
        except MessagingError:
            return
