"""Similarity without training: embeddings and cosines against a direct computation, in every kind of model."""

import csv
import json
from itertools import combinations

import backbones
import pytest
import torch
from finetune.conftest import pairs
from models.kinds import KINDS, student
from scipy.stats import spearmanr
from transformers import AutoModel, AutoTokenizer

from minimoe.finetune.similarity import embed, score_similarity
from minimoe.models.save import save
from minimoe.models.sentence import SentenceHead, write_head
from minimoe.system.errors import UserError
from minimoe.tasks.table import TASKS
from minimoe.tracking import NoTracker

TASK = TASKS["stsb_cosine"]
TEXTS = ["ann eats", "the film ann sees a good bad play", "paris", "bob sees the film the film a film", "a play"]
SETTINGS = {"max_length": 16, "threads": 1, "precision": "fp32", "device": "cpu", "tracker": NoTracker()}


@pytest.fixture
def model(model):
    """One whose embeddings are not all alike."""
    encoder = AutoModel.from_pretrained(model)
    with torch.no_grad():
        for weight in encoder.parameters():
            weight.mul_(20 if weight.dim() > 1 else 1)
    encoder.save_pretrained(model)
    return model


@pytest.fixture
def examples(tmp_path):
    made = [
        {"text": first, "pair": second, "label": float(number % 6)}
        for number, (first, second) in enumerate(combinations(TEXTS, 2))  # no two of one cosine, whose ranks tie
    ]
    (tmp_path / "sts").mkdir()
    (tmp_path / "sts/dev.jsonl").write_text("".join(json.dumps(example) + "\n" for example in made))
    return made


def one_by_one(folder, text, max_length=16):
    """The mean over the tokens of a text that is alone in its batch."""
    encoder, tokenizer = AutoModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    with torch.no_grad():
        batch = tokenizer(text, truncation=True, max_length=max_length, return_tensors="pt")
        return encoder(**batch).last_hidden_state[0].mean(0)


def test_a_score_is_the_rank_correlation_of_cosines(model, examples, tmp_path):
    cell = score_similarity(
        "base/tiny", model, TASK, tmp_path / "sts", tmp_path / "out", tmp_path / "predictions", **SETTINGS
    )
    cosines = [
        torch.cosine_similarity(one_by_one(model, one["text"]), one_by_one(model, one["pair"]), dim=0).item()
        for one in examples
    ]
    wanted = 100 * spearmanr([one["label"] for one in examples], cosines).statistic
    result = {"metric": "spearman", "mean": pytest.approx(wanted, abs=1e-3), "std": 0.0, "runs": 1, "majority": 0.0}
    assert cell == {"model": "base/tiny", "task": "stsb_cosine", "results": {"stsb_cosine": result}}
    with (tmp_path / "out/dev.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["cosine"]) for row in rows] == pytest.approx(cosines, abs=1e-5)
    assert [float(row["score"]) for row in rows] == [one["label"] for one in examples]


def test_the_folder_says_how_states_are_pooled_and_how_long_a_text_is(model, examples, tmp_path):
    def score():
        return score_similarity(
            "m", model, TASK, tmp_path / "sts", tmp_path / "out", tmp_path / "predictions", **SETTINGS
        )["results"]

    first = score()
    write_head(SentenceHead(32, ("cls",), length=4), model)
    assert score() != first
    with (tmp_path / "out/dev.csv").open() as file:
        cosines = [float(row["cosine"]) for row in csv.DictReader(file)]
    encoder, tokenizer = AutoModel.from_pretrained(model).eval(), AutoTokenizer.from_pretrained(model)

    def first_token(text):
        batch = tokenizer(text, truncation=True, max_length=4, return_tensors="pt")
        return encoder(**batch).last_hidden_state[0, 0].detach()

    found = [[first_token(one[key]) for one in examples] for key in ("text", "pair")]
    wanted = torch.cosine_similarity(*map(torch.stack, found))
    assert cosines == pytest.approx(wanted.tolist(), abs=1e-5)
    assert wanted.min() < 0.9


def test_texts_of_other_lengths_in_a_batch_change_nothing(model):
    encoder, tokenizer = AutoModel.from_pretrained(model).eval(), AutoTokenizer.from_pretrained(model)
    made = embed(encoder, SentenceHead(32), tokenizer, TEXTS, 16)
    torch.testing.assert_close(made, torch.stack([one_by_one(model, text) for text in TEXTS]))


ROWS = [*(f"teacher {kind}" for kind in backbones.CONFIGS), *(f"student {kind}" for kind in KINDS)]
TEXT = "the good film a bad play ann eats bob sees a paris rome the film\n" * 2


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS)
def test_every_kind_of_model(row, examples, tmp_path):
    who, kind = row.split(" ", 1)
    if who == "teacher":
        backbones.save(kind, tmp_path / "model", TEXT, initializer_range=0.05)
    else:
        save(student(kind), tmp_path / "model")
        backbones.make_tokenizer("roberta" if "roberta" in kind else "bert", TEXT).save_pretrained(tmp_path / "model")
    cell = score_similarity(
        row, tmp_path / "model", TASK, tmp_path / "sts", tmp_path / "out", tmp_path / "predictions", **SETTINGS
    )
    assert -100 <= cell["results"]["stsb_cosine"]["mean"] <= 100
    assert len((tmp_path / "out/dev.csv").read_text().splitlines()) == len(examples) + 1


def test_weights_that_are_no_numbers(model, examples, tmp_path):
    broken = AutoModel.from_pretrained(model)
    with torch.no_grad():
        broken.encoder.layer[0].output.LayerNorm.bias.fill_(torch.nan)
    broken.save_pretrained(model)
    with pytest.raises(UserError, match="its embeddings have NaN"):
        score_similarity("m", model, TASK, tmp_path / "sts", tmp_path / "out", tmp_path / "predictions", **SETTINGS)
    assert not (tmp_path / "out").exists()


def test_a_label_out_of_bounds(model, tmp_path):
    (tmp_path / "sts").mkdir()
    lines = [json.dumps(example | {"label": 6.0}) for example in pairs(2, [1.0])]
    (tmp_path / "sts/dev.jsonl").write_text("\n".join(lines))
    with pytest.raises(UserError, match=r"dev\.jsonl:1: expected an example of stsb_cosine"):
        score_similarity("m", model, TASK, tmp_path / "sts", tmp_path / "out", tmp_path / "predictions", **SETTINGS)
