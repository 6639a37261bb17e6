"""What holds for the tree as a whole: the import rule, locks, packaging, nothing of somebody's machine in it."""

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from functools import cache
from pathlib import Path

import pytest

from tests.house.harbour import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES: list[str] = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
LOCKS = ["requirements.lock", "requirements-test.lock"]
BIN = Path(sys.executable).parent


@cache
def tree() -> list[Path]:
    """Every file that git holds or would take."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    ).stdout.decode()
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def texts() -> list[tuple[Path, str]]:
    found = []
    for file in tree():
        try:
            found.append((file.relative_to(ROOT), file.read_text(encoding="utf-8")))
        except UnicodeDecodeError:
            continue
    return found


def test_the_import_rule_holds() -> None:
    result = subprocess.run([BIN / "lint-imports", "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert " 0 broken" in result.stdout


def test_the_import_rule_would_notice(tmp_path: Path) -> None:
    for package in PACKAGES:
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
    for module in ("ingest/decode.py", "ingest/topics.py", "ingest/admission.py", "storage/tokens.py"):
        (tmp_path / module).touch()
    (tmp_path / "telemetry" / "columns.py").write_text("import asyncio\nimport service\n")
    (tmp_path / "simulators" / "site.py").write_text("import ingest.decode\n")
    (tmp_path / "pilots" / "one").mkdir()
    (tmp_path / "pilots" / "one" / "__init__.py").write_text("import storage.tokens\n")
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text(encoding="utf-8"), encoding="utf-8")
    result = subprocess.run(
        [BIN / "lint-imports", "--no-cache"], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={"PYTHONPATH": str(tmp_path), "PATH": ""},
    )  # fmt: skip
    assert result.returncode == 1
    for contract in (
        "neighbours are strangers BROKEN",
        "or database BROKEN",
        "no judgement BROKEN",
        "kept there BROKEN",
    ):
        assert contract in result.stdout, result.stdout


def test_each_package_says_what_it_does_does_not_and_may_import() -> None:
    for package in PACKAGES:
        words = ast.get_docstring(ast.parse((ROOT / package / "__init__.py").read_text(encoding="utf-8"))) or ""
        assert re.search(r"^Does: .*Does not: .*May import: ", words, re.MULTILINE | re.DOTALL), package


def test_no_module_is_called_by_what_it_is_not() -> None:
    vague = {"utils", "util", "common", "helpers", "helper", "manager", "base", "misc"}
    assert [file for file in tree() if file.suffix == ".py" and file.stem in vague] == []


HOSTS = [
    f"{name}.{end}" for name, end in [("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("npmjs", "com")]
]


@pytest.mark.parametrize("host", [*HOSTS, "debian." + "org/"])
def test_no_registry_is_named(host: str) -> None:
    assert [str(file) for file, text in texts() if host in text] == []


def test_no_path_of_a_machine_is_named() -> None:
    form = re.compile(r"(^|[^A-Za-z0-9._/])/(?:work|farm|root|home/[a-z]+)/", re.MULTILINE)
    assert [f"{file}: {found[0]}" for file, text in texts() if (found := form.search(text))] == []


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_carries_hashes_and_no_addresses(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert not re.search(
        r"://|^\s*-|\.(whl|tar\.gz)", re.sub(r"^ +--hash=", "", text, flags=re.MULTILINE), re.MULTILINE
    )
    entries = re.split(r"\n(?=\S)", text.strip())
    assert len(entries) > 30
    for entry in entries:
        assert re.match(r"[a-z0-9][a-z0-9.\-]*(\[[a-z,]+\])?==\S+", entry), entry
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry


def locked(name: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for package, version in re.findall(
        r"^([a-z0-9.\-]+)==(\S+)", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE
    ):
        found.setdefault(package, set()).add(version)
    return found


def test_the_locks_agree_and_hold_what_the_project_asks_for() -> None:
    running, testing = (locked(name) for name in LOCKS)
    assert running.items() <= testing.items()
    asked = PROJECT["project"]["dependencies"] + PROJECT["project"]["optional-dependencies"]["build"]
    for line, lock in [(line, running) for line in asked] + [
        (line, testing) for line in PROJECT["project"]["optional-dependencies"]["test"]
    ]:
        name = re.split(r"[\[<>=!~ ]", line)[0].lower().replace("_", "-")
        assert name in lock, f"{name} is not locked: make lock"


def test_a_wheel_carries_every_module_and_every_file_that_they_read(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    [wheel] = tmp_path.glob("*.whl")
    carried = set(zipfile.ZipFile(wheel).namelist())
    wanted = {str(file.relative_to(ROOT)) for file in tree() if file.relative_to(ROOT).parts[0] in PACKAGES}
    assert wanted - carried == set()
    assert {name.split("/")[0] for name in carried if ".dist-info" not in name} <= set(PACKAGES)


def test_state_and_environment_are_ignored_by_git() -> None:
    for name in (".venv/bin/python", "var/run/admin.token", "service/__pycache__/x.pyc"):
        assert (
            subprocess.run(["git", "check-ignore", "-q", "--no-index", name], cwd=ROOT, check=False).returncode == 0
        ), name
    assert not [file for file in tree() if ".venv" in file.parts], "git rm -r --cached .venv"
