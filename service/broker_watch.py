"""Watches what the broker says of itself: messages that it dropped show nowhere else (RELIABILITY, fact 3)."""

from __future__ import annotations

import asyncio

import aiomqtt
import structlog

from ingest.session import SessionSettings
from service.health import Vitals

log = structlog.get_logger("service.broker_watch")
DROPPED = "$SYS/broker/publish/messages/dropped"


async def watch(settings: SessionSettings, vitals: Vitals) -> None:
    """Read the broker's count of dropped messages until cancelled; a rise is logged and shown by health."""
    while True:
        try:
            async with aiomqtt.Client(
                settings.host, settings.port, username=settings.username, password=settings.password,
                tls_context=settings.tls, identifier=f"{settings.client_id}-watch",
            ) as client:  # fmt: skip
                await client.subscribe(DROPPED)
                async for message in client.messages:
                    _note(message.payload, vitals)
        except aiomqtt.MqttError:
            await asyncio.sleep(5.0)


def _note(payload: object, vitals: Vitals) -> None:
    try:
        dropped = int(bytes(payload))  # type: ignore[call-overload]
    except (TypeError, ValueError):
        return
    before = vitals.dropped_count
    vitals.dropped_count = dropped
    if before is not None and dropped != before:
        more = dropped - before if dropped > before else dropped  # a broker that started again counts from 0
        vitals.dropped_by_broker += more
        log.error("the broker dropped messages", more=more, since_we_watch=vitals.dropped_by_broker)
