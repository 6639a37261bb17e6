"""One MQTT message as it is journaled, and groups of them as bytes and back."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

#: (topic, payload, retain, received_ns); a plain tuple, because there are very many. Receive times rise strictly
Message: TypeAlias = tuple[str, bytes, bool, int]

_decoder = msgspec.msgpack.Decoder(list[Message])


def pack(messages: list[Message]) -> bytes:
    """Pack a group of messages for the journal."""
    return msgspec.msgpack.encode(messages)


def unpack(blob: bytes) -> list[Message]:
    """Unpack a journaled group; raises `msgspec.DecodeError` when it is damaged.

    >>> unpack(pack([("a", b"1", False, 5)]))
    [('a', b'1', False, 5)]
    """
    return _decoder.decode(blob)
