"""Sentence embeddings: pooling against a direct computation, the folder layout, and folders that will not do."""

import json

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from minimoe.models.sentence import MODES, SentenceHead, read_head, write_head
from minimoe.system.errors import UserError

WIDTH = 6
OURS = "sentence_transformers.models."
NEWER = "sentence_transformers.sentence_transformer.modules.pooling."


def states() -> tuple[torch.Tensor, torch.Tensor]:
    """Hidden states [3, 5, D] in fp64, and a mask of sequences of 5, 3 and 1 tokens."""
    torch.manual_seed(0)
    mask = torch.arange(5) < torch.tensor([5, 3, 1])[:, None]
    return torch.randn(3, 5, WIDTH, dtype=torch.float64), mask


def direct(sequence: torch.Tensor, mode: str) -> torch.Tensor:
    """Of one sequence [T, D] without padding."""
    return {
        "cls": lambda: sequence[0],
        "max": lambda: sequence.max(0).values,
        "mean": lambda: sequence.mean(0),
        "mean_sqrt_len_tokens": lambda: sequence.sum(0) / len(sequence) ** 0.5,
    }[mode]()


@pytest.mark.parametrize("modes", [*((mode,) for mode in MODES), ("cls", "mean")])
def test_pooling_is_over_real_tokens(modes):
    hidden, mask = states()
    head = SentenceHead(WIDTH, modes)
    rows = [row[: int(real.sum())] for row, real in zip(hidden, mask, strict=True)]
    wanted = torch.stack([torch.cat([direct(row, mode) for mode in modes]) for row in rows])
    made = head(hidden, mask)
    assert made.dtype == torch.float64 and made.shape[-1] == head.size
    torch.testing.assert_close(made, wanted)
    noisy = torch.where(mask[..., None], hidden, torch.full_like(hidden, torch.nan))
    torch.testing.assert_close(head(noisy, mask), wanted)


def test_bf16_is_pooled_in_fp32():
    hidden, mask = states()
    assert SentenceHead(WIDTH)(hidden.bfloat16(), mask).dtype == torch.float32


def every_module() -> SentenceHead:
    torch.manual_seed(1)
    head = SentenceHead(WIDTH, ("cls", "max"), normalize=True, length=24)
    head.dense.extend([nn.Linear(2 * WIDTH, 8), nn.Tanh(), nn.Linear(8, 3, bias=False), nn.Identity()])
    return head.requires_grad_(False)


def test_what_is_written_is_read_again(tmp_path):
    hidden, mask = (x.float() if x.is_floating_point() else x for x in states())
    for name, head in {"every": every_module(), "mean": SentenceHead(WIDTH, length=None)}.items():
        (tmp_path / name).mkdir()
        write_head(head, tmp_path / name)
        same = read_head(tmp_path / name, WIDTH)
        assert (same.modes, same.normalize, same.length) == (head.modes, head.normalize, head.length)
        assert torch.equal(same(hidden, mask), head(hidden, mask))
    modules = json.loads((tmp_path / "every/modules.json").read_text())
    assert [one["path"] for one in modules] == ["", "1_Pooling", "2_Dense", "3_Dense", "4_Normalize"]
    assert [one["type"].removeprefix(OURS) for one in modules] == [
        "Transformer", "Pooling", "Dense", "Dense", "Normalize",
    ]  # fmt: skip


def test_a_folder_without_modules_is_pooled_by_the_mean(tmp_path):
    head = read_head(tmp_path, WIDTH)
    assert (head.modes, head.normalize, head.length, len(head.dense)) == (("mean",), False, None, 0)


def folder(tmp_path, kinds=("Transformer", "Pooling"), pooling=None, **files):
    """A folder in the layout, with files in place of some, by their names with __ for a slash."""
    paths = ["", *(f"{number}_{kind}" for number, kind in enumerate(kinds[1:], 1))]
    modules = [{"path": path, "type": f"x.y.{kind}"} for path, kind in zip(paths, kinds, strict=True)]
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    for path in paths[1:]:
        (tmp_path / path).mkdir()
    if pooling is not None:
        (tmp_path / "1_Pooling/config.json").write_text(json.dumps(pooling))
    return tmp_path


@pytest.mark.parametrize(
    ("config", "modes"),
    [
        ({"word_embedding_dimension": WIDTH, "pooling_mode_cls_token": True}, ("cls",)),
        ({"word_embedding_dimension": WIDTH, "pooling_mode_mean_tokens": True, "pooling_mode_max_tokens": True},
         ("max", "mean")),
        ({"embedding_dimension": WIDTH, "pooling_mode": "mean", "include_prompt": True}, ("mean",)),
        ({"embedding_dimension": WIDTH, "pooling_mode": ["mean", "cls"]}, ("mean", "cls")),
    ],
)  # fmt: skip
def test_files_of_older_and_newer_versions(tmp_path, config, modes):
    assert read_head(folder(tmp_path, pooling=config), WIDTH).modes == modes


MEAN = {"embedding_dimension": WIDTH, "pooling_mode": "mean"}
BAD = {
    "another width": ({"pooling": MEAN | {"embedding_dimension": 5}}, "expected a width of 6"),
    "an unknown mode": ({"pooling": MEAN | {"pooling_mode": "lasttoken"}}, "expected pooling by some of cls, max"),
    "an unknown mode of old": (
        {"pooling": {"word_embedding_dimension": WIDTH, "pooling_mode_lasttoken": True}}, "pooling_mode_lasttoken",
    ),
    "no mode": ({"pooling": {"word_embedding_dimension": WIDTH}}, "expected pooling by some of"),
    "no pooling's file": ({}, "1_Pooling/config.json: cannot be read"),
    "a list for pooling": ({"pooling": [1]}, "1_Pooling/config.json: cannot be read"),
    "no pooling": ({"kinds": ("Transformer",)}, "expected a module Pooling"),
    "an unknown module": ({"kinds": ("Transformer", "Pooling", "LSTM"), "pooling": MEAN}, "got LSTM"),
    "no transformer": ({"kinds": ("BoW", "Pooling"), "pooling": MEAN}, "expected a module Transformer"),
    "a module after the last": ({"kinds": ("Transformer", "Pooling", "Normalize", "Dense"), "pooling": MEAN}, "after"),
    "no weights": ({"kinds": ("Transformer", "Pooling", "Dense"), "pooling": MEAN}, "2_Dense/config.json: cannot be"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_will_not_do_is_refused_in_a_line(tmp_path, name):
    given, told = BAD[name]
    with pytest.raises(UserError, match=told) as error:
        read_head(folder(tmp_path, **given), WIDTH, "get it again")
    assert str(error.value).endswith("; get it again")


@pytest.mark.parametrize("path", ["../elsewhere", "/tmp/x", "a/b"])
def test_modules_lie_beside_their_list(tmp_path, path):
    modules = [{"path": "", "type": "Transformer"}, {"path": path, "type": "Pooling"}]
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(UserError, match="expected a folder beside it"):
        read_head(tmp_path, WIDTH)


@pytest.mark.parametrize(
    ("config", "weights", "told"),
    [
        ({"activation_function": "os.system"}, {}, "expected one of Identity, Tanh"),
        ({"activation_function": "torch.nn.Tanh"}, {}, "expected model.safetensors"),
        ({"activation_function": "torch.nn.Tanh"}, {"linear.weight": torch.zeros(3, 5)}, "a linear layer from 6"),
        ({"activation_function": "torch.nn.Tanh"}, {"weights": torch.zeros(3, 6)}, "a linear layer from 6"),
    ],
)
def test_dense_layers_that_will_not_do(tmp_path, config, weights, told):
    made = folder(tmp_path, ("Transformer", "Pooling", "Dense"), MEAN)
    (made / "2_Dense/config.json").write_text(json.dumps(config))
    if weights:
        save_file(weights, made / "2_Dense/model.safetensors")
    with pytest.raises(UserError, match=told):
        read_head(made, WIDTH)


@pytest.mark.parametrize("text", ["{", "[1]", '{"max_seq_length": "long"}', '{"max_seq_length": 1}'])
def test_a_length_that_is_none(tmp_path, text):
    made = folder(tmp_path, pooling=MEAN)
    (made / "sentence_bert_config.json").write_text(text)
    with pytest.raises(UserError, match=r"sentence_bert_config\.json"):
        read_head(made, WIDTH)
