import json
import os
import signal

import pytest

from minimoe.corpus import forms, plain
from minimoe.corpus.extract import extract
from minimoe.corpus.format import bodies
from minimoe.resume.outputs import ResumableOutput
from minimoe.system.errors import UserError


@pytest.fixture
def run(tmp_path):
    """Extracts files given as path → text or bytes; returns the count, and title and body of each document."""

    def run(form, files, workers=1):
        for name, content in files.items():
            path = tmp_path / "dump/corpus" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        count = extract(tmp_path / "dump", tmp_path / "out", form, templates=False, workers=workers)
        written = "".join(path.read_text() for path in sorted((tmp_path / "out").iterdir()))
        return count, [body.strip("\n") for body in bodies(written)]

    return run


def objects(*texts, **more):
    return [{"id": number, "title": "题", "content": text, **more} for number, text in enumerate(texts)]


def test_blank_lines_part_the_documents_of_cluecorpus(run):
    text = "\ufeff甲一。\r\n甲二。\r\n\r\n\n　　\n乙一。\n\n丙一。"
    assert run("cluecorpus", {"a/b.txt": text, "c.TXT": "丁一。\n"}) == (
        4,
        ["甲一。\n甲二。", "乙一。", "丙一。", "丁一。"],
    )


@pytest.mark.parametrize("block", [1, 7, 1 << 20])
def test_wudao_as_an_array_and_as_lines_in_blocks_of_any_size(run, monkeypatch, block):
    monkeypatch.setattr("minimoe.corpus.unpack._BLOCK", block)
    texts = ['一\n二 "{引}" \\ [括]', "三\U0001f600", "四 \t五"]
    files = {
        "part-1.json": json.dumps(objects(*texts), ensure_ascii=False, indent=2),
        "part-2.json": json.dumps(objects(*texts)),
        "part-3.jsonl": "".join(json.dumps(value) + "\r\n" for value in objects(*texts)),
        "part-4.json": "\n[]\n",
    }
    assert run("wudao", files) == (9, texts * 3)


def test_what_documents_hold_cannot_be_taken_for_their_ends(run):
    texts = ["一</doc>二", '<doc id="7" url="" title="x">', "R&amp;D", "</doc>\n<doc>"]
    count, found = run("wudao", {"a.json": json.dumps(objects(*texts, title='</doc>"> \n "'))})
    assert count == len(found) == 4
    assert found[0] == "一&lt;/doc&gt;二" and found[2] == "R&amp;amp;D"


def test_objects_without_a_title_or_content(run):
    files = {"a.json": json.dumps([*objects("一", title=None), *objects("", " \n"), {"content": "二"}])}
    assert run("wudao", files) == (2, ["一", "二"])


def test_half_a_surrogate_pair_is_one_bad_character(run):
    assert run("wudao", {"a.json": '[{"title": "", "content": "一\\ud83d二"}]'}) == (1, ["一?二"])


def test_any_number_of_workers_writes_the_same(run, tmp_path, monkeypatch):
    monkeypatch.setattr(plain, "PART_BYTES", 300)
    files = {f"{folder}/{n}.txt": f"{folder}第{n}句话。\n\n又{n}。\n\n" * 5 for folder in "甲乙" for n in range(9)}
    first = run("cluecorpus", files)
    names = [path.name for path in sorted((tmp_path / "out").iterdir())]
    assert first[0] == 180 and len(names) > 3
    assert run("cluecorpus", files, workers=3) == first
    assert [path.name for path in sorted((tmp_path / "out").iterdir())] == names


BAD = {
    "cut off": ("wudao", json.dumps(objects("一", "二"))[:-9], "object 2: not JSON|it is truncated|after 1 of them"),
    "cut off between": ("wudao", json.dumps(objects("一"))[:-1], "after 1 of them it is truncated"),
    "not JSON": ("wudao", "<html>no</html>", "after 0 of them got '<html"),
    "text after the array": ("wudao", "[]\nmore", "after 0 of them got"),
    "no objects": ("wudao", "[1, 2]", "after 0 of them got '1, 2"),
    "a bad escape": ("wudao", '[{"content": "\\x"}]' + " " * 100, r"object 1: not JSON: Invalid \\escape"),
    "too deep": ("wudao", '[{"content": ' + "[" * 100_000, "object 1: not JSON: maximum recursion depth"),
    "other keys": ("wudao", '[{"text": "一"}]', "object 1: expected text under title and content; it has text"),
    "a number": ("wudao", '[{"title": "", "content": 3}]', "object 1: expected text under title and content"),
    "nothing": ("wudao", "[]", "no document in it; expected wudao's files, or another corpus.extract.form"),
    "other encoding": ("cluecorpus", "一二三四。\n".encode("gb18030"), "not UTF-8 near byte 2"),
    "UTF-8 cut off": ("cluecorpus", "一二。".encode()[:-1], "not UTF-8 near byte"),
    "empty": ("cluecorpus", "\n\n", "no document in it; expected cluecorpus's files"),
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("block", [5, 1 << 20])
def test_a_bad_file_is_one_line_and_no_output(run, tmp_path, monkeypatch, case, block):
    monkeypatch.setattr("minimoe.corpus.unpack._BLOCK", block)
    form, content, message = BAD[case]
    name = "bad.json" if form == "wudao" else "bad.txt"
    with pytest.raises(UserError, match=message) as error:
        run(form, {name: content})
    assert "dump/corpus" in str(error.value) and "\n" not in str(error.value)
    assert message.startswith("no document") or name in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["dump"]


def test_an_object_without_an_end_is_given_up(run, monkeypatch):
    monkeypatch.setattr("minimoe.corpus.unpack._BLOCK", 64)
    monkeypatch.setattr(forms, "LONGEST", 1000)
    with pytest.raises(UserError, match="object 2: not JSON: no end of it in 1,000 characters"):
        run("wudao", {"a.json": '[{"content": "一"}, {"content": "' + "二" * 9000})


def test_another_form_is_named(run):
    with pytest.raises(UserError, match=r"or another corpus\.extract\.form"):
        run("wikipedia", {"a.txt": "一二三。\n"})


@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_killed_run_ends_with_the_same_bytes(tmp_path, monkeypatch, at):
    (tmp_path / "dump/corpus").mkdir(parents=True)
    for number in range(4):
        (tmp_path / f"dump/corpus/{number}.txt").write_text(f"{number} one\n\n{number} two\n")
    monkeypatch.setattr(plain, "PART_BYTES", 1)
    note, made = ResumableOutput.note, {"form": "cluecorpus", "templates": False, "workers": 1}

    def kill(self, values):
        note(self, values)
        (self.folder / f"{at:05d}").write_text("half of the next file")
        if values["done"][0] == at:
            raise KeyboardInterrupt

    assert extract(tmp_path / "dump", tmp_path / "whole", **made) == 8
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(ResumableOutput, "note", kill)
        extract(tmp_path / "dump", tmp_path / "out", work=tmp_path / "work", **made)
    assert extract(tmp_path / "dump", tmp_path / "out", work=tmp_path / "work", **made) == 8
    whole, out = ({p.name: p.read_bytes() for p in (tmp_path / name).iterdir()} for name in ("whole", "out"))
    assert out == whole and len(whole) == 4


def test_a_killed_worker_is_one_line(run, tmp_path, monkeypatch):
    monkeypatch.setattr(plain, "PART_BYTES", 1)  # a group for each file
    monkeypatch.setattr(plain, "_write", _be_killed)
    with pytest.raises(UserError, match=r"^runtime\.workers: a worker process was killed"):
        run("cluecorpus", {f"{number}.txt": "一。" for number in range(4)}, workers=2)
    assert not (tmp_path / "out").exists()


def _be_killed(task):
    os.kill(os.getpid(), signal.SIGKILL)
