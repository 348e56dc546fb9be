import zipfile

import pytest

from minimoe.corpus.sources import Source, in_groups, sources
from minimoe.system.errors import UserError


def archive(path, members, packing=zipfile.ZIP_DEFLATED):
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", packing) as file:
        for name, text in members.items():
            file.writestr(name, text)
    return path


def read(root, *suffixes):
    return ["".join(source.blocks()) for source in sources(root, suffixes or (".txt",))]


def test_files_and_members_at_any_depth_in_order(tmp_path, capsys):
    for name in ("b.txt", "a/deep/x.TXT", "a/notes.md", ".hidden/x.txt", "a/._x.zip"):
        path = tmp_path / "corpus" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    members = {"z.txt": "z", "in/y.txt": "y", "__MACOSX/in/._y.txt": "junk", "in/.DS_Store": "junk", "more.zip": "?"}
    archive(tmp_path / "corpus/a/news.zip", members)
    assert read(tmp_path / "corpus") == ["a/deep/x.TXT", "y", "z", "b.txt"]
    left = capsys.readouterr().out
    assert "left out 2 files that are not .txt" in left and "news.zip, more.zip the first" in left


@pytest.mark.slow
@pytest.mark.parametrize("packing", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_an_archive_alone_packed_in_any_way(tmp_path, packing):
    text = "".join(f"第{number}天天气很好。" for number in range(100_000))  # blocks end within characters
    assert read(archive(tmp_path / "a.zip", {"a.txt": "\ufeff" + text}, packing)) == [text]


def damaged(path):
    data = bytearray(path.read_bytes())
    data[60] ^= 255
    path.write_bytes(data)


def cut(path):
    path.write_bytes(path.read_bytes()[:-30])


def locked(path):
    data = path.read_bytes()
    path.write_bytes(data.replace(b"PK\x01\x02\x14\x03\x14\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01"))


BAD = {
    "damaged": (damaged, "a.zip, in/a.txt: damaged, truncated or packed in an unknown way"),
    "cut off": (cut, "a.zip: damaged, truncated"),
    "locked": (locked, "a.zip, in/a.txt: locked with a password"),
    "another kind": (lambda path: path.write_bytes(b"Rar!\x1a\x07\x00"), "a.zip: damaged, truncated or packed"),
    "a bomb": (lambda path: archive(path, {"a.txt": "0" * (1 << 25)}), "a.txt: .*unpack to 33,554,432, more than text"),
    "unpacked already": (lambda path: path.with_suffix("").mkdir(), "beside it is a, which seems to be it unpacked"),
    "nothing wanted": (lambda path: archive(path, {"a.md": "x"}), "no .txt file in it or in a .zip of it"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_archive_is_one_line_that_names_it(tmp_path, case):
    harm, message = BAD[case]
    path = archive(tmp_path / "a.zip", {"in/a.txt": "".join(f"第{n}句话。\n" for n in range(2000))})
    harm(path)
    with pytest.raises(UserError, match=message) as error:
        read(tmp_path)
    assert "\n" not in str(error.value)


def test_names_in_an_archive_cannot_break_the_line(tmp_path):
    path = archive(tmp_path / "a.zip", {"x\n\x1b[2J.txt": b"\xff"})
    with pytest.raises(UserError, match=r"a\.zip, x\?\?\[2J\.txt: not UTF-8"):
        read(path)


def test_groups_hold_neighbours():
    items = [Source(str(number), size) for number, size in enumerate((5, 5, 20, 1, 1))]
    assert [[item.path for item in group] for group in in_groups(items, 10)] == [["0", "1"], ["2"], ["3", "4"]]


def test_a_small_text_may_repeat_itself(tmp_path):
    assert read(archive(tmp_path / "a.zip", {"a.txt": "0" * 900_000})) == ["0" * 900_000]


def test_text_that_is_not_utf8_far_into_a_file(tmp_path, monkeypatch):
    monkeypatch.setattr("minimoe.corpus.unpack._BLOCK", 64)
    (tmp_path / "a.txt").write_bytes(b"x" * 640 + b"\xff")
    with pytest.raises(UserError, match=r"a\.txt: not UTF-8 near byte 640$"):
        read(tmp_path)
