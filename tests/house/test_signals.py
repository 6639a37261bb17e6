import pytest

from processing.signals import pilot_from_toml
from telemetry.errors import Mistake, SettingsError
from tests.house.harbour import harbour, line_of


def mistakes_in(text: str) -> list[Mistake]:
    with pytest.raises(SettingsError) as caught:
        pilot_from_toml(text, "signals.toml")
    return caught.value.mistakes


def spoilt(old: str, new: str) -> str:
    text = harbour()
    assert text.count(old) >= 1, old
    return text.replace(old, new, 1)


def test_the_documented_pilot_is_read_whole() -> None:
    pilot = pilot_from_toml(harbour(), "signals.toml")
    metric = pilot.kinds["traffic"].metrics["speed"]
    assert (pilot.id, pilot.base_window_ns, pilot.max_age_ns) == ("harbour", 10 * 10**9, 400 * 86400 * 10**9)
    assert pilot.head.centre == (23.628, 58.566)
    assert metric.gross_range is not None and metric.gross_range.suspect == (0, 160)
    assert metric.flat_line is not None and metric.flat_line.tolerance == 0.01
    assert pilot.devices["speed_6005"].name.ar == "شرق الكورنيش"
    assert pilot.alarms[0].levels == {"WARNING": 30, "MAJOR": 15}


KIND, METRIC, DEVICE = "kinds.traffic", "kinds.traffic.metrics.speed", "devices.speed_6005"

# what is written instead of what, the line (by words that stand on it), the key, words of what is wrong, of the cure
SPOILT: list[tuple[str, str, str, str, str, str]] = [
    ('id = "harbour"', 'id = "har bour"', 'id = "har', "pilot.id", "cannot stand in a topic", "letters"),
    ('id = "harbour"', 'id = "_alarm"', 'id = "_', "pilot.id", "cannot stand in a topic", "underscore"),
    ('id = "harbour"', "id = 7", "id = 7", "pilot.id", "is 7 where a text", 'id = "harbour"'),
    ('timezone = "Asia/Muscat"', 'timezone = "Asia/Mascat"', "timezone", "pilot.timezone", "no time zone", "IANA"),
    ('timezone = "Asia/Muscat"', 'timezone = "../etc/passwd"', "timezone", "pilot.timezone", "no time zone", "IANA"),
    ('timezone = "Asia/Muscat"\n', "", "[pilot]", "pilot.timezone", "is missing", "Asia/Muscat"),
    ('timezone = "Asia', 'timezon = "Asia', "timezon ", "pilot.timezon", "not known", "timezone?"),
    (
        "centre = [23.628, 58.566]",
        "centre = [58.566, 223.6]",
        "centre",
        "pilot.centre",
        "no place on earth",
        "latitude",
    ),
    ("centre = [23.628, 58.566]", "centre = [23.6]", "centre", "pilot.centre", "has 1 values", "[23.628, 58.566]"),
    ("centre = [23.628,", "centre = [nan,", "centre", "pilot.centre[0]", "is nan", "finite"),
    ("centre = [23.628,", "centre = [1e400,", "centre", "pilot.centre[0]", "is inf", "finite"),
    ("centre = [23.628,", "centre = [true,", "centre", "pilot.centre[0]", "is true", "centre ="),
    ("[kinds.traffic] ", 'base_window = "7s"\n[kinds.traffic] ', "base_w", "pilot.base_window", "whole part", "10s"),
    (
        "[kinds.traffic] ",
        'base_window = "100ms"\n[kinds.traffic] ',
        "base_w",
        "pilot.base_window",
        "at least 1 s",
        "10s",
    ),
    ("[kinds.traffic] ", 'base_window = "ten"\n[kinds.traffic] ', "base_w", "pilot.base_window", "no duration", "10s"),
    (
        "[kinds.traffic] ",
        'max_age = "1m"\n[kinds.traffic] ',
        "[pilot]",
        "pilot.live_horizon",
        "longer than max_age",
        "at most",
    ),
    ("[kinds.traffic] ", 'max_age = "999999d"\n[kinds.traffic] ', "max_age", "pilot.max_age", "too long", "36500d"),
    (
        "[kinds.traffic] ",
        "accept_unregistered = 1\n[kinds.traffic] ",
        "accept",
        "pilot.accept_unregistered",
        "is 1",
        "false",
    ),
    ('interval = "5m"', "interval = 300", "interval", f"{KIND}.interval", "is 300 where a text", '"5m"'),
    ('interval = "5m"', 'interval = "5 minutes"', "interval", f"{KIND}.interval", "no duration", "5m"),
    ('interval = "5m"', 'interval = "0s"', "interval", f"{KIND}.interval", "no time at all", "1ms"),
    (
        'stale_after = "15m"',
        'stale_after = "1m"',
        "stale_after",
        f"{KIND}.stale_after",
        "shorter than interval",
        "at least",
    ),
    (
        '{en = "Traffic counter", ar = "عدّاد حركة المرور"}',
        '{en = "Traffic counter"}',
        "Traffic counter",
        f"{KIND}.name.ar",
        "is missing",
        "English and Arabic",
    ),
    ('ar = "السرعة"', 'ar = " "', 'en = "Speed"', f"{METRIC}.name.ar", "is empty", "English and Arabic"),
    ('en = "Speed"', 'fr = "Vitesse", en = "Speed"', 'fr = "V', f"{METRIC}.name.fr", "not known", "known are: ar, en"),
    (
        "[kinds.traffic.metrics.speed]",
        "[kinds.traffic.metrics.Speed]",
        "metrics.Speed",
        "kinds.traffic.metrics.Speed",
        "no name for a metric",
        "small letters",
    ),
    ('unit = "km/h"', 'unit = ""', "unit", f"{METRIC}.unit", "is empty", "UCUM"),
    ("decimals = 1", "decimals = 1.5", "decimals", f"{METRIC}.decimals", "is 1.5 where a whole number", "decimals = 1"),
    ("decimals = 1", "decimals = 12", "decimals", f"{METRIC}.decimals", "12 cannot be shown", "0 to 9"),
    (
        "decimals = 1",
        "decimals = 99999999999999999999",
        "decimals",
        f"{METRIC}.decimals",
        "too large",
        "9007199254740992",
    ),
    (
        "suspect = [0, 160]",
        "suspect = [0, 400]",
        "gross_range",
        f"{METRIC}.gross_range.suspect",
        "outside fail",
        "inside",
    ),
    (
        "suspect = [0, 160]",
        "suspect = [160, 0]",
        "gross_range",
        f"{METRIC}.gross_range.suspect",
        "backwards",
        "[lowest",
    ),
    (
        "gross_range = {fail = [0, 300], suspect = [0, 160]}",
        "gross_range = {}",
        "gross_range",
        f"{METRIC}.gross_range",
        "sets no span",
        "leave it out",
    ),
    (
        "spike = {suspect = 30, fail = 80}",
        "spike = {suspect = 80, fail = 80}",
        "spike",
        f"{METRIC}.spike.fail",
        "80 is not above suspect = 80",
        "suspect < fail",
    ),
    (
        "rate_of_change = {suspect = 5.0}",
        "rate_of_change = {suspect = 0}",
        "rate_of",
        f"{METRIC}.rate_of_change.suspect",
        "not above 0",
        "step",
    ),
    (
        "rate_of_change = {suspect = 5.0}",
        "rate_of_change = 5.0",
        "rate_of",
        f"{METRIC}.rate_of_change",
        "is 5.0 where a table",
        "{suspect = 5.0}",
    ),
    ("tolerance = 0.01", "tolerance = 0", "flat_line", f"{METRIC}.flat_line.tolerance", "not above 0", "resolves"),
    (", tolerance = 0.01}", "}", "flat_line", f"{METRIC}.flat_line.tolerance", "is missing", "tolerance = 0.01"),
    (
        'fail = "2h"',
        'fail = "20m"',
        "flat_line",
        f"{METRIC}.flat_line.fail",
        "not longer than suspect = 30m",
        "suspect < fail",
    ),
    ("decimals = 1", 'codes = {dead = "x"}', "codes", f"{METRIC}.codes.dead", "is no number", "9999"),
    ("decimals = 1", 'codes = {0 = "No echo!"}', "codes", f"{METRIC}.codes.0", "cannot name a reason", "no_echo"),
    (
        "[devices.speed_6005]",
        '[devices."speed 6005"]',
        "speed 6005",
        "devices.speed 6005",
        "cannot stand in a topic",
        "letters",
    ),
    ('kind = "traffic"', 'kind = "trafic"', 'kind = "trafic"', f"{DEVICE}.kind", "no kind of this pilot", "traffic?"),
    (
        "location = [23.6201, 58.5702]",
        "location = [123.6, 58.5]",
        "location",
        f"{DEVICE}.location",
        "no place",
        "degrees",
    ),
    (
        "location = [23.6201, 58.5702]",
        "locaton = [23.6, 58.5]",
        "locaton",
        f"{DEVICE}.locaton",
        "not known",
        "location?",
    ),
    (
        "location =",
        "properties = {area = {km2 = inf}}\nlocation =",
        "prop",
        f"{DEVICE}.properties.area.km2",
        "is inf",
        "finite",
    ),
    ('metric = "speed"', 'metric = "sped"', "metric = ", "alarms[0].metric", "no metric of kind traffic", "speed?"),
    ('when = "below"', 'when = "under"', "when", "alarms[0].when", "none of the choices", "above, below"),
    (
        "levels = {WARNING = 30, MAJOR = 15}",
        "levels = {WARNING = 30, MAJOR = 45}",
        "levels",
        "alarms[0].levels.MAJOR",
        "no later than WARNING = 30",
        "fall",
    ),
    ('when = "below"', 'when = "above"', "levels", "alarms[0].levels.MAJOR", "no later than WARNING = 30", "rise"),
    ("MAJOR = 15", "SEVERE = 15", "levels", "alarms[0].levels.SEVERE", "none of the choices", "CRITICAL"),
    ("levels = {WARNING = 30, MAJOR = 15}", "levels = {}", "levels", "alarms[0].levels", "names no level", "WARNING"),
    ("hysteresis = 5", "hysteresis = -1", "hysteresis", "alarms[0].hysteresis", "negative", "0 or more"),
    ("confirm = 2", "confirm = 0", "confirm", "alarms[0].confirm", "cannot be waited for", "1 to 1000"),
    ('clear_after = "5m"', 'clear_after = "5"', "clear_after", "alarms[0].clear_after", "no duration", "5m"),
    ("guidance =", "#", "[[alarms]]", "alarms[0].guidance", "required from MAJOR up", "what to do"),
    ("[[alarms]]", "[alarms]", "[alarms]", "alarms", "is a table where a list", "alarms"),
]


@pytest.mark.parametrize(("old", "new", "on", "key", "what", "cure"), SPOILT)
def test_each_mistake_has_its_line_its_key_and_its_cure(
    old: str, new: str, on: str, key: str, what: str, cure: str
) -> None:
    text = spoilt(old, new)
    [mistake] = [m for m in mistakes_in(text) if m.key == key]
    assert mistake.line == line_of(text, on), mistake
    assert what in mistake.what
    assert cure in mistake.cure


#: mistakes that necessarily come with another: a name that changes leaves what refers to it dangling
WITH_COMPANY = {"metrics.Speed", "timezon ", "locaton"}


@pytest.mark.parametrize(("old", "new", "on"), [row[:3] for row in SPOILT if row[2] not in WITH_COMPANY])
def test_one_mistake_is_one_complaint(old: str, new: str, on: str) -> None:
    assert len(mistakes_in(spoilt(old, new))) == 1


def test_all_mistakes_are_told_at_once_and_in_the_order_of_lines() -> None:
    text = harbour()
    for old, new in [
        ("centre = [23.628, 58.566]", "centre = [123, 58]"),
        ('interval = "5m"', "interval = 5"),
        ("decimals = 1", "decimals = 1\ndecimal = 1"),
        ("tolerance = 0.01", "tolerance = -1"),
        ('kind = "traffic"\nname = {en = "Corniche east"', 'kind = "x"\nname = {en = ""'),
        ("confirm = 2", "confirm = 2\nwehn = 3"),
    ]:
        assert old in text
        text = text.replace(old, new, 1)
    found = mistakes_in(text)
    assert [m.key for m in found] == [
        "pilot.centre", "kinds.traffic.interval", "kinds.traffic.metrics.speed.decimal",
        "kinds.traffic.metrics.speed.flat_line.tolerance", "devices.speed_6005.kind", "devices.speed_6005.name.en",
        "alarms[0].wehn",
    ]  # fmt: skip
    assert [m.line for m in found] == sorted(m.line for m in found)


def test_an_alarm_id_given_twice_names_the_other() -> None:
    text = harbour()
    text += text[text.index("[[alarms]]") :]
    [mistake] = mistakes_in(text)
    assert (mistake.key, mistake.line) == (
        "alarms[1].id",
        text.rindex('id = "slow') and text[: text.rindex('id = "slow')].count("\n") + 1,
    )
    assert "alarms[0]" in mistake.what


def test_a_file_without_anything_says_what_belongs_in_it() -> None:
    assert [(m.line, m.key) for m in mistakes_in("")] == [(1, "kinds"), (1, "pilot")]


def big(devices: int) -> str:
    names = "".join(
        f'[devices.d{n}]\nkind = "traffic"\nname = {{en = "Counter {n}", ar = "عداد {n}"}}\nlocation = [23.6, 58.5]\n\n'
        for n in range(devices)
    )
    return harbour() + names


@pytest.mark.parametrize("devices", [1_016, 20_000])
def test_many_devices_are_read(devices: int) -> None:
    assert len(pilot_from_toml(big(devices), "signals.toml").devices) == devices + 1


def test_a_mistake_in_each_of_many_devices_is_told() -> None:
    text = big(3_000).replace("location = [23.6, 58.5]", 'location = [99.6, 58.5]\nkidn = "x"')
    assert len(mistakes_in(text)) == 6_000
