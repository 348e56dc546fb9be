"""Download the dump: a local file, one from dumps.wikimedia.org, or any http(s):// or file:// URL.

A download goes to a partial file outside of the output folder, which DVC deletes before a rerun, so that the same run
or a later one resumes it. Only a complete file that matches the published SHA-1 is moved into the output folder.
"""

import hashlib
import re
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from tqdm import tqdm

from minimoe.corpus.transfer import ForbiddenError, NotFoundError, forget, quote, transfer
from minimoe.system.errors import UserError
from minimoe.system.files import whole_folder

WIKIMEDIA = "https://dumps.wikimedia.org"
_DUMP_NAME = re.compile(r"(\w+-(?:\d{8}|latest))-.+")  # such as enwiki-20260101-pages-articles.xml.bz2
_SUM = re.compile(r"([0-9a-f]{40})(?:\s+\*?(\S+))?")  # a line of a sha1 file


def download(
    source: str,
    path: str,
    wiki: str,
    date: str,
    folder: str | Path,
    work: str | Path,
    base: str = WIKIMEDIA,
    pause: float = 1.0,
) -> Path:
    """Download or copy the dump to `folder`; returns its path there.

    `source` is "local" (the file `path`, or a folder of documents extracted already), "wikipedia" (the dump of `wiki`
    at `date`, yyyymmdd or "latest", from the server `base`) or an address. Partial files lie in `work`; `pause` is
    the seconds before a second attempt.
    Raises `UserError` when there is no such dump, it cannot be had, or its sha1 is not the published one.
    """
    if source == "local":
        return _copy(Path(path), folder)
    if source == "wikipedia":
        url, sha1 = _wikimedia(base, wiki, date, Path(work), pause)
        return _fetch(url, sha1, folder, Path(work), pause)
    if source.startswith("file:///"):
        return _copy(Path(url2pathname(urlsplit(source).path)), folder)
    if not re.match(r"https?://[^/]+/", source) or not _name(source):
        raise UserError(
            "corpus.download.source: expected local, wikipedia, or the http(s):// or file:/// address of a file; "
            f"got {source!r}"
        )
    return _fetch(source, _published(source, Path(work), pause), folder, Path(work), pause)


def _copy(path: Path, folder: str | Path) -> Path:
    """A copy of a local dump: a link would let DVC make the user's own file read-only."""
    if path.is_dir():
        return _copy_folder(path.resolve(), Path(folder))
    if not path.is_file():
        raise UserError(f"{path}: no such file; expected a dump at corpus.download.path or source")
    with (
        whole_folder(folder) as temporary,
        path.open("rb") as original,
        (temporary / path.name).open("wb") as copy,
        tqdm(desc="copy", total=path.stat().st_size, unit="B", unit_scale=True, delay=1) as progress,
    ):
        while block := original.read(1 << 22):
            progress.update(copy.write(block))
    return Path(folder, path.name)


def _copy_folder(path: Path, folder: Path) -> Path:
    """A copy of the folder `path`, which may neither be empty nor hold `folder` itself, as `/` and `.` do."""
    if folder.resolve().is_relative_to(path):
        raise UserError(f"corpus.download.path: {path} holds {folder} itself; expected a dump, or a corpus's folder")
    if not any(path.iterdir()):
        raise UserError(f"{path}: an empty folder; expected a dump, or a corpus's files, at corpus.download.path")
    try:
        with whole_folder(folder) as temporary:
            shutil.copytree(path, temporary / path.name)
    except shutil.Error as error:
        source, _, reason = error.args[0][0]
        raise UserError(f"{source}: cannot be copied: {reason}; remove or fix it") from None
    return folder / path.name


def _fetch(url: str, sha1: str | None, folder: str | Path, work: Path, pause: float) -> Path:
    """Download a file and check its SHA-1; the partial file in `work` is kept unless it is wrong."""
    work.mkdir(parents=True, exist_ok=True)
    partial = work / f"{hashlib.sha1(url.encode()).hexdigest()[:16]}.part"
    transfer(url, partial, pause)
    with partial.open("rb") as file:
        arrived = hashlib.file_digest(file, "sha1").hexdigest()
    if sha1 and arrived != sha1:
        forget(partial)
        raise UserError(f"{url}: its sha1 is {arrived}, the published one {sha1}; it was deleted, run again")
    if not sha1:
        print(f"download: no sha1 is published beside {url}: only its length was checked", file=sys.stderr)
    with whole_folder(folder) as temporary:
        shutil.move(partial, temporary / _name(url))
    forget(partial)
    return Path(folder, _name(url))


def _wikimedia(base: str, wiki: str, date: str, work: Path, pause: float) -> tuple[str, str]:
    """The address and sha1 of a wiki's articles at `date`."""
    there = f"{base}/{wiki}/ lists the dates that there are"
    try:
        date = _latest(base, wiki, work, pause) if date == "latest" else date
        folder, name = f"{base}/{wiki}/{date}", f"{wiki}-{date}-pages-articles.xml.bz2"
        named = dict(_sums(sums := f"{folder}/{wiki}-{date}-sha1sums.txt", work, pause))
    except ForbiddenError:
        raise
    except NotFoundError as error:
        raise UserError(f"{error}; no such dump; {there}") from None
    if name not in named:
        raise UserError(f"{sums}: no {name} in it (yet); take another corpus.download.date: {there}")
    return f"{folder}/{name}", named[name]


def _latest(base: str, wiki: str, work: Path, pause: float) -> str:
    """The date of a wiki's newest whole dump of articles.

    From the feed of that file, because the sums of "latest" move on as soon as any part of a newer dump is done.
    """
    feed = f"{base}/{wiki}/latest/{wiki}-latest-pages-articles.xml.bz2-rss.xml"
    text = _text(feed, work, pause)
    # <link>http://download.wikimedia.org/enwiki/20261120</link> and the file's address below it
    found = re.search(rf"/{wiki}/(\d{{8}})\b", text)
    if not found:
        raise UserError(f"{feed}: expected the address of a dump in it, got {quote(text)!r}; check the network")
    return found[1]


def _published(url: str, work: Path, pause: float) -> str | None:
    """The sha1 published beside a file: in `<wiki>-<date>-sha1sums.txt` for a dump, else in `<file>.sha1`."""
    name, folder = _name(url), url.rsplit("/", 1)[0]
    dump = _DUMP_NAME.fullmatch(name)
    beside = [f"{folder}/{dump[1]}-sha1sums.txt"] if dump else []
    for sums in [*beside, f"{url}.sha1"]:
        try:
            listed = _sums(sums, work, pause)
        except NotFoundError:
            continue
        # the sums of "latest" name dated files
        wanted = re.compile(re.escape(name).replace(r"\-latest\-", r"-(?:\d{8}|latest)-"))
        for file, sha1 in listed:
            if not file or wanted.fullmatch(file):
                return sha1
        raise UserError(f"{sums}: no line for {name} in it (yet); take the address of a dated dump")
    return None


def _sums(url: str, work: Path, pause: float) -> list[tuple[str, str]]:
    """The lines of a sha1 file as (name, sha1); the name is empty where there is the sum alone."""
    text = _text(url, work, pause)
    sums = [(found[2] or "", found[1]) for line in text.splitlines() if (found := _SUM.fullmatch(line.strip()))]
    if text.strip() and not sums:  # such as the page of a network that wants a login
        raise UserError(f"{url}: expected sha1 sums, got {quote(text)!r}; check the network")
    return sums


def _text(url: str, work: Path, pause: float) -> str:
    """A small text."""
    work.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=work) as temporary:
        file = Path(temporary, "text")
        transfer(url, file, pause)
        return file.read_text(encoding="utf-8", errors="replace")


def _name(url: str) -> str:
    """The file name at the end of an address; empty when there is none that can be one."""
    name = unquote(urlsplit(url).path.rsplit("/", 1)[-1])
    return "" if name in (".", "..") or re.search(r"[/\\\0]", name) else name
