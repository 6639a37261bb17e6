"""Store batches as bytes for the outbox, and back."""

from __future__ import annotations

import msgspec

from storage.single_windows import Singles, expand, split
from telemetry.columns import Event, Readings, Windows
from telemetry.ports import Resolution, StoreBatch


class _Packed(msgspec.Struct, array_like=True):
    # raw: the columns are packed already and must not be copied once more
    readings: msgspec.Raw
    windows: dict[Resolution, tuple[msgspec.Raw, msgspec.Raw]]
    events: list[Event]


_decoder = msgspec.msgpack.Decoder(_Packed)


def pack_batch(batch: StoreBatch) -> bytes:
    """Pack everything but the number."""
    windows = {name: _pack_windows(rows) for name, rows in batch.windows.items() if len(rows)}
    return msgspec.msgpack.encode(_Packed(msgspec.Raw(batch.readings.to_bytes()), windows, batch.events))


def unpack_batch(number: int, blob: bytes) -> StoreBatch:
    """Unpack what `pack_batch` packed."""
    packed = _decoder.decode(blob)
    windows = {name: _unpack_windows(name, *parts) for name, parts in packed.windows.items()}
    return StoreBatch(number, Readings.from_bytes(bytes(packed.readings)), windows, packed.events)


def _pack_windows(windows: Windows) -> tuple[msgspec.Raw, msgspec.Raw]:
    several, singles = split(windows)
    return msgspec.Raw(several.to_bytes()), msgspec.Raw(singles.to_bytes())


def _unpack_windows(resolution: Resolution, several: msgspec.Raw, singles: msgspec.Raw) -> Windows:
    alone = expand(Singles.from_bytes(bytes(singles)), with_percentiles=resolution == "base")
    return Windows.concat([Windows.from_bytes(bytes(several)), alone])
