"""Teachers made here, sparsified or not, and settings that do not fit them: bad input of distill and sparsify."""

from pathlib import Path

import torch
from bad.harm import Case, Harm, cut, drop, json_of, params, write
from bad.models import CONFIG, TOKENIZER, WEIGHTS, unusable, weights
from bad.world import DENSE
from safetensors.torch import save_file
from transformers import GPT2Config, GPT2Model

TEACHER, SPARSE = "models/teacher", "models/sparsified/teacher"


def decoder(root: Path) -> None:
    GPT2Model(GPT2Config(vocab_size=99, n_embd=8, n_layer=1, n_head=1)).save_pretrained(root / TEACHER)


def round_(**more: object) -> Harm:
    """A round base that says more."""
    return params(
        {
            "rounds": {"base": {"teacher": "models/teacher", "students": {"small": DENSE}, **more}},
            "table.models": ["teacher"],
            "export.models": [],
        }
    )


def sparse(sparsity: int) -> Harm:
    return params({"rounds.sparse.students": {"half": {"sparsity": sparsity}}})


CASES = {
    # a round
    **unusable("distill, a teacher", "distill base", TEACHER),
    "a teacher whose weights are too large": Case(
        "distill base",
        weights(TEACHER, lambda w: [w[key].fill_(1e38) for key in w if "dense" in key]),
        "before the first step",
        "expected a teacher whose weights and config give finite numbers",
    ),
    "a teacher of an impossible norm": Case(
        "distill base", json_of(f"{TEACHER}/{CONFIG}", {"layer_norm_eps": -1.0}), "layer_norm_eps", "expected a small"
    ),
    "a teacher without its tokenizer": Case(
        "distill base", drop(f"{TEACHER}/{TOKENIZER}"), TEACHER, "run the stage that makes it"
    ),
    "an unknown round": Case("distill nobody", params({}), "nobody", "expected one of"),
    "a round that is a path": Case("distill ../base", params({}), "../base", "expected one of"),
    "no round": Case("distill", params({}), "rounds", "expected one of"),
    "a layer that the teacher has not": Case("distill base", round_(teacher_layer=3), "teacher_layer", "1 to 2"),
    "relation heads that do not divide": Case("distill base", round_(relation_heads=5), "relation_heads", "expected"),
    "other heads under tinybert": Case(
        "distill base",
        round_(objective="tinybert", students={"small": DENSE | {"heads": 3}}),
        "heads",
        "expected students",
    ),
    "once-for-all under tinybert": Case(
        "distill base",
        round_(objective="tinybert", once_for_all={"layers": [1], "hidden": [24]}),
        "objective",
        "expected minilm",
    ),
    "no sparsified teacher": Case("distill sparse", drop(f"{SPARSE}/importance.safetensors"), SPARSE, "run dvc repro"),
    "importances truncated": Case("distill sparse", cut(f"{SPARSE}/importance.safetensors"), SPARSE, "run dvc repro"),
    "importances of other names": Case(
        "distill sparse",
        lambda root: save_file({"x": torch.ones(2)}, root / f"{SPARSE}/importance.safetensors"),
        SPARSE,
        "dvc repro",
    ),
    "a sparsity map that is no JSON": Case(
        "distill sparse", cut(f"{SPARSE}/sparsity_map.json", 3), SPARSE, "run dvc repro"
    ),
    "a sparsity map that is a list": Case(
        "distill sparse", write(f"{SPARSE}/sparsity_map.json", "[1]"), SPARSE, "run dvc repro"
    ),
    "a sparsity map of words": Case(
        "distill sparse", write(f"{SPARSE}/sparsity_map.json", '{"much": {}}'), SPARSE, "run dvc repro"
    ),
    "the reordered weights truncated": Case(
        "distill sparse", cut(f"{SPARSE}/reordered/{WEIGHTS}"), SPARSE, "run dvc repro"
    ),
    "a sparsity that leaves nothing": Case("distill sparse", sparse(99), "sparsity 99", "choose a lower one"),
    # sparsify
    "sparsify: no teacher": Case("sparsify teacher", drop(TEACHER), TEACHER, "run the stage that makes it"),
    "sparsify: an unknown teacher": Case("sparsify nobody", params({}), "nobody", "expected one of"),
    "sparsify: a path": Case("sparsify ../given/teacher", params({}), "../given/teacher", "expected one of"),
    "sparsify: weights truncated": Case(
        "sparsify teacher", cut(f"{TEACHER}/{WEIGHTS}"), TEACHER, "run the stage that makes it"
    ),
    "sparsify: no head": Case(
        "sparsify teacher",
        weights(TEACHER, lambda w: w.pop("cls.predictions.transform.dense.bias")),
        TEACHER,
        "criterion: states",
    ),
    "sparsify: no tokenizer": Case(
        "sparsify teacher", drop(f"{TEACHER}/{TOKENIZER}"), TEACHER, "run the stage that makes it"
    ),
    "a decoder": Case("distill base", decoder, "teacher", "expected an encoder of one of the kinds"),
    # how the work is done
    "no GPU": Case("distill base", params({"runtime.device": "cuda"}), "runtime.device", "expected"),
    "a launcher that is not there": Case(
        "distill base", params({"runtime.launcher": "no-such-program"}), "runtime.launcher", "install it"
    ),
}
