"""`rasad api`: the API and the console in a process of their own, for production."""

from __future__ import annotations

from typing import Annotated

import typer

from service.commands.data_options import (
    ConfigOption,
    DataOption,
    PilotsDirOption,
    PilotsOption,
    settings_of,
)
from service.commands.up import split_address
from service.logs import configure


def api(
    config: ConfigOption = None,
    data: DataOption = None,
    http: Annotated[str | None, typer.Option(help="HOST:PORT of API and console.")] = None,
    mqtt: Annotated[str | None, typer.Option(help="Broker that carries the bus: mqtt://HOST:PORT.")] = None,
    pilots_dir: PilotsDirOption = None,
    pilots: PilotsOption = None,
    store: Annotated[str | None, typer.Option(help="influxdb+http://HOST:PORT/?bucket=NAME.")] = None,
) -> None:
    """Serve API and console beside `rasad ingest` on the same --data; needs InfluxDB as the store."""
    host, port = split_address(http)
    settings = settings_of(
        config, data, http={"host": host, "port": port}, mqtt={"url": mqtt},
        pilots={"dirs": pilots_dir or None, "only": pilots}, store={"url": store},
    )  # fmt: skip
    configure(settings.log)
    import uvloop

    from service.api_process import run

    uvloop.run(run(settings))
