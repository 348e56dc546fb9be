import pytest

from minimoe.files import whole_file, whole_folder, write_json


def test_a_folder_is_whole_or_as_it_was(tmp_path):
    out = tmp_path / "out"
    with whole_folder(out) as folder:
        (folder / "a").write_text("first")
    with pytest.raises(RuntimeError), whole_folder(out) as folder:
        (folder / "a").write_text("second")
        raise RuntimeError
    assert (out / "a").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_file_is_whole_or_as_it_was(tmp_path):
    out = tmp_path / "new" / "out.txt"
    with whole_file(out) as path:
        path.write_text("first")
    with pytest.raises(RuntimeError), whole_file(out) as path:
        path.write_text("second")
        raise RuntimeError
    assert out.read_text() == "first"
    assert [path.name for path in out.parent.iterdir()] == ["out.txt"]


def test_json_refuses_what_is_no_number(tmp_path):
    with pytest.raises(ValueError):
        write_json(tmp_path / "out.json", {"loss": float("nan")})
    assert not list(tmp_path.iterdir())
