"""Formatting and records that were killed go on, and end with the same bytes."""

import functools
import json
import os
import shutil
from pathlib import Path

import pytest
from corpus.tiny_corpus import sentences

from minimoe.corpus import build as build_module
from minimoe.corpus import format as format_module
from minimoe.corpus import tokenize as tokens
from minimoe.corpus.chunks import chunks
from minimoe.corpus.format import format_corpus
from minimoe.resume.outputs import ResumableOutput


class Killed(BaseException):
    pass


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture
def kill(monkeypatch):
    """Makes the `at`-th note of a piece the last thing that a process does; what it wrote after the mark stays."""
    note = ResumableOutput.note

    def after(at):
        count = 0

        def counted(self, values):
            nonlocal count
            count += 1
            if count == at:
                for path in self.folder.iterdir():
                    path.write_bytes(path.read_bytes() + b"half a piece")
                (self.folder / "99999.txt").write_bytes(b"a file that is not noted")
                self._noted = None
                raise Killed
            note(self, values)

        monkeypatch.setattr(ResumableOutput, "note", counted)

    return after


@pytest.fixture
def small_tasks(monkeypatch):
    monkeypatch.setattr(tokens, "chunks", functools.partial(chunks, size=2000))
    monkeypatch.setattr(build_module, "TASK_TOKENS", 500)


@pytest.mark.slow
@pytest.mark.parametrize("at", [1, 4, 9, 12, 14])  # 8 pieces of tokens, then shards
def test_records(build, tmp_path, small_tasks, kill, at):
    values = {"shard_records": 17, "work": tmp_path / "work", "minutes": 0}
    kill(0)
    whole = contents(build("whole", shard_records=17))
    kill(at)
    with pytest.raises(Killed):
        build("killed", **values)
    assert not (tmp_path / "killed").exists()
    kill(0)
    assert contents(build("killed", **values)) == whole
    assert contents(build("killed", **values)) == whole  # also when it was killed right before it told DVC


def test_records_interrupted_between_two_marks_lose_nothing(build, tmp_path, small_tasks, monkeypatch):
    values = {"shard_records": 17, "work": tmp_path / "work", "minutes": 60}
    made, part, tokenize = [], build_module.build_part, tokens.tokenize_chunk

    def interrupted(span, **more):
        if len(made) == 5:
            raise KeyboardInterrupt
        made.append(span)
        return part(span, **more)

    monkeypatch.setattr(build_module, "build_part", interrupted)
    with pytest.raises(KeyboardInterrupt):
        build("killed", **values)
    monkeypatch.setattr(build_module, "build_part", part)
    written = [json.loads((tmp_path / "work" / name / "progress.json").read_text()) for name in ("tokens", "shards")]
    assert written[1]["values"]["done"][0] == 4
    monkeypatch.setattr(tokens, "tokenize_chunk", interrupted)  # which is not needed again
    killed = contents(build("killed", **values))
    monkeypatch.setattr(tokens, "tokenize_chunk", tokenize)
    assert killed == contents(build("whole", shard_records=17))


def formatted(tmp_path, **values):
    defaults = {"language": "en", "splitter": "sentencex", "min_length": 3, "workers": 1}
    format_corpus(tmp_path / "extracted", tmp_path / "formatted", **defaults, **values)
    return contents(tmp_path / "formatted")


@pytest.fixture
def extracted(tmp_path, monkeypatch):
    (tmp_path / "extracted").mkdir()
    for number, text in enumerate([sentences(1), sentences(2)]):
        documents = (f'<doc id="{i}" title="T">\nT\n{body}\n</doc>\n' for i, body in enumerate(text.split("\n\n")))
        (tmp_path / f"extracted/{number}").write_text("".join(documents))
    monkeypatch.setattr(format_module, "chunks", functools.partial(chunks, size=4000))
    monkeypatch.setattr(format_module, "PART_BYTES", 9000)


@pytest.mark.parametrize("at", [1, 2, 4, 7])
def test_format(extracted, tmp_path, kill, at):
    kill(0)
    whole = formatted(tmp_path)
    assert len(whole) > 2
    kill(at)
    with pytest.raises(Killed):
        formatted(tmp_path, work=tmp_path / "work", minutes=0)
    kill(0)
    assert formatted(tmp_path, work=tmp_path / "work", minutes=0) == whole


def test_what_is_damaged_is_done_anew(extracted, tmp_path, kill, capsys):
    kill(0)
    whole = formatted(tmp_path)
    kill(5)
    with pytest.raises(Killed):
        formatted(tmp_path, work=tmp_path / "work", minutes=0)
    path = tmp_path / "work/files/00000.txt"
    path.write_bytes(b"X" + path.read_bytes()[1:])
    kill(0)
    capsys.readouterr()
    assert formatted(tmp_path, work=tmp_path / "work", minutes=0) == whole
    assert f"starting over, as its progress cannot be used: {path} is damaged" in capsys.readouterr().err


@pytest.mark.slow
def test_a_flipped_bit_of_the_progress_changes_no_output(extracted, tmp_path, kill, capsys):
    kill(0)
    whole = formatted(tmp_path)
    kill(3)
    with pytest.raises(Killed):
        formatted(tmp_path, work=tmp_path / "work", minutes=0)
    kill(0)
    killed = (tmp_path / "work").rename(tmp_path / "killed")
    output = (killed / "progress.json").read_bytes()
    for bit in range(0, 8 * len(output), 3):
        shutil.copytree(killed, tmp_path / "work")
        flipped = bytearray(output)
        flipped[bit // 8] ^= 1 << bit % 8
        (tmp_path / "work/progress.json").write_bytes(flipped)
        assert ResumableOutput(tmp_path / "work", 0).values == {}, bit
        assert "starting over" in capsys.readouterr().err
        if bit % 300 == 0:
            assert formatted(tmp_path, work=tmp_path / "work", minutes=0) == whole, bit
        shutil.rmtree(tmp_path / "work")


@pytest.mark.parametrize("content", [b"", b"[]", b"3", b"{}", b"\xff", b'{"values": {}}', b"[" * 9999])
def test_progress_of_another_shape_starts_over(tmp_path, content):
    (tmp_path / "progress.json").write_bytes(content)
    assert ResumableOutput(tmp_path, 0).values == {}
    assert not (tmp_path / "progress.json").exists()


def test_files_are_on_the_disk_before_their_progress_is(tmp_path, monkeypatch):
    """A machine that loses power may lose what was not synced, even where a later rename is kept."""
    events, fsync, replace = [], os.fsync, Path.replace

    def synced(descriptor):
        name = Path(f"/proc/self/fd/{descriptor}").readlink().name
        events.append((name, os.fstat(descriptor).st_size))
        fsync(descriptor)

    def renamed(path, target):
        events.append("renamed")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", renamed)
    output = ResumableOutput(tmp_path, 0)
    for text in ("one", "more"):
        with (output.folder / "a").open("a") as file:
            file.write(text)
        output.note({"done": text})
    sizes = [event[1] for event in events if event[0] == "a"]
    assert sizes == [3, 7]
    assert [event if event == "renamed" else event[0] for event in events] == ["a", "progress.json", "renamed"] * 2
