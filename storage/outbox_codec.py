"""Store batches as bytes for the outbox, and back."""

from __future__ import annotations

import msgspec

from telemetry.columns import Event, Readings, Windows
from telemetry.ports import Resolution, StoreBatch


class _Packed(msgspec.Struct, array_like=True):
    # raw: the columns are packed already and must not be copied once more
    readings: msgspec.Raw
    windows: dict[Resolution, msgspec.Raw]
    events: list[Event]


_decoder = msgspec.msgpack.Decoder(_Packed)


def pack_batch(batch: StoreBatch) -> bytes:
    """Pack everything but the number."""
    windows = {name: msgspec.Raw(rows.to_bytes()) for name, rows in batch.windows.items() if len(rows)}
    return msgspec.msgpack.encode(_Packed(msgspec.Raw(batch.readings.to_bytes()), windows, batch.events))


def unpack_batch(number: int, blob: bytes) -> StoreBatch:
    """Unpack what `pack_batch` packed."""
    packed = _decoder.decode(blob)
    windows = {name: Windows.from_bytes(bytes(rows)) for name, rows in packed.windows.items()}
    return StoreBatch(number, Readings.from_bytes(bytes(packed.readings)), windows, packed.events)
