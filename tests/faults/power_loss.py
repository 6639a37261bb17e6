"""Power cuts in simulation: the file operations of a real run, cut at any point, with what was not fsynced half there.

A child process journals and settles with the real `storage.operational` below strace. A history takes a prefix of what
it did to its files; writes since the last fsync of a file arrive whole, torn at a sector, or not at all.
"""

from __future__ import annotations

import random
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from storage.operational import Operational

SECTOR = 512
GROUPS = 120
_CHILD = """
import os, sys
import numpy as np
from pathlib import Path
from storage.operational import Operational, Settled
from telemetry.columns import Readings
from telemetry.ports import StoreBatch
database = Operational(Path(sys.argv[1]))
database.open()
database.db.execute("PRAGMA wal_autocheckpoint=24")
taken, last = [], 0
for group in range(int(sys.argv[2])):
    last = database.append_group(bytes([group]) * (500 + group * 40), {"quay": 1})
    os.write(1, b"ack %d\\n" % group)
    taken.append(group)
    if len(taken) == 7:
        ids = np.array(taken)
        rows = Readings(ids.astype(np.int32), ids, ids.astype(float), np.ones(7, np.uint8), np.zeros(7, np.uint16), ids)
        checkpoint = b"state" if group % 3 == 0 else None
        database.commit(Settled(StoreBatch(group, rows), last, accepted={"quay": 7}, checkpoint=checkpoint))
        taken = []
"""
_CALLS = "openat,pwrite64,fdatasync,fsync,ftruncate,unlink,write"
_LINE = re.compile(r"^\d+ +(\w+)\((.*)\) += (-?\d+)")


@dataclass(frozen=True)
class Step:
    """One thing that was done: `write`, `sync`, `truncate`, `unlink`, or `ack` of a group."""

    what: str
    file: str = ""
    at: int = 0
    data: bytes = b""


def record(folder: Path) -> list[Step]:
    """Run the child and give what it did, in order."""
    program = shutil.which("strace")
    assert program, "strace is not installed; run `make setup`"
    log, database = folder / "strace.log", folder / "recorded" / "operational.sqlite"
    database.parent.mkdir()
    argv = [program, "-f", "-q", "-y", "-xx", "-s", "1000000", "-o", str(log), "-e", f"trace={_CALLS}",
            sys.executable, "-c", _CHILD, str(database), str(GROUPS)]  # fmt: skip
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, cwd=Path(__file__).parents[2], timeout=120)
    steps = [step for line in log.read_text().splitlines() if (step := _step(line)) is not None]
    assert sum(step.what == "ack" for step in steps) == GROUPS
    assert sum(step.what == "sync" for step in steps) > GROUPS
    return steps


def _step(line: str) -> Step | None:
    found = _LINE.match(line)
    if found is None:
        return None
    call, arguments, result = found.groups()
    texts = [bytes.fromhex(part.replace("\\x", "")) for part in re.findall(r"((?:\\x[0-9a-f]{2})+)", arguments)]
    name = texts[0].decode(errors="replace").rpartition("/")[2] if texts else ""
    if call == "write" and texts and texts[-1].startswith(b"ack "):
        return Step("ack", at=int(texts[-1].split()[1]))
    if not name.startswith("operational.sqlite") or name.endswith("-shm"):
        return None
    last = arguments.rpartition(",")[2].strip()
    if call == "pwrite64":
        return Step("write", name, int(last), texts[1][: int(result)])
    plain = {"ftruncate": "truncate", "fdatasync": "sync", "fsync": "sync", "unlink": "unlink"}.get(call)
    return Step(plain, name, int(last) if call == "ftruncate" else 0) if plain else None


def survives(steps: list[Step], draw: random.Random, folder: Path) -> None:
    """Cut the power once, somewhere; AssertionError when an acknowledged group is gone, or is there twice."""
    cut = draw.randrange(len(steps) + 1)
    acknowledged = {step.at for step in steps[:cut] if step.what == "ack"}
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, content in _after_the_cut(steps[:cut], draw).items():
        (folder / name).write_bytes(content)
    recovered = _recover(folder / "operational.sqlite")
    assert len(recovered) == len(set(recovered)), f"cut after step {cut}: {recovered}"
    assert acknowledged <= set(recovered), f"cut after step {cut}: lost {sorted(acknowledged - set(recovered))}"


def _after_the_cut(steps: list[Step], draw: random.Random) -> dict[str, bytearray]:
    last_sync = {step.file: at for at, step in enumerate(steps) if step.what == "sync"}
    files: dict[str, bytearray] = {}
    kept = draw.random()
    for at, step in enumerate(steps):
        durable = at <= last_sync.get(step.file, -1)
        if step.what == "unlink":
            files.pop(step.file, None)
        elif step.what == "truncate":
            content = files.setdefault(step.file, bytearray())
            content[:] = content[: step.at].ljust(step.at, b"\0")
        elif step.what == "write" and durable:
            _put(files.setdefault(step.file, bytearray()), step.at, step.data)
        elif step.what == "write":
            # each sector of what nobody has synced arrives or not, as the drive pleases
            for offset in range(0, len(step.data), SECTOR):
                if draw.random() < kept:
                    _put(
                        files.setdefault(step.file, bytearray()), step.at + offset, step.data[offset : offset + SECTOR]
                    )
    return files


def _put(content: bytearray, at: int, data: bytes) -> None:
    if len(content) < at:
        content.extend(bytes(at - len(content)))
    content[at : at + len(data)] = data


def _recover(path: Path) -> list[int]:
    database = Operational(path)
    database.open()
    try:
        journaled = [blob[0] for _, blob in database.journaled(limit=10_000) if blob]
        batches = list(database.retained(0))
        return journaled + [int(series) for batch in batches for series in batch.readings.series]
    finally:
        database.close()
