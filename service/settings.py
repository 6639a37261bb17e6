"""What can be set: types, defaults, meaning. `service.settings_load` reads it from file, environment and flags.

A section of the file is a class here, a key is a field; `docs/settings.md` is made from both.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import SplitResult, parse_qsl, urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from telemetry.durations import duration_ns
from telemetry.names import is_pilot_or_device

FOREVER = "forever"


def _checked_retention(text: str) -> str:
    if text != FOREVER and duration_ns(text) <= 0:
        raise ValueError(f"{text!r} keeps nothing; write a duration like 400d, or forever")
    return text


def _checked_mqtt_url(text: str) -> str:
    url = urlsplit(text)
    if url.scheme not in ("mqtt", "mqtts") or not _has_host(url) or url.path not in ("", "/") or url.query:
        raise ValueError(f"{text!r} is no address of a broker; write mqtt://HOST:1883 or mqtts://HOST:8883")
    return text


def _checked_store_url(text: str) -> str:
    url = urlsplit(text)
    if text != "duckdb" and (url.scheme not in ("influxdb+http", "influxdb+https") or not _has_host(url)):
        raise ValueError(f"{text!r} is no store; write duckdb or influxdb+http://HOST:8086/?bucket=BUCKET")
    return text


def _has_host(url: SplitResult) -> bool:
    try:
        return bool(url.hostname) and (url.port is None or url.port > 0)
    except ValueError:
        return False


def _checked_site(text: str) -> str:
    if not is_pilot_or_device(text):
        raise ValueError(f"{text!r} cannot stand in a client id; use 1 to 64 of A-Z, a-z, 0-9, dot, dash, underscore")
    return text


def _split_list(value: Any) -> Any:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _both_or_none(cert_file: Path | None, key_file: Path | None) -> None:
    if (cert_file is None) != (key_file is None):
        given, wanted = ("cert_file", "key_file") if cert_file else ("key_file", "cert_file")
        raise ValueError(f"{given} is set without {wanted}; set both or none")


Port = Annotated[int, Field(ge=0, le=65535)]
Retention = Annotated[str, AfterValidator(_checked_retention)]
MqttUrl = Annotated[str, AfterValidator(_checked_mqtt_url)]
StoreUrl = Annotated[str, AfterValidator(_checked_store_url)]
Site = Annotated[str, AfterValidator(_checked_site)]
Paths = Annotated[tuple[Path, ...], NoDecode, BeforeValidator(_split_list)]
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split_list)]


class Section(BaseModel):
    """A table of the settings file: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ServiceSection(Section):
    """Where this installation lives and what it is called."""

    data: Path = Field(Path("var/rasad"), description="Folder of all state: operational database, store, tokens.")
    site: Site = Field("rasad", description="Name of this installation, in client ids and logs.")


class HttpSection(Section):
    """The API and the console."""

    host: str = Field("127.0.0.1", min_length=1, description="Address to listen on.")
    port: Port = Field(8080, description="Port; not set and taken: the next free one; 0: any free one.")
    cert_file: Path | None = Field(None, description="Certificate chain (PEM); with `key_file`, HTTPS is spoken.")
    key_file: Path | None = Field(None, description="Private key (PEM) of `cert_file`.")

    @model_validator(mode="after")
    def _key_beside_certificate(self) -> Self:
        _both_or_none(self.cert_file, self.key_file)
        return self


class BrokerSection(Section):
    """The Mosquitto that `rasad up` starts when no `mqtt.url` is set."""

    host: str = Field("127.0.0.1", min_length=1, description="Address that the broker listens on.")
    port: Port = Field(1883, description="Port; not set and taken: the next free one; 0: any free one.")


class MqttSection(Section):
    """The session with the broker that devices publish to."""

    url: MqttUrl | None = Field(
        None, description="`mqtt://HOST:PORT` or `mqtts://…`; `rasad up` without it starts a broker."
    )
    username: str | None = Field(None, description="User name at the broker.")
    password: SecretStr | None = Field(None, description="Password at the broker; better by `password_file`.")
    password_file: Path | None = Field(None, description="File whose first line is the password.")
    ca_file: Path | None = Field(None, description="Authorities (PEM) that the broker's certificate is held against.")
    cert_file: Path | None = Field(None, description="Our certificate (PEM) for mutual TLS.")
    key_file: Path | None = Field(None, description="Private key (PEM) of `cert_file`.")
    client_id: str | None = Field(
        None,
        min_length=1,
        max_length=128,
        description="Identity of the persistent session; `SITE-ingest` when not set.",
    )
    receive_maximum: int = Field(4096, ge=1, le=65535, description="Unacknowledged messages that we take at a time.")
    keep_alive_s: int = Field(30, ge=5, le=3600, description="Silence after which the broker is pinged, s.")
    session_expiry_s: int = Field(
        86_400, ge=0, le=4_294_967_295, description="How long the broker keeps messages for us while we are away, s."
    )
    share_group: str | None = Field(
        None, pattern=r"^[A-Za-z0-9_.\-]{1,64}$", description="Shared subscription group; for several workers."
    )
    backoff_cap_s: float = Field(30.0, gt=0, le=3600, description="Longest wait between two attempts to connect, s.")

    @model_validator(mode="after")
    def _key_beside_certificate(self) -> Self:
        _both_or_none(self.cert_file, self.key_file)
        return self


class AdmissionSection(Section):
    """What one device may send."""

    device_messages_per_s: float = Field(2000, gt=0, description="Messages a device may send for long, per second.")
    device_burst: int = Field(60_000, ge=1, description="Messages a device may send at once after a pause.")
    max_payload_bytes: int = Field(262_144, ge=64, le=268_435_455, description="Largest payload, bytes.")
    max_objects: int = Field(10_000, ge=1, le=1_000_000, description="Most objects in the array of one message.")
    future_ms: int = Field(300_000, ge=0, description="How far a time stamp may lie ahead of our clock, ms.")


class JournalSection(Section):
    """The journal, in which a message is durable before the broker gets its acknowledgement."""

    max_delay_ms: float = Field(20, gt=0, le=1000, description="Longest wait of a message for its group's fsync, ms.")
    min_free_disk_bytes: int = Field(
        256 << 20,
        ge=0,
        description="Free disk below which acks stop, bytes; on a small disk at most a twentieth of it.",
    )


class QuarantineSection(Section):
    """What was refused and is kept for a person to look at."""

    max_bytes: int = Field(
        256 << 20, ge=0, description="Most bytes kept; beyond it refused messages count as rejected."
    )


class StoreSection(Section):
    """Where readings, windows and events live for good."""

    url: StoreUrl = Field("duckdb", description="`duckdb`, or `influxdb+http://HOST:PORT/?org=ORG&bucket=BUCKET`.")
    org: str = Field("", description="InfluxDB organisation (2.x).")
    bucket: str = Field("rasad", min_length=1, description="InfluxDB bucket; on 1.x `DATABASE` or `DATABASE/POLICY`.")
    token: SecretStr | None = Field(None, description="InfluxDB token; better by `token_file`.")
    token_file: Path | None = Field(None, description="File whose first line is the token.")
    username: str | None = Field(None, description="InfluxDB 1.x user.")
    password: SecretStr | None = Field(None, description="InfluxDB 1.x password; better by `password_file`.")
    password_file: Path | None = Field(None, description="File whose first line is the password.")
    drain_rows_per_s: int = Field(
        100_000, ge=100, description="Rows a second at most while the outbox drains after the store was away."
    )
    memory_limit_mb: int = Field(96, ge=32, description="Memory that DuckDB may take, MB.")

    @model_validator(mode="before")
    @classmethod
    def _options_of_the_url(cls, given: Any) -> Any:
        if not isinstance(given, dict) or not isinstance(given.get("url"), str):
            return given
        options = dict(parse_qsl(urlsplit(given["url"]).query))
        unknown = options.keys() - {"org", "bucket", "username"}
        if unknown:
            raise ValueError(f"the url has unknown options {sorted(unknown)}; known are org, bucket and username")
        return {**options, **given}

    @property
    def address(self) -> str | None:
        """`http://HOST:PORT` of InfluxDB, None with DuckDB."""
        if self.url == "duckdb":
            return None
        url = urlsplit(self.url.removeprefix("influxdb+"))
        return f"{url.scheme}://{url.netloc}{url.path.rstrip('/')}"


class RetentionSection(Section):
    """How long the store keeps what: a duration like `400d`, or `forever`."""

    readings: Retention = Field("400d", description="Single readings.")
    base: Retention = Field("400d", description="Base windows (10 s unless the pilot says otherwise).")
    m1: Retention = Field("1100d", description="1 min windows.")
    h1: Retention = Field("forever", description="1 h windows.")
    events: Retention = Field("1100d", description="Events and status changes.")

    def ns(self, what: Literal["readings", "base", "m1", "h1", "events"]) -> int | None:
        """Give how long `what` is kept in ns, None for ever."""
        text: str = getattr(self, what)
        return None if text == FOREVER else duration_ns(text)


class PilotsSection(Section):
    """Which pilots run. In the environment lists are written with commas."""

    dirs: Paths = Field((), description="Folders with more pilots, a folder in them for each.")
    only: Names = Field((), description="Ids of the pilots to run; all that are found when empty.")


class LogSection(Section):
    """The log, on standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is written.")
    format: Literal["auto", "console", "json"] = Field(
        "auto", description="`auto`: for people on a terminal, else JSON."
    )


class Settings(BaseSettings):
    """All settings. Whether a key was set or left at its default stands in `SECTION.model_fields_set`."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix="RASAD_", env_nested_delimiter="__", validate_default=False
    )

    service: ServiceSection = ServiceSection()
    http: HttpSection = HttpSection()
    broker: BrokerSection = BrokerSection()
    mqtt: MqttSection = MqttSection()
    admission: AdmissionSection = AdmissionSection()
    journal: JournalSection = JournalSection()
    quarantine: QuarantineSection = QuarantineSection()
    store: StoreSection = StoreSection()
    retention: RetentionSection = RetentionSection()
    pilots: PilotsSection = PilotsSection()
    log: LogSection = LogSection()
