"""Extract documents from a dump: Wikipedia's by the command wikiextractor, other corpora by `plain`.

wikiextractor keeps the order of the pages for any number of workers. But version 3.1 exits without an error when it
lost a page, waits forever when one of its processes dies, and does not notice a truncated dump. So this process
decompresses the dump and feeds it to wikiextractor through pipes, which gives a progress bar and checks that the dump
is complete in the same pass; and it watches wikiextractor's processes and log.

Pages that print the current date (`{{CURRENTYEAR}}`) print that of the run: the only thing that differs between runs.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryFile
from threading import Thread
from typing import BinaryIO

import psutil
from tqdm import tqdm

from minimoe.corpus import dump
from minimoe.corpus.forms import Reading
from minimoe.corpus.plain import write_documents
from minimoe.corpus.sources import made_by_a_system
from minimoe.resume.outputs import adopt, resumable
from minimoe.resume.work import place
from minimoe.system.errors import UserError
from minimoe.system.files import whole_folder

FILE_BYTES = "16M"  # of an extracted file
SHARED = Path("/dev/shm")  # a container has 64 MB by default
SHARE = 10  # of a packed dump, such as simplewiki's, one tenth may be templates
_CRASH = "Traceback (most recent call last)"
LOOK_SECONDS = 0.1  # between two looks at wikiextractor
KILLED = "one of its processes was killed, as happens when memory runs out; run again, with fewer runtime.workers"
STALLED = 100  # looks in a row at which none of its processes has computed: they wait for one that was killed


def extract(
    dump_folder: str | Path,
    extracted: str | Path,
    form: str,
    templates: bool,
    workers: int,
    work: Path | None = None,
    minutes: float = 10,
    field: str = "",
    document_end: str = "",
) -> int:
    """Write the documents of the one dump in `dump_folder` to `extracted`; returns how many.

    `form`: wikipedia, or one of `forms.FORMS`, a folder or file of which stands in place of the dump. A folder of the
    form wikipedia holds documents extracted already, by any wikiextractor, and is taken as it is.
    `field`, `document_end`: as in `forms.Reading`.
    `templates`: expand them, which takes a pass over the dump of its own. Progress, of other forms than wikipedia,
    is saved in the folder `work` (`minimoe.resume.work`) every so many `minutes`. Raises `UserError`
    when the dump is not of its form, damaged, truncated or without a document, and when wikiextractor fails.
    """
    files = sorted(Path(dump_folder).glob("*"))
    if len(files) != 1:
        raise UserError(f"{dump_folder}: expected one dump, got {len(files)} files; run the download stage again")
    if form != "wikipedia":
        with place(work, extracted) as folder, resumable(folder, minutes) as output:
            documents = write_documents(files[0], Reading(form, field, document_end), output, workers)
            adopt(sorted(output.folder.iterdir()), extracted)
            return documents
    if files[0].is_dir():
        return _adopt(files[0], extracted)
    command = _command()
    with whole_folder(extracted) as folder:
        log = _run(command, files[0], folder, templates, workers)
        written = re.search(r"REDUCER_EXIT clean: wrote (\d+) article", log)
        if not written:
            raise UserError(f"wikiextractor lost pages of {files[0]}: {_last(log)}")
        if int(written[1]) == 0:
            raise UserError(f"{files[0]}: no article in it; expected pages of namespace 0 that are no redirects")
    return int(written[1])


def _adopt(documents: Path, extracted: str | Path) -> int:
    """Copy a folder of `<doc>` files; returns how many documents it holds."""
    with whole_folder(extracted) as folder:
        shutil.copytree(documents, folder, ignore=_not_documents, dirs_exist_ok=True)
        texts = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        count = sum(line.startswith(b"<doc ") for text in texts for line in text.open("rb"))
        if not count:
            raise UserError(
                f"{documents}: no document in it; expected files of <doc …> … </doc>, as wikiextractor's, "
                "or another corpus.extract.form"
            )
    return count


def _not_documents(_folder: str, names: list[str]) -> list[str]:
    return [name for name in names if made_by_a_system(name)]


def _free() -> int:
    return shutil.disk_usage(SHARED).free


def _shared() -> str:
    return (
        f"{_free() / 1e6:.0f} MB are free, where wikiextractor keeps the templates of the dump: "
        "docker run --shm-size, or corpus.extract.templates: false"
    )


def _command() -> str:
    """The path of wikiextractor's command. Before 3.1 it ran page content as code and lost pages."""
    command = Path(sysconfig.get_path("scripts"), "wikiextractor")
    try:
        found = version("wikiextractor")
    except PackageNotFoundError:
        found = "none"
    if not command.exists() or [int(part) for part in re.findall(r"\d+", found)] < [3, 1]:
        raise UserError(f"{command}: expected wikiextractor 3.1 or later, got {found}; install the requirements")
    return str(command)


def _run(command: str, path: Path, folder: Path, templates: bool, workers: int) -> str:
    """Run wikiextractor on the dump at `path`; returns what it logged."""
    total = path.stat().st_size * (2 if templates else 1)
    if templates and SHARED.is_dir() and _free() < path.stat().st_size // SHARE:
        print(f"extract: {SHARED} may be too small, {_shared()}", file=sys.stderr)
    with TemporaryFile() as log, tqdm(desc="extract", total=total, unit="B", unit_scale=True) as progress:
        feeds = [Feed(path, progress) for _ in range(2 if templates else 1)]
        definitions = ["--templates", feeds[1].source] if templates else ["--no-templates"]
        process = subprocess.Popen(
            [command, feeds[0].source, "-o", folder, "-b", FILE_BYTES, "--processes", str(workers), *definitions],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
            pass_fds=[feed.reader for feed in feeds],
            start_new_session=True,
        )
        try:
            for feed in feeds:
                feed.start()
            stalled = Stalled(process.pid)
            while process.poll() is None and not (_crashed(process, feeds, log) or stalled.now(feeds)):
                time.sleep(LOOK_SECONDS)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # what is left of it, when it crashed or this was interrupted
            process.wait()
        for feed in feeds:
            feed.join()
            if feed.error:
                raise feed.error
        messages = _messages(log)
    if process.returncode == -signal.SIGBUS:
        raise UserError(f"{SHARED}: full, {_shared()}; enlarge it and run again")
    if process.returncode or _CRASH in messages:
        raise UserError(f"wikiextractor failed on {path}: {_last(messages)}")
    return messages


class Feed(Thread):
    """A thread that writes a dump into a pipe, which wikiextractor reads."""

    def __init__(self, path: Path, progress: tqdm) -> None:
        super().__init__(daemon=True)
        self.path, self.progress = path, progress
        self.reader, self.writer = os.pipe()
        self.source = f"/dev/fd/{self.reader}"  # what a process that inherits the reader opens
        self.error: UserError | None = None
        self.reading = True  # and not waiting for the other end of the pipe

    def run(self) -> None:
        """Write the dump; the error of a bad one is kept in `error`. A closed pipe is ignored: `_run` finds out why."""
        os.close(self.reader)  # the other process has it by now
        try:
            with os.fdopen(self.writer, "wb") as pipe:
                for block in dump.read(self.path, self.progress.update):
                    self.reading = False
                    pipe.write(block)
                    self.reading = True
        except UserError as error:
            self.error = error
        except BrokenPipeError:
            pass
        finally:
            self.reading = False


class Stalled:
    """Tells whether a process and its children have stopped computing for good.

    A worker that is killed while it holds a queue's lock leaves the others waiting for it for ever, and where it is
    killed before the next one is started, its parent removes every trace of it.
    """

    def __init__(self, pid: int) -> None:
        self.pid, self.seconds, self.looks = pid, -1.0, 0

    def now(self, feeds: list[Feed]) -> bool:
        """Look again. Looks are counted, not seconds: this process may have been suspended together with them."""
        try:
            process = psutil.Process(self.pid)
            each = [one.cpu_times() for one in (process, *process.children(recursive=True))]
        except psutil.NoSuchProcess:  # one of them has just ended
            return False
        seconds = sum(times.user + times.system for times in each)
        idle = seconds == self.seconds and not any(feed.reading for feed in feeds)
        self.seconds, self.looks = seconds, self.looks + 1 if idle else 0
        return self.looks >= STALLED


def _crashed(process: subprocess.Popen, feeds: list[Feed], log: BinaryIO) -> bool:
    """Whether wikiextractor cannot end well: the dump is bad, or one of its processes failed or was killed."""
    if any(feed.error for feed in feeds):
        return True
    if _CRASH in _messages(log):
        time.sleep(0.5)  # until all of the message is there
        return True
    try:
        ended = [child for child in psutil.Process(process.pid).children() if child.status() == psutil.STATUS_ZOMBIE]
    except psutil.NoSuchProcess:
        return False
    # none ends while there are pages left
    return any(map(_failed, ended)) or (bool(ended) and any(feed.is_alive() for feed in feeds))


def _failed(ended: psutil.Process) -> bool:
    """Whether a process ended by a signal or an error, where the system tells that before its parent has asked."""
    try:
        return Path(f"/proc/{ended.pid}/stat").read_text().split()[-1] != "0"
    except OSError:
        return False


def _messages(log: BinaryIO) -> str:
    """The log so far, read by `pread`: wikiextractor shares the file position, which `seek` and `read` would move."""
    size = os.fstat(log.fileno()).st_size
    return os.pread(log.fileno(), size, 0).decode("utf-8", "replace")


def _last(messages: str) -> str:
    """The last error that wikiextractor told, or the last line."""
    lines = [line.strip() for line in messages.splitlines() if line.strip() and not line.startswith("INFO")]
    errors = [line for line in lines if re.match(r"[\w.]+(Error|Exception)\b", line)]
    return (errors or lines or [KILLED])[-1]
