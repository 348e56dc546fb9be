"""Values that MLflow could not take, in `work/tracking/`: a file for each run, which a later run of any stage sends.

The first line of a file says whose points they are, each further one is a list of points. A file is locked as long as
the process lives that writes it. One that is damaged is put aside under another name.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal
from uuid import uuid4

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from minimoe.system.files import outside_workspaces, whole_file

RUN_ID = "^[0-9a-f]{32}$"  # MLflow's
Point = tuple[str, float, int, int]  # key, value, milliseconds since 1970, step


class About(BaseModel):
    """The run that the points belong to."""

    model_config = ConfigDict(strict=True, extra="forbid")

    name: str
    tags: dict[str, str]
    params: dict[str, str]
    data: dict[str, tuple[str, str]] = {}  # hash and context (training, evaluation) of data sets, by path
    run_id: Annotated[str, Field(pattern=RUN_ID)] | None = None
    status: Literal["FINISHED", "FAILED", "KILLED"] | None = None


POINTS = TypeAdapter(list[Point], config=ConfigDict(strict=True))


class Backlog:
    """The file of one run; it exists only while values are waiting."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or folder() / f"{uuid4().hex}.jsonl"
        self._lock = FileLock(f"{self.path}.lock")
        self._about: dict | None = None
        self._kept = 0

    def keep(self, about: dict, points: list[Point]) -> None:
        """Write `points` to the disk; they begin with those written before."""
        if not self._lock.is_locked:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
        if about != self._about:
            with whole_file(self.path) as temporary:
                temporary.write_text(f"{json.dumps(about)}\n{json.dumps(points)}\n", encoding="utf-8")
        elif points[self._kept :]:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(f"{json.dumps(points[self._kept :])}\n")
        self._about, self._kept = about, len(points)

    def take(self) -> tuple[dict, list[Point]] | None:
        """Take over the values of a process that has ended; None if it runs, if another took them, or if damaged."""
        try:
            self._lock.acquire(timeout=0)
            # a process that was killed while it wrote leaves a last line without an end
            about, *lists = self.path.read_text(encoding="utf-8").rpartition("\n")[0].split("\n")
            self._about = About.model_validate_json(about).model_dump(exclude_none=True)
            points = [point for line in lists for point in POINTS.validate_json(line)]
        except (Timeout, FileNotFoundError):
            return None
        except (OSError, ValueError):
            self.put_aside("damaged")
            return None
        self._kept = len(points)
        return self._about, points

    def put_aside(self, why: str) -> None:
        """Leave the file under another name, where nothing sends it."""
        aside = self.path.with_name(f"{self.path.name}.damaged")
        print(f"MLflow: {self.path}: {why}, its values are not sent; it is now {aside}", file=sys.stderr)
        with suppress(OSError):
            self.path.replace(aside)
        self._about = {}
        self.remove()

    def remove(self) -> None:
        """Remove the file: everything in it is sent."""
        if self._about is not None:
            self.path.unlink(missing_ok=True)
            Path(self._lock.lock_file).unlink(missing_ok=True)
        self._about, self._kept = None, 0
        self.release()

    def release(self) -> None:
        """Leave the file, if there is one, to a later run."""
        self._lock.release()


def folder() -> Path:
    """The folder of the files."""
    return outside_workspaces() / "work/tracking"


def left() -> Iterator[Backlog]:
    """The backlogs of all runs."""
    return (Backlog(path) for path in sorted(folder().glob("*.jsonl")))
