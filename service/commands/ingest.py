"""`rasad ingest`: one ingest worker, for production."""

from __future__ import annotations

import gc
from typing import Annotated

import typer

from service.commands.data_options import (
    ConfigOption,
    DataOption,
    PilotsDirOption,
    PilotsOption,
    StoreOption,
    settings_of,
)
from service.commands.up import split_address
from service.logs import configure


def ingest(
    config: ConfigOption = None,
    data: DataOption = None,
    http: Annotated[str | None, typer.Option(help="HOST:PORT of health, metrics and ledger; 8081 if not set.")] = None,
    mqtt: Annotated[str | None, typer.Option(help="Broker: mqtt://HOST:PORT or mqtts://HOST:PORT.")] = None,
    pilots_dir: PilotsDirOption = None,
    pilots: PilotsOption = None,
    store: StoreOption = None,
) -> None:
    """Run one worker: broker to journal to windows to store, live values on the bus; no console."""
    host, port = split_address(http)
    settings = settings_of(
        config, data, http={"host": host, "port": port}, mqtt={"url": mqtt},
        pilots={"dirs": pilots_dir or None, "only": pilots}, store={"url": store},
    )  # fmt: skip
    configure(settings.log)
    import uvloop

    from service.ingest_process import run

    # as in `up`: long-lived objects out of the collector's way
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    try:
        uvloop.run(run(settings))
    finally:
        gc.unfreeze()
