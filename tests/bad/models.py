"""A teacher given as a folder, and its tokenizer: bad input of the stages teacher and tokenizer."""

from pathlib import Path

import torch
from bad.harm import GONE, Case, Harm, both, cut, drop, folder, json_of, write
from bad.records import EVIL
from safetensors.torch import load_file, save_file

GIVEN, CONFIG, WEIGHTS, TOKENIZER = "given/teacher", "config.json", "model.safetensors", "tokenizer.json"
WORDS = "bert.embeddings.word_embeddings.weight"


def weights(name: str, change) -> Harm:
    """The weights in the folder `name`, changed in place by `change`."""

    def harm(root: Path) -> None:
        tensors = load_file(root / name / WEIGHTS)
        change(tensors)
        save_file(
            {key: tensor.contiguous() for key, tensor in tensors.items()}, root / name / WEIGHTS, {"format": "pt"}
        )

    return harm


def pickled(content: object) -> Harm:
    """Pickled weights in place of safetensors."""

    def harm(root: Path) -> None:
        (root / GIVEN / WEIGHTS).unlink()
        torch.save(content, root / GIVEN / "pytorch_model.bin")

    return harm


def unusable(what: str, stage: str, name: str) -> dict[str, Case]:
    """What can be wrong with a model made here, in the folder `name`, for a stage that reads it."""
    harms = {
        "none": drop(name),
        "without its config": drop(f"{name}/{CONFIG}"),
        "weights truncated": cut(f"{name}/{WEIGHTS}"),
        "a pickle for weights": write(f"{name}/{WEIGHTS}", EVIL),
    }
    return {f"{what}: {how}": Case(stage, harm, name, "run the stage that makes") for how, harm in harms.items()}


CASES = {
    # the teacher given
    "no folder": Case("teacher", drop(GIVEN), GIVEN, "expected a Hugging Face model folder"),
    "no config": Case("teacher", drop(f"{GIVEN}/{CONFIG}"), GIVEN, "expected a Hugging Face model folder"),
    "a config that is no JSON": Case("teacher", write(f"{GIVEN}/{CONFIG}", "{"), GIVEN, "expected JSON"),
    "a config that is a list": Case("teacher", write(f"{GIVEN}/{CONFIG}", "[]"), GIVEN, "expected JSON"),
    "a config that is a folder": Case("teacher", folder(f"{GIVEN}/{CONFIG}"), GIVEN, "expected a Hugging Face model"),
    "a config not in UTF-8": Case("teacher", write(f"{GIVEN}/{CONFIG}", b"\xff"), GIVEN, "expected JSON"),
    "modules that are no JSON": Case("teacher", write(f"{GIVEN}/modules.json", "{"), "modules.json", "get the model"),
    "a module elsewhere": Case(
        "teacher",
        write(f"{GIVEN}/modules.json", '[{"path": "", "type": "Transformer"}, {"path": "..", "type": "Pooling"}]'),
        "modules.json",
        "expected a folder beside it",
    ),
    "an unknown kind": Case("teacher", json_of(f"{GIVEN}/{CONFIG}", {"model_type": "x"}), GIVEN, "expected an encoder"),
    "no kind": Case("teacher", json_of(f"{GIVEN}/{CONFIG}", {"model_type": GONE}), GIVEN, "expected an encoder"),
    "another kind": Case("teacher", json_of(f"{GIVEN}/{CONFIG}", {"model_type": "t5"}), GIVEN, "expected an encoder"),
    "a bert that decodes": Case(
        "teacher", json_of(f"{GIVEN}/{CONFIG}", {"is_decoder": True}), GIVEN, "expected an encoder"
    ),
    "code of its own": Case(
        "teacher",
        json_of(
            f"{GIVEN}/{CONFIG}", {"model_type": "own", "auto_map": {"AutoConfig": "own.Own", "AutoModel": "own.Own"}}
        ),
        GIVEN,
        "expected an encoder",
    ),
    **{
        f"{key} of {value!r}": Case("teacher", json_of(f"{GIVEN}/{CONFIG}", {key: value}), GIVEN, "expected")
        for key, value in [
            ("hidden_size", "24"),
            ("hidden_size", -24),
            ("hidden_size", 25),
            ("hidden_size", 48),
            ("vocab_size", 7),
            ("num_hidden_layers", 3),
            ("num_hidden_layers", None),
            ("num_attention_heads", 0),
            ("num_attention_heads", 5),
            ("hidden_act", "none such"),
            ("intermediate_size", 31),
            ("layer_norm_eps", "x"),
            ("layer_norm_eps", -1),
            ("layer_norm_eps", -1.0),
            ("layer_norm_eps", float("nan")),
            ("hidden_dropout_prob", float("nan")),
            ("attention_probs_dropout_prob", 1.5),
            ("initializer_range", float("inf")),
            ("max_position_embeddings", 31),
            ("dtype", "int7"),
            ("vocab_size", 10**12),
        ]
    },
    "no weights": Case("teacher", drop(f"{GIVEN}/{WEIGHTS}"), GIVEN, "expected model.safetensors"),
    "weights that are empty": Case("teacher", write(f"{GIVEN}/{WEIGHTS}", b""), GIVEN, "expected an encoder"),
    "weights truncated": Case("teacher", cut(f"{GIVEN}/{WEIGHTS}"), GIVEN, "expected an encoder"),
    "weights not fetched by git lfs": Case(
        "teacher",
        write(f"{GIVEN}/{WEIGHTS}", "version https://git-lfs.github.com/spec/v1\n"),
        GIVEN,
        "expected an encoder",
    ),
    "a pickle called safetensors": Case("teacher", write(f"{GIVEN}/{WEIGHTS}", EVIL), GIVEN, "expected an encoder"),
    "a header larger than the file": Case(
        "teacher", write(f"{GIVEN}/{WEIGHTS}", b"\xff" * 7 + b"\x00{}"), GIVEN, "expected an encoder"
    ),
    "a weight missing": Case(
        "teacher", weights(GIVEN, lambda w: w.pop("bert.encoder.layer.1.output.dense.weight")), GIVEN, "missing"
    ),
    "a weight of another shape": Case(
        "teacher", weights(GIVEN, lambda w: w.update({WORDS: torch.ones(3, 24)})), GIVEN, "expected an encoder"
    ),
    "weights that are no numbers": Case(
        "teacher", weights(GIVEN, lambda w: w[WORDS].fill_(float("nan"))), GIVEN, "expected finite"
    ),
    "weights so large that nothing comes of them": Case(
        "teacher",
        weights(GIVEN, lambda w: [w[key].fill_(1e38) for key in w if "dense" in key]),
        GIVEN,
        "NaN or infinite values",
    ),
    "an index of files that are not there": Case(
        "teacher",
        both(
            drop(f"{GIVEN}/{WEIGHTS}"),
            write(f"{GIVEN}/model-1.safetensors", b""),
            write(f"{GIVEN}/{WEIGHTS}.index.json", "{"),
        ),
        GIVEN,
        "expected",
    ),
    "pickled code": Case(
        "teacher", both(drop(f"{GIVEN}/{WEIGHTS}"), write(f"{GIVEN}/pytorch_model.bin", EVIL)), GIVEN, "weights"
    ),
    "pickled text": Case(
        "teacher", both(drop(f"{GIVEN}/{WEIGHTS}"), write(f"{GIVEN}/pytorch_model.bin", "x")), GIVEN, "weights"
    ),
    "a pickled list": Case("teacher", pickled([torch.ones(2)]), GIVEN, "expected a tensor under every name"),
    "a pickled number": Case("teacher", pickled({"a": 3}), GIVEN, "expected a tensor under every name"),
    "a pickled state of training": Case(
        "teacher", pickled({"model": {"a": torch.ones(2)}}), GIVEN, "expected a tensor under"
    ),
    "no weights in a pickle": Case("teacher", pickled({}), GIVEN, "expected"),
    # its tokenizer
    "tokenizer: no folder": Case("tokenizer", drop(GIVEN), GIVEN, "put the teacher's there"),
    "tokenizer: none": Case("tokenizer", drop(f"{GIVEN}/{TOKENIZER}"), GIVEN, "put the teacher's there"),
    "tokenizer: cut": Case("tokenizer", cut(f"{GIVEN}/{TOKENIZER}"), GIVEN, "expected an encoder's"),
    "tokenizer: another form": Case(
        "tokenizer", write(f"{GIVEN}/{TOKENIZER}", '{"model": 3}'), GIVEN, "expected an encoder's"
    ),
    "tokenizer: a list": Case("tokenizer", write(f"{GIVEN}/{TOKENIZER}", "[]"), GIVEN, "expected an encoder's"),
    "tokenizer: binary": Case("tokenizer", write(f"{GIVEN}/{TOKENIZER}", bytes(99)), GIVEN, "expected an encoder's"),
    "tokenizer: no vocabulary": Case(
        "tokenizer", json_of(f"{GIVEN}/{TOKENIZER}", {"model.vocab": {}}), GIVEN, "only special tokens"
    ),
    "tokenizer: code of its own": Case(
        "tokenizer",
        json_of(
            f"{GIVEN}/tokenizer_config.json",
            {"tokenizer_class": "Own", "auto_map": {"AutoTokenizer": ["own.Own", None]}, "mask_token": GONE},
        ),
        GIVEN,
        "expected an encoder's",
    ),
    "tokenizer: a pickle for sentencepiece": Case(
        "tokenizer",
        both(
            drop(f"{GIVEN}/{TOKENIZER}"), drop(f"{GIVEN}/tokenizer_config.json"), write(f"{GIVEN}/spiece.model", EVIL)
        ),
        GIVEN,
        "expected an encoder's",
    ),
}
