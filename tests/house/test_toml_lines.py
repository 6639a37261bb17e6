import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.errors import Mistake, SettingsError
from telemetry.toml_lines import Key, TomlLines, key_text, parse_toml

EVERYTHING = '''# a file with every form
title = "x # no comment"
fruit.apple."red one" = 1     # dotted and quoted
text = """
[not.a.table]
still = "text" """
literal = \'\'\'
also = 'text'
\'\'\'
when = 1979-05-27 07:32:00Z
[servers]
ports = [
  8000,  # first
  8001,
]
[servers.alpha]
role = {name = "a", limits = {low = 1}}
[[rules]]
id = "one"
[rules.more]
deep = 1
[[rules]]
id = "two"
levels = [{at = 1}, {at = 2}]
[[rules.parts]]
x = 1
[[rules.parts]]
x = 2
'''

WHERE: list[tuple[Key, int]] = [
    (("title",), 2),
    (("fruit", "apple", "red one"), 3),
    (("fruit",), 3),
    (("text",), 4),
    (("literal",), 7),
    (("when",), 10),
    (("servers",), 11),
    (("servers", "ports"), 12),
    (("servers", "ports", 1), 14),
    (("servers", "alpha"), 16),
    (("servers", "alpha", "role", "limits", "low"), 17),
    (("rules", 0), 18),
    (("rules", 0, "more", "deep"), 21),
    (("rules", 1, "id"), 23),
    (("rules", 1, "levels", 1, "at"), 24),
    (("rules", 1, "parts", 0, "x"), 26),
    (("rules", 1, "parts", 1), 27),
    (("rules", 1, "parts", 1, "x"), 28),
]


@pytest.mark.parametrize(("path", "line"), WHERE, ids=lambda value: key_text(value) if isinstance(value, tuple) else "")
def test_every_form_of_a_key_has_its_line(path: Key, line: int) -> None:
    tomllib.loads(EVERYTHING)
    assert TomlLines(EVERYTHING).of(path) == line


def test_a_key_that_is_not_there_is_on_the_line_of_the_nearest_table() -> None:
    lines = TomlLines(EVERYTHING)
    assert lines.of(("servers", "alpha", "nothing", "here")) == 16
    assert lines.of(("nowhere",)) == 1


NAMES = st.sampled_from(["a", "b", "c", "long_name", "7", "two words", "ع"])
LEAVES = st.one_of(st.integers(-9, 9), st.booleans(), st.sampled_from(['"#"', '"]"', "'{'", '"""\n[x]\n"""', "1.5"]))
TABLES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=12
)


def name_text(name: str) -> str:
    return name if name.isascii() and " " not in name else f'"{name}"'


def inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name_text(k)} = {inline(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[\n" + ",\n".join(map(inline, value)) + "\n]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def document(value: dict[str, Any], above: tuple[str, ...] = ()) -> str:
    plain = {k: v for k, v in value.items() if not isinstance(v, dict)}
    text = "".join(f"{name_text(k)} = {inline(v)}\n" for k, v in plain.items())
    for key, table in value.items():
        if isinstance(table, dict):
            path = (*above, key)
            text += f"# table\n[{'.'.join(map(name_text, path))}]\n{document(table, path)}"
    return text


def paths(value: Any, above: Key = ()) -> Iterator[Key]:
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for part, inner in parts:
        yield (*above, part)
        yield from paths(inner, (*above, part))


@given(st.dictionaries(NAMES, TABLES, max_size=4))
def test_the_walk_and_tomllib_agree_on_every_key(value: dict[str, Any]) -> None:
    text = document(value)
    lines, written = TomlLines(text), text.split("\n")
    for path in paths(tomllib.loads(text)):
        line = lines._lines[path]
        name = next(part for part in reversed(path) if isinstance(part, str))
        assert isinstance(path[-1], int) or name_text(name) in written[line - 1], (path, line)
    assert not lines.twice


@pytest.mark.parametrize(
    ("text", "line", "key", "what"),
    [
        ("a = 1\nb = 2\na = 3\n", 3, "a", "given twice, first on line 1"),
        ("[pilot]\nid = 'a'\n[pilot]\n", 3, "pilot", "given twice, first on line 1"),
        ("[p]\nx = 1\n\nx = 2\n", 4, "p.x", "given twice, first on line 2"),
        ("x = {b = 1, b = 2}\n", 1, "x.b", "given twice"),
        ("a = 1\n[kinds.x]\ninterval = 10s\n", 3, "kinds.x.interval", "no TOML"),
        ("a = 1\nb =\n", 2, "b", "no TOML"),
        ("[x]\nlist = [\n  1,\n  2\n", 4, "x.list", "no TOML"),
        ('name = "open\nid = 1\n', 1, "name", "no TOML"),
        ("[pilot\nid = 1\n", 1, "pilot", "no TOML"),
        ("ok = 1\nno equals\n", 2, "no equals", "no TOML"),
        ("ok = 1\ndeep = " + "[" * 50_000, 2, "(the file)", "nested too deeply"),
        ("ok = 1\n\nbig = " + "9" * 5000, 3, "(the file)", "cannot be read"),
    ],
)
def test_what_is_no_toml_is_said_with_line_key_and_cure(text: str, line: int, key: str, what: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_toml(text, "x.toml")
    [mistake] = caught.value.mistakes
    assert (mistake.file, mistake.line, mistake.key) == ("x.toml", line, key)
    assert what in mistake.what
    assert mistake.cure


@given(st.text(alphabet="[]{}=\"'\n#., ab1\\", max_size=60))
def test_no_text_breaks_the_walk(text: str) -> None:
    mistakes: list[Mistake] = []
    try:
        parse_toml(text, "x.toml")
    except SettingsError as error:
        mistakes = error.mistakes
    assert all(1 <= mistake.line <= text.count("\n") + 1 for mistake in mistakes)
    assert TomlLines(text).of(()) == 1
