"""Messages to a broker at QoS 1, as fast as it takes them, every one acknowledged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from service.history.lines import Raw
from service.settings import Settings
from simulators.broker import BrokerAddress, broker_address
from simulators.link import BrokerRefused
from simulators.message import Message
from simulators.publish import Fleet
from telemetry.errors import RasadError


class _AtOnce:
    def due_ms(self, at_ms: int) -> float:  # noqa: ARG002 - the signature of a pace
        return 0.0


def send(settings: Settings, url: str, messages: Iterator[Raw], say: Callable[[str], None]) -> int:
    """Publish and await every acknowledgement; gives how many. RasadError when the broker refuses."""
    with Fleet(_address(settings, url), notice=say) as fleet:
        try:
            played = fleet.play((Message(topic, payload, 0) for topic, payload in messages), _AtOnce())
        except BrokerRefused as error:
            raise RasadError(str(error)) from None
    if played.unacknowledged:
        raise RasadError(
            f"{played.unacknowledged} of {played.sent} messages were not acknowledged; send the file again"
        )
    return played.sent


def _address(settings: Settings, url: str) -> BrokerAddress:
    mqtt = settings.mqtt
    address = broker_address(url, ca_file=mqtt.ca_file)
    if mqtt.username is None:
        return address
    password = mqtt.password.get_secret_value() if mqtt.password else None
    return replace(address, username=mqtt.username, password=password)
