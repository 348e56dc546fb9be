import hashlib
import subprocess
import sys

import pytest
from tokenizers import Tokenizer
from transformers import AutoTokenizer

from minimoe.hub.snapshot import Snapshot
from minimoe.system.errors import UserError
from minimoe.teacher.tokenizer import SPECIAL, copy_tokenizer, train_tokenizer

TEXT = """The quick brown foxes of Xanadu are quicker than the lazy dogs of Zembla , says Ann .
Foxes are not dogs , and dogs are not foxes ; quickness is what the quickest have .

中文 is written without spaces , unlike the languages of Zembla and Xanadu .
"""


@pytest.fixture
def corpus(tmp_path):
    folder = tmp_path / "formatted"
    folder.mkdir()
    (folder / "a.txt").write_text(TEXT * 3)
    (folder / "b.txt").write_text(TEXT.upper())
    return folder


def digest(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def test_wordpiece(tmp_path, corpus):
    train_tokenizer(corpus, tmp_path / "out", vocabulary=150, lowercase=True)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    assert tokenizer.convert_ids_to_tokens(range(5)) == list(SPECIAL)
    assert set(tokenizer.all_special_tokens) == set(SPECIAL)
    assert tokenizer.is_fast
    assert 60 < len(tokenizer) <= 150
    pieces = tokenizer.tokenize("Foxes, DOGS 中文")
    assert "[UNK]" not in pieces
    assert pieces[-2:] == ["中", "文"]
    assert "".join(pieces).replace("##", "") == "foxes,dogs中文"
    assert "##中" not in tokenizer.get_vocab()  # never within a word
    pair = tokenizer("fox", "dog")
    ids = pair["input_ids"]
    assert (ids[0], ids[-1]) == (2, 3)
    assert pair["token_type_ids"] == [0] * (ids.index(3) + 1) + [1] * (len(ids) - ids.index(3) - 1)


def test_case_is_kept_on_request(tmp_path, corpus):
    train_tokenizer(corpus, tmp_path / "out", vocabulary=200, lowercase=False)
    assert AutoTokenizer.from_pretrained(tmp_path / "out").tokenize("Z")[0] == "Z"


@pytest.mark.slow
def test_the_same_in_every_process(tmp_path, corpus):
    code = (
        "import sys; from minimoe.teacher.tokenizer import train_tokenizer; "
        "train_tokenizer(sys.argv[1], sys.argv[2], vocabulary=150, lowercase=True)"
    )
    for name in ("a", "b"):
        subprocess.run([sys.executable, "-c", code, corpus, tmp_path / name], check=True, capture_output=True)
    assert digest(tmp_path / "a") == digest(tmp_path / "b")


def test_a_vocabulary_too_small_for_the_characters(tmp_path, corpus):
    with pytest.raises(UserError, match=r"teacher\.tokenizer\.vocabulary: expected at least \d+.*got 20"):
        train_tokenizer(corpus, tmp_path / "out", vocabulary=20, lowercase=True)
    assert not (tmp_path / "out").exists()


def test_no_text(tmp_path):
    with pytest.raises(UserError, match="found none"):
        train_tokenizer(tmp_path, tmp_path / "out", vocabulary=100, lowercase=True)


def test_copy(tmp_path, corpus):
    train_tokenizer(corpus, tmp_path / "model", vocabulary=150, lowercase=True)
    backend = Tokenizer.from_file(str(tmp_path / "model" / "tokenizer.json"))
    backend.enable_truncation(8)
    backend.enable_padding(length=8)
    backend.save(str(tmp_path / "model" / "tokenizer.json"))
    copy_tokenizer(str(tmp_path / "model"), tmp_path / "out")
    assert len(Tokenizer.from_file(str(tmp_path / "out" / "tokenizer.json")).encode(TEXT).ids) > 40
    ours, copied = (AutoTokenizer.from_pretrained(tmp_path / name) for name in ("model", "out"))
    assert ours(TEXT)["input_ids"] == copied(TEXT)["input_ids"]


def test_a_folder_without_a_tokenizer_is_one_line(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(UserError, match="holds no tokenizer") as error:
        copy_tokenizer(str(tmp_path), tmp_path / "out")
    assert str(tmp_path) in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub whose one model is the folder `model`."""

    def snapshot(kind, name, revision, patterns, key):
        assert (kind, name, revision, key) == ("model", "some/model", "v1", "teacher.hub")
        assert "vocab.txt" in patterns
        return Snapshot(tmp_path / "model", "c0ffee")

    monkeypatch.setattr("minimoe.teacher.tokenizer.snapshot", snapshot)


def test_from_the_hub(tmp_path, corpus, hub):
    train_tokenizer(corpus, tmp_path / "model", vocabulary=150, lowercase=True)
    assert copy_tokenizer("some/model", tmp_path / "out", revision="v1") == "c0ffee"
    assert len(AutoTokenizer.from_pretrained(tmp_path / "out")) > 60


def test_a_hub_model_without_a_tokenizer(tmp_path, hub):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(UserError, match="some/model holds no tokenizer"):
        copy_tokenizer("some/model", tmp_path / "out", revision="v1")


def test_a_decoders_tokenizer_is_refused(tmp_path, corpus):
    train_tokenizer(corpus, tmp_path / "model", vocabulary=150, lowercase=True)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "model")
    tokenizer.mask_token = None
    tokenizer.save_pretrained(tmp_path / "model")
    config = tmp_path / "model" / "tokenizer_config.json"
    config.write_text(config.read_text().replace('"BertTokenizer"', '"PreTrainedTokenizerFast"'))
    with pytest.raises(UserError, match="no mask token"):
        copy_tokenizer(str(tmp_path / "model"), tmp_path / "out")
