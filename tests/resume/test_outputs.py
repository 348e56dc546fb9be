"""When progress is saved, and what becomes of files that shrink and of a full disk; checkpoints that are kept."""

import os
import time

import pytest
import torch

from minimoe.resume.checkpoints import Checkpoints
from minimoe.resume.outputs import ResumableOutput, resumable


def grow(output, text, values):
    with (output.folder / "a").open("a") as file:
        file.write(text)
    output.note(values)


def test_progress_is_saved_when_its_minutes_are_over(tmp_path, monkeypatch):
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    output = ResumableOutput(tmp_path, minutes=2)
    for seconds, written in ((119, False), (1, True)):
        now += seconds
        grow(output, "x", {"done": 1})
        assert output.path.exists() is written
    before = output.path.read_bytes()
    now += 119
    grow(output, "x", {"done": 2})
    assert output.path.read_bytes() == before


def test_a_file_that_is_begun_anew_is_summed_anew(tmp_path):
    output = ResumableOutput(tmp_path, minutes=0)
    grow(output, "something long", {"done": 1})
    (output.folder / "a").write_text("short")
    output.note({"done": 2})
    assert ResumableOutput(tmp_path, minutes=0).values == {"done": 2}


def test_a_full_disk_hides_no_other_error(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    with pytest.raises(KeyError, match="the work's own"), resumable(tmp_path, 60) as output:
        grow(output, "x", {"done": 1})
        monkeypatch.setattr(os, "fsync", full)
        raise KeyError("the work's own")


def test_of_two_checkpoints_that_are_kept_a_whole_one_counts(tmp_path, capsys):
    kept = Checkpoints(tmp_path / "work")
    for number in (1, 2, 3):
        kept.save(number, {"weight": torch.full((2,), float(number))}, {"step": number})
    first, last = sorted(kept.folder.glob("*.safetensors"))
    last.write_bytes(last.read_bytes()[:-1])
    saved = kept.load()
    assert saved.number == 2 and saved.values == {"step": 2} and saved.tensors["weight"].tolist() == [2.0, 2.0]
    assert first.exists() and not last.exists() and "damaged" in capsys.readouterr().err
