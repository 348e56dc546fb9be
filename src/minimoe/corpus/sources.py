"""Find and read the files of a corpus: in a folder at any depth, packed or not, and in zip archives, read in place.

Names in an archive never become paths: a member is only read as a stream of text. It is an error when a file is
damaged, an archive is encrypted or expands far more than text does (a zip bomb), and when text is not UTF-8.
"""

import codecs
import struct
import zipfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, NamedTuple

from minimoe.corpus import unpack
from minimoe.system.errors import UserError

MOST_SWELLING = 100  # a member's size over its size in the archive; text has 3 to 10, a bomb 1000
_BLOCK = 1 << 20
# all that zipfile and what it unpacks with are known to raise; RuntimeError is for ways of packing that they lack
_UNREADABLE = (*unpack.BAD, zipfile.BadZipFile, struct.error, RuntimeError, ValueError, KeyError)
_WHY = "damaged, truncated or packed in an unknown way"


class Source(NamedTuple):
    """A file of text, or a member of a zip archive."""

    path: str
    size: int  # bytes; those of an archive's member, unpacked
    member: str = ""  # its name in the archive; empty for a file

    @property
    def name(self) -> str:
        """What an error calls it; an archive may give its members any names."""
        member = "".join(letter if letter.isprintable() else "?" for letter in self.member)
        return f"{self.path}, {member}" if member else self.path

    @property
    def packing(self) -> str:
        """How it is packed: one of `unpack.PACKINGS`, or nothing."""
        suffix = Path(self.member or self.path).suffix.lower()
        return suffix if suffix in unpack.PACKINGS else ""

    @property
    def suffix(self) -> str:
        """What kind of file it is, whether it is packed or not: `.txt` of `a.txt` and of `a.txt.gz`."""
        name = Path(self.member or self.path)
        return (name.with_suffix("") if self.packing else name).suffix.lower()

    def blocks(self) -> Iterator[str]:
        """Its text, a block at a time; `UserError` where it is damaged or not UTF-8."""
        decoder = codecs.getincrementaldecoder("utf-8-sig")()
        read = 0
        try:
            with Path(self.path).open("rb") as file:
                for block in self._read(file):
                    yield decoder.decode(block)
                    read += len(block)
                yield decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            raise UserError(f"{self.name}: not UTF-8 near byte {read + error.start}") from None
        except _UNREADABLE as error:
            raise UserError(f"{self.name}: {_WHY} ({error}), near byte {read}; get it again or unpack it") from None

    def _read(self, file: BinaryIO) -> Iterator[bytes]:
        if not self.member:
            yield from unpack.blocks(file, self.packing)
            return
        with zipfile.ZipFile(file) as archive, archive.open(self.member) as stream:
            yield from unpack.blocks(stream, self.packing)


def sources(root: Path, suffixes: tuple[str, ...]) -> list[Source]:
    """The files with one of `suffixes` in the folder (or the file) `root` and its zip archives, in order of name.

    Says how many others are left out. Raises `UserError` when there are none, and for an archive not to be read.
    """
    base = root if root.is_dir() else root.parent
    paths = sorted(path for path in root.rglob("*") if path.is_file()) if root.is_dir() else [root]
    found: list[Source] = []
    others: list[str] = []
    for path in paths:
        if made_by_a_system(str(path.relative_to(base))):
            continue
        archived = path.suffix.lower() == ".zip"
        for source in _members(path) if archived else [Source(str(path), path.stat().st_size)]:
            found.append(source) if source.suffix in suffixes else others.append(source.name)
    kinds = " or ".join(suffixes)
    if not found:
        raise UserError(f"{root}: no {kinds} file in it or in a .zip of it; unpack other archives first")
    if others:
        print(f"extract: left out {len(others)} files that are not {kinds}, {others[0]} the first")
    return found


def _members(path: Path) -> list[Source]:
    """The files in an archive."""
    if path.with_suffix("").is_dir():
        raise UserError(f"{path}: beside it is {path.stem}, which seems to be it unpacked; remove one of them")
    try:
        with zipfile.ZipFile(path) as archive:
            infos = sorted(archive.infolist(), key=lambda info: info.filename)
    except _UNREADABLE as error:
        raise UserError(f"{path}: {_WHY} ({error}); get it again or unpack it") from None
    infos = [info for info in infos if not info.is_dir() and not made_by_a_system(info.filename)]
    members = [Source(str(path), info.file_size, info.filename) for info in infos]
    if twice := [member for member, after in pairwise(members) if member.member == after.member]:
        raise UserError(f"{twice[0].name}: there are two files of this name, and only one can be read; unpack them")
    for info, member in zip(infos, members, strict=True):
        if info.flag_bits & 1:
            raise UserError(f"{member.name}: locked with a password; unpack it first")
        if info.file_size > MOST_SWELLING * max(info.compress_size, _BLOCK // MOST_SWELLING):
            swelling = f"{info.compress_size:,} bytes that unpack to {info.file_size:,}"
            raise UserError(f"{member.name}: {swelling}, more than text ever does (a zip bomb?); remove it")
    return members


def made_by_a_system(name: str) -> bool:
    """Whether the operating system made the file, not the user: `.DS_Store`, `__MACOSX/._part.txt`."""
    return any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))


def in_groups(items: list[Source], size: int) -> Iterator[list[Source]]:
    """Group consecutive items until a group has `size` bytes."""
    group: list[Source] = []
    for item in items:
        group.append(item)
        if sum(source.size for source in group) >= size:
            yield group
            group = []
    if group:
        yield group
