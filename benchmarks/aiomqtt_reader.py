"""A bare aiomqtt reader, QoS 1, that only counts: `python -m benchmarks.aiomqtt_reader PORT MESSAGES`."""

from __future__ import annotations

import asyncio
import signal
import sys

import aiomqtt

from benchmarks.stream import TOPICS


async def read(port: int, messages: int) -> int:
    """Count messages until all came or SIGTERM."""
    count = 0

    async def take() -> None:
        nonlocal count
        async with aiomqtt.Client("127.0.0.1", port, identifier="bench-aiomqtt") as client:
            await client.subscribe(TOPICS, qos=1)
            async for _ in client.messages:
                count += 1
                if count >= messages:
                    return

    task = asyncio.create_task(take())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    await asyncio.wait([task])
    return count


if __name__ == "__main__":
    print(asyncio.run(read(int(sys.argv[1]), int(sys.argv[2]))), flush=True)
    sys.stdin.readline()
