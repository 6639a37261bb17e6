"""From settings to parts: pilots, stores, the MQTT session, the worker."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import structlog

from ingest.admission import Limits
from ingest.session import SessionSettings
from service.discovery import find_pilots
from service.retention import ages_ns
from service.series_book import SeriesBook
from service.settings import Settings
from service.worker import Worker
from storage.duckdb_store import DuckDBStore
from storage.operational import Operational
from telemetry.errors import Mistake, SettingsError
from telemetry.ports import Store
from telemetry.registry import SeriesTable

log = structlog.get_logger("service.wiring")


@dataclass(slots=True)
class Parts:
    """What a worker process is made of."""

    operational: Operational
    store: Store
    book: SeriesBook
    worker: Worker


def build(settings: Settings) -> Parts:
    """Make the parts; opens the operational database, nothing else."""
    pilots = [found.pilot for found in find_pilots(settings.pilots.dirs, settings.pilots.only)]
    data = settings.service.data
    operational = Operational(data / "operational.sqlite", settings.quarantine.max_bytes)
    operational.open()
    if operational.damage:
        log.error("the journal is damaged", why=operational.damage)
    book = SeriesBook(pilots, operational.series())
    store = make_store(settings, book.table)
    admission = settings.admission
    worker = Worker(
        book,
        operational,
        store,
        Limits(admission.future_ms * 10**6, admission.device_messages_per_s, float(admission.device_burst)),
        admission.max_payload_bytes,
        admission.max_objects,
        settings.store.drain_rows_per_s,
    )
    return Parts(operational, store, book, worker)


def make_store(settings: Settings, series: SeriesTable) -> Store:
    """The store that settings name."""
    chosen = settings.store
    if chosen.address is None:
        return DuckDBStore(settings.service.data / "history.duckdb", series, chosen.memory_limit_mb)
    from storage.influx_store import InfluxStore

    return InfluxStore(
        chosen.address,
        series,
        database=chosen.bucket,
        token=chosen.token.get_secret_value() if chosen.token else None,
        username=chosen.username,
        password=chosen.password.get_secret_value() if chosen.password else None,
        org=chosen.org or None,
        retention_ns=ages_ns(settings.retention),
    )


def session_settings(settings: Settings, url: str, client_id: str) -> SessionSettings:
    """How the MQTT session is to be opened."""
    address, mqtt = urlsplit(url), settings.mqtt
    secure = address.scheme == "mqtts"
    password = mqtt.password.get_secret_value() if mqtt.password else address.password
    return SessionSettings(
        host=address.hostname or "127.0.0.1",
        port=address.port or (8883 if secure else 1883),
        client_id=mqtt.client_id or client_id,
        username=mqtt.username or address.username,
        password=password,
        tls=tls_context(mqtt.ca_file, mqtt.cert_file, mqtt.key_file) if secure else None,
        keep_alive_s=mqtt.keep_alive_s,
        session_expiry_s=mqtt.session_expiry_s,
        receive_maximum=mqtt.receive_maximum,
        share_group=mqtt.share_group,
        backoff_cap_s=mqtt.backoff_cap_s,
    )


def tls_context(ca_file: Path | None, cert_file: Path | None, key_file: Path | None) -> ssl.SSLContext:
    """TLS with the authorities of the system or of `ca_file`, and our certificate for mutual TLS."""
    try:
        context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
        if cert_file:
            context.load_cert_chain(cert_file, key_file)
    except (OSError, ssl.SSLError) as error:
        files = ", ".join(str(f) for f in (ca_file, cert_file, key_file) if f)
        cure = "Give PEM files that this user can read"
        raise SettingsError(
            [Mistake("settings", 0, "mqtt.ca_file, cert_file, key_file", f"{files}: {error}", cure)]
        ) from error
    return context
