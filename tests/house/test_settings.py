from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from service.settings import Settings
from service.settings_load import load_settings
from service.settings_page import settings_page
from telemetry.errors import Mistake, SettingsError
from tests.house.harbour import ROOT


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for section in Settings.model_fields:
        for key in Settings.model_fields[section].annotation.model_fields:  # type: ignore[union-attr]
            monkeypatch.delenv(f"RASAD_{section}__{key}".upper(), raising=False)


def config(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "rasad.toml"
    file.write_text(text, encoding="utf-8")
    return file


def mistakes_of(file: Path | None, flags: Any = None) -> list[Mistake]:
    with pytest.raises(SettingsError) as caught:
        load_settings(file, flags)
    return caught.value.mistakes


def test_without_anything_the_defaults_stand() -> None:
    settings = load_settings()
    assert (settings.http.host, settings.http.port, settings.store.url) == ("127.0.0.1", 8080, "duckdb")
    assert (settings.admission.device_burst, settings.admission.max_payload_bytes) == (60_000, 262_144)
    assert "port" not in settings.http.model_fields_set
    with pytest.raises(ValidationError):
        settings.http.port = 1  # type: ignore[misc]


def test_a_flag_beats_the_environment_and_that_beats_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = config(tmp_path, '[http]\nport = 1001\nhost = "10.0.0.1"\n[mqtt]\nusername = "file"\nclient_id = "c"\n')
    monkeypatch.setenv("RASAD_HTTP__PORT", "1002")
    monkeypatch.setenv("RASAD_MQTT__USERNAME", "environment")
    settings = load_settings(file, {"http": {"port": 1003}, "mqtt": {"username": None}})
    assert (settings.http.port, settings.http.host) == (1003, "10.0.0.1")
    assert (settings.mqtt.username, settings.mqtt.client_id) == ("environment", "c")
    assert settings.http.model_fields_set == {"port", "host"}


def test_lists_are_lists_in_the_file_and_commas_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings(config(tmp_path, '[pilots]\nonly = ["a", "b"]\n')).pilots.only == ("a", "b")
    monkeypatch.setenv("RASAD_PILOTS__DIRS", "one, two")
    assert load_settings(None, {"pilots": {"only": "c,d"}}).pilots.dirs == (Path("one"), Path("two"))
    assert load_settings(None, {"pilots": {"only": "c,d"}}).pilots.only == ("c", "d")


def test_an_influxdb_address_carries_its_options() -> None:
    store = load_settings(None, {"store": {"url": "influxdb+https://db:8086/x/?bucket=city/raw&org=o"}}).store
    assert (store.address, store.bucket, store.org) == ("https://db:8086/x", "city/raw", "o")
    assert load_settings().store.address is None


def test_a_retention_is_a_duration_or_for_ever() -> None:
    retention = load_settings(None, {"retention": {"readings": "2h", "m1": "forever"}}).retention
    assert (retention.ns("readings"), retention.ns("m1")) == (2 * 3600 * 10**9, None)


def test_a_secret_comes_from_its_file_and_is_never_shown(tmp_path: Path) -> None:
    secret = tmp_path / "mqtt.password"
    secret.write_text("s3cret\nsecond line\n")
    settings = load_settings(None, {"mqtt": {"password_file": secret}, "store": {"token": "t0ken"}})
    assert settings.mqtt.password is not None and settings.mqtt.password.get_secret_value() == "s3cret"
    assert settings.store.token is not None and settings.store.token.get_secret_value() == "t0ken"
    assert "s3cret" not in repr(settings) and "t0ken" not in repr(settings)


WRONG: list[tuple[str, int, str, str, str]] = [
    ("[http]\nport = 99999\n", 2, "http.port", "65535", "port = 8080"),
    ('[http]\nport = "x"\n', 2, "http.port", "a whole number is wanted", "port = 8080"),
    ("[http]\n\nprot = 1\n", 3, "http.prot", "not known", "port?"),
    ("\n[htpp]\nport = 1\n", 2, "htpp", "not known", "http?"),
    ("http = 5\n", 1, "http", "a table is wanted", "[http] as a table"),
    ('[mqtt]\nurl = "tcp://host"\n', 2, "mqtt.url", "no address of a broker", "mqtt://HOST:1883"),
    ('[mqtt]\nurl = "mqtt://host:99999"\n', 2, "mqtt.url", "no address of a broker", "mqtt://HOST:1883"),
    ('[mqtt]\ncert_file = "c.pem"\n', 1, "mqtt", "without key_file", "both or none"),
    ("[mqtt]\nreceive_maximum = 0\n", 2, "mqtt.receive_maximum", "1", "receive_maximum = 4096"),
    ('[mqtt]\nshare_group = "a/b"\n', 2, "mqtt.share_group", "pattern", "share_group ="),
    ("[journal]\nmax_delay_ms = nan\n", 2, "journal.max_delay_ms", "finite", "max_delay_ms = 20"),
    ('[store]\nurl = "postgres://x"\n', 2, "store.url", "no store", "influxdb+http://"),
    ('[store]\nurl = "influxdb+http://h/?bukket=x"\n', 1, "store", "unknown options ['bukket']", "bucket"),
    ('[retention]\nreadings = "4w"\n', 2, "retention.readings", "no duration", "10s"),
    ('[retention]\nh1 = "0s"\n', 2, "retention.h1", "keeps nothing", "forever"),
    ("[pilots]\nonly = 5\n", 2, "pilots.only", "a list is wanted", "only ="),
    ('[log]\nlevel = "loud"\n', 2, "log.level", "none of the choices", "'debug', 'info'"),
    ('[service]\nsite = "a b"\n', 2, "service.site", "client id", "A-Z"),
    ("[http]\nport = 1\nport = 2\n", 3, "http.port", "given twice, first on line 2", "one of the two"),
    ("[http]\nport 5\n", 2, "port 5", "no TOML", "key = value"),
    ('[store]\ntoken_file = "nowhere/token"\n', 2, "store.token_file", "cannot be read", "path"),
]


@pytest.mark.parametrize(("text", "line", "key", "what", "cure"), WRONG)
def test_each_mistake_in_the_file_has_its_line_and_its_cure(
    tmp_path: Path, text: str, line: int, key: str, what: str, cure: str
) -> None:
    file = config(tmp_path, text)
    [mistake] = mistakes_of(file)
    assert (mistake.file, mistake.line, mistake.key) == (str(file), line, key)
    assert what in mistake.what
    assert cure in mistake.cure


def test_a_mistake_in_the_environment_names_the_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RASAD_HTTP__PORT", "eighty")
    monkeypatch.setenv("RASAD_HTTP__PROT", "80")
    monkeypatch.setenv("RASAD_HTPP__PORT", "80")
    monkeypatch.setenv("RASAD_MQTT_URL", "mqtt://x")
    monkeypatch.setenv("RASAD_TEST_INFLUX_URL", "http://x")
    found = {m.key: (str(m.file), m.cure) for m in mistakes_of(config(tmp_path, "[http]\nport = 5\n"))}
    assert found == {
        "RASAD_HTTP__PORT": ("environment", "write port = 8080"),
        "RASAD_HTTP__PROT": ("environment", "did you mean port?"),
        "RASAD_HTPP__PORT": ("environment", "did you mean http?"),
        "RASAD_MQTT_URL": ("environment", "write RASAD_MQTT__URL with two underscores"),
    }


def test_a_mistake_in_an_option_names_the_command_line() -> None:
    [mistake] = mistakes_of(None, {"store": {"url": "mysql"}})
    assert (mistake.file, mistake.key) == ("command line", "store.url")


def test_mistakes_of_all_places_are_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RASAD_LOG__LEVEL", "loud")
    file = config(tmp_path, "[http]\nport = -1\n[mqtt]\nkeep_alive_s = 1\n")
    places = [(str(m.file), m.line) for m in mistakes_of(file, {"store": {"memory_limit_mb": 1}})]
    assert sorted(places) == sorted([(str(file), 2), (str(file), 4), ("environment", 0), ("command line", 0)])


def test_a_password_given_twice_and_an_empty_file_are_mistakes(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.write_text("\n")
    given: dict[str, dict[str, Any]] = {
        "mqtt": {"password": "a", "password_file": empty},
        "store": {"token_file": empty},
    }
    assert [m.key for m in mistakes_of(None, given)] == ["mqtt.password_file", "store.token_file"]


@pytest.mark.parametrize(("content", "line"), [(b"[http]\n# \xff\n", 2), (None, 0)])
def test_a_file_that_cannot_be_read_is_said(tmp_path: Path, content: bytes | None, line: int) -> None:
    file = tmp_path / "rasad.toml"
    if content is not None:
        file.write_bytes(content)
    [mistake] = mistakes_of(file)
    assert (mistake.file, mistake.line) == (str(file), line)


def test_the_page_of_settings_says_what_the_settings_say() -> None:
    assert (ROOT / "docs/settings.md").read_text(encoding="utf-8") == settings_page(), "run: make docs"


def test_every_setting_is_described() -> None:
    for section in Settings.model_fields.values():
        assert section.annotation is not None
        for key, field in section.annotation.model_fields.items():
            assert field.description, key
