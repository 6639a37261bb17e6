import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import pilots
from service.discovery import discover, find_pilots
from telemetry.errors import SettingsError
from tests.house.harbour import harbour


def put(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True)
    file = folder / "signals.toml"
    file.write_text(text, encoding="utf-8")
    return file


def shipped() -> Iterator[Path]:
    return Path(pilots.__file__).parent.glob("*/signals.toml")


def test_every_shipped_folder_is_found_with_its_module() -> None:
    found = find_pilots()
    assert {one.folder for one in found} == {file.parent for file in shipped()}
    assert len(found) >= 3
    for one in found:
        has_code = (one.folder / "__init__.py").exists()
        assert one.module == (f"pilots.{one.folder.name}" if has_code else None)
    assert discover().mistakes == ()


def test_a_folder_more_is_a_pilot_more_and_its_code_is_never_run(tmp_path: Path) -> None:
    put(tmp_path / "port-2025", harbour())
    (tmp_path / "port-2025" / "__init__.py").write_text("raise SystemExit('code of a data folder was run')")
    [one] = find_pilots([tmp_path], ["harbour"])
    assert (one.pilot.id, one.folder.name, one.module) == ("harbour", "port-2025", None)
    assert not any("port" in name for name in sys.modules if name.startswith("pilots."))


def test_two_folders_with_one_id_are_a_mistake_that_names_both(tmp_path: Path) -> None:
    first, second = put(tmp_path / "a", harbour()), put(tmp_path / "b", harbour())
    with pytest.raises(SettingsError) as caught:
        find_pilots([tmp_path])
    [mistake] = caught.value.mistakes
    assert (mistake.file, mistake.line, mistake.key) == (str(second), 2, "pilot.id")
    assert str(first) in mistake.what


def test_a_folder_named_twice_is_no_duplicate(tmp_path: Path) -> None:
    put(tmp_path / "a", harbour())
    assert [one.pilot.id for one in find_pilots([tmp_path, tmp_path], ["harbour"])] == ["harbour"]


def test_a_broken_pilot_stops_only_those_who_want_it(tmp_path: Path) -> None:
    put(tmp_path / "good", harbour())
    broken = put(
        tmp_path / "bad", harbour().replace('id = "harbour"', 'id = "wharf"').replace("confirm = 2", "confirm = 0")
    )
    assert [one.pilot.id for one in find_pilots([tmp_path], ["harbour"])] == ["harbour"]
    with pytest.raises(SettingsError, match="confirm"):
        find_pilots([tmp_path], ["wharf"])
    with pytest.raises(SettingsError, match="confirm"):
        find_pilots([tmp_path])
    assert [str(m.file) for m in discover([tmp_path]).mistakes] == [str(broken)]


@pytest.mark.parametrize("content", [b"[pilot\nid = 1", b"\xff\xfe[pilot]", b"pilot = 5"])
def test_a_file_without_a_readable_id_is_selected_by_its_folder(tmp_path: Path, content: bytes) -> None:
    put(tmp_path / "good", harbour())
    put(tmp_path / "torn", "").write_bytes(content)
    assert len(find_pilots([tmp_path], ["harbour"])) == 1
    with pytest.raises(SettingsError, match="torn"):
        find_pilots([tmp_path], ["torn"])


def test_an_unknown_selection_says_what_there_is(tmp_path: Path) -> None:
    put(tmp_path / "a", harbour())
    with pytest.raises(SettingsError) as caught:
        find_pilots([tmp_path], ["harbor"])
    assert caught.value.mistakes[0].cure == "did you mean harbour?"
    with pytest.raises(SettingsError, match=r"known are: .*harbour"):
        find_pilots([tmp_path], ["zzz"])


def test_a_folder_that_is_none_or_is_a_pilot_itself_is_said(tmp_path: Path) -> None:
    put(tmp_path / "a", harbour())
    with pytest.raises(SettingsError, match="is no folder"):
        find_pilots([tmp_path / "nowhere"])
    with pytest.raises(SettingsError, match="is a pilot itself"):
        find_pilots([tmp_path / "a"])
