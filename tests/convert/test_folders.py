"""A converted folder is an ordinary Hugging Face folder."""

import subprocess
import sys

import pytest
import torch
from convert.released import MINILM, NAMES, ONCE_FOR_ALL, SPARSE, SPARSE_TEACHER, config, folder, release, weights
from safetensors.torch import save_file
from transformers import AutoModel, AutoModelForSequenceClassification, AutoModelForTokenClassification, AutoTokenizer

from minimoe.__main__ import main
from minimoe.convert.checkpoint import convert

IDS = torch.arange(2, 34).view(2, 16)


def models(path):
    return sorted(file.parent for file in path.rglob("config.json"))


@pytest.mark.parametrize("name", NAMES)
def test_heads_load_on_the_same_encoder(tmp_path, name):
    convert(release(tmp_path / "released", name), tmp_path / "ours")
    path = models(tmp_path / "ours")[0]
    encoder = AutoModel.from_pretrained(path).state_dict()
    classifier = AutoModelForSequenceClassification.from_pretrained(path, num_labels=3)
    tagger = AutoModelForTokenClassification.from_pretrained(path, num_labels=5)
    assert classifier(IDS).logits.shape == (2, 3)
    assert tagger(IDS).logits.shape == (2, 16, 5)
    for model in (classifier, tagger):
        within = getattr(model, model.base_model_prefix).state_dict()
        assert len(within) > 20
        assert all(torch.equal(weight, encoder[key]) for key, weight in within.items())


@pytest.mark.parametrize("name", [MINILM, SPARSE])
def test_the_tokenizer_gets_its_fast_form(tmp_path, name):
    convert(release(tmp_path / "released", name), tmp_path / "ours")
    assert (tmp_path / "ours" / "tokenizer.json").is_file()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "ours")
    vocabulary = (tmp_path / "released" / "vocab.txt").read_text(encoding="utf-8").split()
    pieces = ["[CLS]", "hello", "world", "##s", "中", "国", "[SEP]"]
    assert tokenizer("Hello worlds 中国")["input_ids"] == [vocabulary.index(piece) for piece in pieces]


def test_safetensors_convert_as_pickles_do(tmp_path):
    convert(release(tmp_path / "pickled", MINILM), tmp_path / "from_pickle")
    release(tmp_path / "safe", MINILM)
    (tmp_path / "safe" / "pytorch_model.bin").unlink()
    tensors = {name: weight.contiguous() for name, weight in weights(MINILM).items()}
    save_file(tensors, tmp_path / "safe" / "model.safetensors")
    convert(tmp_path / "safe", tmp_path / "from_safetensors")
    bytes_ = [(tmp_path / path / "model.safetensors").read_bytes() for path in ("from_pickle", "from_safetensors")]
    assert bytes_[0] == bytes_[1]


def test_only_plain_shapes_need_no_code(tmp_path):
    convert(release(tmp_path / "released", ONCE_FOR_ALL), tmp_path / "ours")
    coded = {path.name for path in models(tmp_path / "ours") if (path / "student.py").is_file()}
    assert coded == {f"{layers}L-{width}H" for layers in (1, 2) for width in (48, 32, 24, 16)}
    assert not list((tmp_path / "ours").rglob("*.bin"))


def test_a_sub_student_has_the_leading_part_of_the_pooler(tmp_path):
    convert(release(tmp_path / "released", ONCE_FOR_ALL), tmp_path / "ours")
    pooler = AutoModel.from_pretrained(tmp_path / "ours" / "2L-24H").pooler.dense
    assert torch.equal(pooler.weight, weights(ONCE_FOR_ALL)["bert.pooler.dense.weight"][:24, :24])


def test_an_entry_of_nothing_removed_is_no_student(tmp_path):
    """Needed to reload an ofabert with the published code, so some copies have it."""
    values = config(ONCE_FOR_ALL)
    values["sparsity_map"]["0"] = {"hidden": {}, "head": {}, "neuron": {}}
    convert(folder(tmp_path / "released", values, weights(ONCE_FOR_ALL)), tmp_path / "ours")
    assert len(models(tmp_path / "ours")) == 12


def test_the_command_prints_a_line_for_each_model(tmp_path, capsys, monkeypatch):
    release(tmp_path / "released", ONCE_FOR_ALL)
    (tmp_path / "ours").mkdir()  # empty: as good as new
    monkeypatch.setattr(sys, "argv", ["minimoe", "convert", str(tmp_path / "released"), str(tmp_path / "ours")])
    main()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 12
    assert lines[0].startswith(f"{tmp_path / 'ours'}/")
    assert all("ofabert-minilm" in line and "parameters; left out: the projection" in line for line in lines)


@pytest.mark.slow
def test_converted_folders_load_with_transformers_alone(tmp_path):
    for name in ("moebert_minilm_1_4E", SPARSE, SPARSE_TEACHER, ONCE_FOR_ALL):
        convert(release(tmp_path / f"{name}-released", name), tmp_path / name)
    paths = [tmp_path / name for name in ("moebert_minilm_1_4E", SPARSE, SPARSE_TEACHER)]
    paths += [tmp_path / ONCE_FOR_ALL / subnet for subnet in ("2L-24H", "3L-48H")]
    hidden = {str(path): AutoModel.from_pretrained(path).eval()(IDS).last_hidden_state.detach() for path in paths}
    torch.save(hidden, tmp_path / "hidden.pt")
    script = (
        "import sys; sys.modules['minimoe'] = None\n"  # any import of it fails
        "import torch; from transformers import *\n"
        "trusted = dict(trust_remote_code=True)\n"
        "for path, hidden in torch.load('hidden.pt').items():\n"
        "    model = AutoModel.from_pretrained(path, **trusted).eval()\n"
        "    states = model(torch.arange(2, 34).view(2, 16)).last_hidden_state\n"
        "    torch.testing.assert_close(states, hidden, rtol=1e-5, atol=1e-5)  # weights lie elsewhere in memory\n"
        "    words = AutoTokenizer.from_pretrained(path, **trusted)('Hello worlds', return_tensors='pt')\n"
        "    for kind in (AutoModelForSequenceClassification, AutoModelForTokenClassification):\n"
        "        assert kind.from_pretrained(path, num_labels=4, **trusted)(**words).logits.shape[-1] == 4, path\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True, env={"HF_HOME": str(tmp_path / "hf")})
