import json

import pytest
import torch
from finetune.conftest import SHAPE
from safetensors.torch import load_file, save_file
from transformers import AutoModelForTokenClassification, BertConfig, BertForMaskedLM, BertModel, pipeline

from minimoe.finetune.cell import finetune, summary
from minimoe.finetune.data import Batches, encode, read_examples
from minimoe.finetune.loop import FinetuneRun, load_model, predict
from minimoe.finetune.metrics import scores
from minimoe.models.config import MiniMoEConfig
from minimoe.models.initialise import new_student
from minimoe.models.save import save
from minimoe.resume.checkpoints import Checkpoints
from minimoe.system.errors import UserError
from minimoe.tasks.table import TASKS


class Tracker:
    kill_at = None  # a rate and seed, as in the names of metrics

    def __init__(self):
        self.seen = {}

    def metrics(self, values, step=0):
        for key, value in values.items():
            self.seen.setdefault(key, {})[step] = value
            if self.kill_at and key.startswith(self.kill_at):
                raise KeyboardInterrupt


SETTINGS = {
    "learning_rates": [1e-2],
    "seeds": [1],
    "max_length": 16,
    "max_train": 0,
    "threads": 1,
    "epochs": 4,
    "patience": 4,
    "batch": 8,
    "warmup": 0.1,
    "weight_decay": 0.01,
    "device": "cpu",
    "log_every": 2,
}


def run(model, data, tmp_path, task, out="out", tracker=None, **changes):
    settings = SETTINGS | changes
    places = tmp_path / out, tmp_path / f"{out}.parquet"
    return finetune("base/tiny", model, TASKS[task], data / task, *places, tracker=tracker or Tracker(), **settings)


@pytest.mark.slow
@pytest.mark.parametrize("task", ["sst2", "stsb", "mnli", "conll2003"])
def test_every_kind_of_task_is_learned(model, data, tmp_path, task):
    tracker = Tracker()
    cell = run(model, data, tmp_path, task, tracker=tracker, epochs=16, patience=16, learning_rates=[5e-3])
    assert json.loads(json.dumps(cell)) == cell
    assert (cell["model"], cell["task"], cell["learning_rate"]) == ("base/tiny", task, 5e-3)
    assert list(cell["results"]) == list(TASKS[task].results)
    result = cell["results"][task]
    assert result["metric"] == TASKS[task].metrics[0]
    assert result["mean"] > 90 > result["majority"]
    assert (result["std"], result["runs"]) == (0.0, 1)
    (only,) = cell["runs"]
    assert only["scores"][task][result["metric"]] == result["mean"]
    assert tracker.seen[task] == {0: result["mean"]}
    assert tracker.seen[f"dev_{result['metric']}"]
    assert tracker.seen["train_loss"]


@pytest.mark.slow
def test_bf16_learns_too_in_other_bits_and_fp32_is_the_default(model, data, tmp_path):
    same = {"epochs": 8, "patience": 8, "learning_rates": [5e-3]}
    made = {name: run(model, data, tmp_path, "sst2", name, **same, precision=name) for name in ("fp32", "bf16")}
    made["default"] = run(model, data, tmp_path, "sst2", "default", **same)
    assert made["bf16"]["results"]["sst2"]["mean"] > 90
    weights = {name: (tmp_path / name / "model.safetensors").read_bytes() for name in made}
    assert weights["default"] == weights["fp32"] != weights["bf16"]


@pytest.mark.slow
def test_mnli_scores_both_sets(model, data, tmp_path):
    cell = run(model, data, tmp_path, "mnli", epochs=16, patience=16, learning_rates=[5e-3])
    assert cell["results"]["mnli"]["mean"] == 100
    assert cell["results"]["mnli-mm"]["mean"] < 50  # its labels are others


@pytest.mark.slow
def test_the_saved_model_works_on_its_own(model, data, tmp_path):
    run(model, data, tmp_path, "sst2")
    classify = pipeline("text-classification", model=str(tmp_path / "out"))
    assert [answer["label"] for answer in classify(["the good film", "the bad play"])] == ["positive", "negative"]
    run(model, data, tmp_path, "conll2003")
    tag = pipeline("token-classification", model=str(tmp_path / "out"), aggregation_strategy="simple")
    found = [tag(sentence) for sentence in ("ann sees a", "rome sees a")]
    assert [(e["word"], e["entity_group"]) for es in found for e in es] == [("ann", "PER"), ("rome", "LOC")]


@pytest.mark.slow
def test_the_saved_model_has_the_reported_score(model, data, tmp_path, tokenizer):
    cell = run(model, data, tmp_path, "conll2003", epochs=2, learning_rates=[2e-3, 4e-3], seeds=[1, 2])
    task = TASKS["conll2003"]
    saved = AutoModelForTokenClassification.from_pretrained(tmp_path / "out")
    dev = encode(read_examples(data / "conll2003" / "dev.jsonl", task), task, tokenizer, 16)
    score = scores(task.metrics, dev.gold, predict(saved, Batches(dev, task, tokenizer, "cpu"), task))["chunk_f1"]
    chosen = [r for r in cell["runs"] if r["learning_rate"] == cell["learning_rate"]]
    assert score == max(r["scores"]["conll2003"]["chunk_f1"] for r in chosen)


@pytest.mark.slow
def test_the_seed_decides_and_nothing_else(model, data, tmp_path):
    torch.manual_seed(5)
    first = run(model, data, tmp_path, "mnli", "a", epochs=1)
    torch.manual_seed(6)
    second = run(model, data, tmp_path, "mnli", "b", epochs=1)
    grid = run(model, data, tmp_path, "mnli", "c", epochs=1, seeds=[2, 1])
    assert first == second
    assert grid["runs"][1] == first["runs"][0]
    a, b = (load_file(tmp_path / name / "model.safetensors") for name in "ab")
    assert all(torch.equal(a[key], b[key]) for key in a)
    other = load_model(model, TASKS["mnli"], 2).classifier.weight
    assert not torch.equal(load_model(model, TASKS["mnli"], 1).classifier.weight, other)


@pytest.mark.parametrize("experts", [1, 2])
def test_the_whole_head_of_a_student_is_drawn_from_the_runs_seed(model, experts):
    """Distillation trains no pooler, so none is saved: one would be the same in every run."""
    config = MiniMoEConfig(**SHAPE, ffn_experts=[experts])
    save(new_student(config, seed=0), model)
    first, again, other = (load_model(model, TASKS["sst2"], seed).state_dict() for seed in (1, 1, 2))
    head = {"bert.pooler.dense.weight", "classifier.weight"}
    assert {name for name in first if not torch.equal(first[name], other[name])} == head
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_a_pooler_that_was_trained_stays(model):
    encoder = BertModel(BertConfig(**SHAPE))
    encoder.save_pretrained(model)
    for seed in (1, 2):
        pooler = load_model(model, TASKS["sst2"], seed).bert.pooler.dense
        assert torch.equal(pooler.weight, encoder.pooler.dense.weight)


@pytest.mark.slow
@pytest.mark.parametrize("kill_at", ["lr0.001-seed1/", "lr0.01-seed1/", "lr0.01-seed2/"])
def test_runs_that_are_done_are_not_done_again(model, data, tmp_path, kill_at):
    grid = {"learning_rates": [1e-3, 1e-2], "seeds": [1, 2], "epochs": 2}
    expected = run(model, data, tmp_path, "mnli", "whole", **grid)
    killed, tracker = Tracker(), Tracker()
    killed.kill_at = kill_at
    with pytest.raises(KeyboardInterrupt):
        run(model, data, tmp_path, "mnli", tracker=killed, checkpoints=Checkpoints(tmp_path / "work"), **grid)
    cell = run(model, data, tmp_path, "mnli", tracker=tracker, checkpoints=Checkpoints(tmp_path / "work"), **grid)
    assert cell == expected
    for file in ("{}/model.safetensors", "{}.parquet"):
        a, b = ((tmp_path / file.format(name)).read_bytes() for name in ("whole", "out"))
        assert a == b
    begun = {key.split("/")[0] for key in killed.seen}
    again = {key.split("/")[0] for key in tracker.seen if "/" in key}
    assert begun & again == {kill_at[:-1]}


@pytest.mark.slow
def test_patience_and_the_best_epoch(model, data, tmp_path):
    tracker = Tracker()
    cell = run(model, data, tmp_path, "sst2", epochs=30, patience=2, tracker=tracker)
    measured = list(tracker.seen["dev_accuracy"].items())  # 8 steps an epoch
    best = max(measured, key=lambda item: item[1])  # the first of them
    assert best[1] == 100
    assert cell["runs"][0]["epoch"] == best[0] / 8
    assert measured[-1][0] == best[0] + 2 * 8


@pytest.mark.slow
def test_only_the_first_training_examples(model, data, tmp_path):
    tracker = Tracker()
    run(model, data, tmp_path, "sst2", max_train=20, epochs=2, tracker=tracker)
    assert list(tracker.seen["dev_accuracy"]) == [3, 6]


@pytest.mark.slow
def test_a_teacher_with_another_head(model, data, tmp_path):
    BertForMaskedLM(BertConfig.from_pretrained(model)).save_pretrained(model)
    assert run(model, data, tmp_path, "sst2")["results"]["sst2"]["mean"] > 90


def test_bert_heads_are_those_of_the_method(model):
    classifier = load_model(model, TASKS["sst2"], 1)
    assert classifier.bert.pooler.dense.weight.shape == (32, 32)
    assert (classifier.dropout.p, classifier.classifier.weight.shape) == (0.1, (2, 32))
    tagger = load_model(model, TASKS["conll2003"], 1)
    assert (tagger.dropout.p, tagger.classifier.weight.shape) == (0.1, (9, 32))
    assert load_model(model, TASKS["stsb"], 1).classifier.weight.shape == (1, 32)


def test_missing_weights_are_not_drawn_at_random(model):
    path = model / "model.safetensors"
    weights = {key: value for key, value in load_file(path).items() if "word_embeddings" not in key}
    save_file(weights, path, metadata={"format": "pt"})
    with pytest.raises(UserError, match="1 weights of the encoder are missing"):
        load_model(model, TASKS["sst2"], 1)


def test_a_model_without_a_tokenizer(model, data, tmp_path):
    (model / "tokenizer.json").unlink()
    with pytest.raises(UserError, match=r"model: holds no tokenizer\.json"):
        run(model, data, tmp_path, "sst2")


def test_a_length_beyond_the_models(model, data, tmp_path):
    with pytest.raises(UserError, match=r"finetune\.max_length: expected at most 32"):
        run(model, data, tmp_path, "sst2", max_length=64)


def test_a_diverging_run_is_one_line_and_leaves_nothing(model, data, tmp_path):
    with pytest.raises(UserError, match="lower its learning rate"):
        run(model, data, tmp_path, "stsb", learning_rates=[1e30])
    assert not (tmp_path / "out").exists()


def test_the_rate_with_the_best_mean_is_chosen():
    gold = {"dev": [0, 0, 1, 1]}
    values = {1e-3: [50.0, 80.0], 1e-4: [70.0, 72.0]}
    runs = [
        FinetuneRun(seed, rate, 1.0, score, {}, {"rte": {"accuracy": score}})
        for rate, row in values.items()
        for seed, score in enumerate(row)
    ]
    cell = summary("m", TASKS["rte"], runs, gold)
    assert cell["learning_rate"] == 1e-4
    assert cell["results"]["rte"] == {"metric": "accuracy", "mean": 71.0, "std": 1.4142, "runs": 2, "majority": 50.0}
    assert len(cell["runs"]) == 4
