import json

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModel, AutoTokenizer, BertConfig, BertForPreTraining, RobertaConfig, RobertaModel

from minimoe.hub.loading import load_model
from minimoe.hub.snapshot import Snapshot
from minimoe.models.sentence import FILES, SentenceHead, read_head, write_head
from minimoe.system.errors import UserError
from minimoe.teacher.copy import copy_teacher

SMALL = {
    "vocab_size": 40,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 32,
}


@pytest.fixture
def model(tmp_path):
    """A BERT with all its heads and no tokenizer of its own."""
    torch.manual_seed(0)
    model = BertForPreTraining(BertConfig(**SMALL))
    model.save_pretrained(tmp_path / "model")
    return model


def test_every_head_is_kept(tmp_path, model, tokenizer):
    copy_teacher(str(tmp_path / "model"), tokenizer, tmp_path / "out")
    copied = BertForPreTraining.from_pretrained(tmp_path / "out").state_dict()
    assert all(torch.equal(value, copied[key]) for key, value in model.state_dict().items())
    assert AutoTokenizer.from_pretrained(tmp_path / "out").mask_token == "[MASK]"


def test_pickled_weights_become_safetensors(tmp_path, model, tokenizer):
    folder = tmp_path / "model"
    (folder / "model.safetensors").unlink()
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    copy_teacher(str(folder), tokenizer, tmp_path / "out")
    assert not list((tmp_path / "out").glob("*.bin"))
    word = "bert.embeddings.word_embeddings.weight"
    assert torch.equal(load_file(tmp_path / "out" / "model.safetensors")[word], model.state_dict()[word])
    copied = BertForPreTraining.from_pretrained(tmp_path / "out").state_dict()
    assert all(torch.equal(value, copied[key]) for key, value in model.state_dict().items())


def test_pickled_code_is_not_run(tmp_path, model, tokenizer):
    class Malice:
        def __reduce__(self):
            return open, (str(tmp_path / "ran"), "w")

    (tmp_path / "model" / "model.safetensors").unlink()
    torch.save({"weight": Malice()}, tmp_path / "model" / "pytorch_model.bin")
    with pytest.raises(UserError, match="cannot be read as weights"):
        copy_teacher(str(tmp_path / "model"), tokenizer, tmp_path / "out")
    assert not (tmp_path / "ran").exists()


def test_any_encoder(tmp_path, tokenizer):
    RobertaModel(RobertaConfig(**SMALL)).save_pretrained(tmp_path / "roberta")
    copy_teacher(str(tmp_path / "roberta"), tokenizer, tmp_path / "out")
    assert AutoModel.from_pretrained(tmp_path / "out").config.model_type == "roberta"


def test_from_the_hub_with_pickled_weights_only_where_there_are_no_others(tmp_path, model, tokenizer, monkeypatch):
    asked = []

    def snapshot(kind, name, revision, patterns, key):
        asked.append((revision, patterns))
        return Snapshot(tmp_path / "model", "c0ffee")

    monkeypatch.setattr("minimoe.teacher.copy.snapshot", snapshot)
    assert copy_teacher("some/model", tokenizer, tmp_path / "out", revision="v1") == {"commit": "c0ffee"}
    assert not any(pattern.startswith("pytorch_model") for pattern in asked[0][1])
    assert len(asked) == 1
    torch.save(model.state_dict(), tmp_path / "model" / "pytorch_model.bin")
    (tmp_path / "model" / "model.safetensors").unlink()
    copy_teacher("some/model", tokenizer, tmp_path / "out", revision="v1")
    assert asked[2] == ("c0ffee", ["config.json", "README.md", "pytorch_model*.bin", *FILES])  # both of one commit


def test_the_license_is_what_the_models_card_says(tmp_path, model, tokenizer):
    card = tmp_path / "model/README.md"
    for text, said in (
        ("# A model without metadata\n", {}),
        ("---\nlanguage: en\n---\n# A model\n", {}),
        ("---\nlicense: other\nlicense_name: ours\n---\n", {"license": "other", "license_name": "ours"}),
        ("---\nlicense: [mit, apache-2.0]\n---\n", {}),
    ):
        card.write_text(text)
        assert copy_teacher(str(tmp_path / "model"), tokenizer, tmp_path / "out") == said
        assert not (tmp_path / "out/README.md").exists()
    card.write_text("---\nlicense: [mit\n---\n")
    with pytest.raises(UserError, match=r"README\.md: cannot be read: .*; expected a model card; mend its metadata"):
        copy_teacher(str(tmp_path / "model"), tokenizer, tmp_path / "out")


def test_how_a_sentence_encoder_pools_is_kept(tmp_path, model, tokenizer):
    copy_teacher(str(tmp_path / "model"), tokenizer, tmp_path / "out")
    assert not (tmp_path / "out/modules.json").exists()
    head = SentenceHead(SMALL["hidden_size"], ("cls",), normalize=True, length=20)
    write_head(head, tmp_path / "model")
    copy_teacher(str(tmp_path / "model"), tokenizer, tmp_path / "out")
    kept = read_head(tmp_path / "out", SMALL["hidden_size"])
    assert (kept.modes, kept.normalize, kept.length) == (head.modes, True, 20)
    (tmp_path / "model/modules.json").write_text("{")
    with pytest.raises(UserError, match=r"modules\.json: cannot be read: .*; get the model again"):
        copy_teacher(str(tmp_path / "model"), tokenizer, tmp_path / "out")


def test_code_of_the_folder_is_not_run(tmp_path, model, tokenizer):
    path = tmp_path / "model" / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({**config, "model_type": "own", "auto_map": {"AutoConfig": "own.Own"}}))
    (tmp_path / "model" / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(UserError, match="cannot be loaded"):
        copy_teacher(str(tmp_path / "model"), tokenizer, tmp_path / "out")
    assert not (tmp_path / "ran").exists()


def test_what_names_code_is_not_copied(tmp_path, model, tokenizer):
    path = tmp_path / "model" / "config.json"
    named = {"auto_map": {"AutoModel": "own.Own"}, "attn_implementation": "some/kernel"}
    path.write_text(json.dumps(json.loads(path.read_text()) | named))
    copy_teacher(str(tmp_path / "model"), tokenizer, tmp_path / "out")
    assert not set(named) & set(json.loads((tmp_path / "out" / "config.json").read_text()))


def test_kernels_that_a_config_names_are_not_looked_for(tmp_path, model):
    path = tmp_path / "model" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"attn_implementation": "some/kernel"}))
    loaded, _ = load_model(AutoModel, tmp_path / "model")
    assert loaded.config._attn_implementation == "sdpa"


@pytest.mark.parametrize("file", ["../secret.safetensors", "/etc/secret.safetensors", "a/b.safetensors"])
def test_an_index_of_files_elsewhere_is_refused(tmp_path, model, tokenizer, file):
    index = {"metadata": {}, "weight_map": {"bert.pooler.dense.bias": file}}
    (tmp_path / "model" / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(UserError, match=r"index\.json: expected files of its own folder, got "):
        copy_teacher(str(tmp_path / "model"), tokenizer, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("removed", "expected"), [("config.json", "holds no config.json"), ("model.safetensors", "holds no weights")]
)
def test_missing_files(tmp_path, model, tokenizer, removed, expected):
    (tmp_path / "model" / removed).unlink()
    with pytest.raises(UserError, match=expected):
        copy_teacher(str(tmp_path / "model"), tokenizer, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_missing_weights(tmp_path, model, tokenizer):
    (tmp_path / "model" / "model.safetensors").unlink()
    partial = {key: value for key, value in model.state_dict().items() if "layer.1.output" not in key}
    torch.save(partial, tmp_path / "model" / "pytorch_model.bin")
    with pytest.raises(UserError, match="4 weights are missing"):
        copy_teacher(str(tmp_path / "model"), tokenizer, tmp_path / "out")


def test_a_tokenizer_with_more_tokens_than_embeddings(tmp_path, tokenizer):
    RobertaModel(RobertaConfig(**SMALL | {"vocab_size": 30})).save_pretrained(tmp_path / "model")
    with pytest.raises(UserError, match="40 tokens, its embeddings 30"):
        copy_teacher(str(tmp_path / "model"), tokenizer, tmp_path / "out")
