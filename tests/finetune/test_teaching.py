"""A finetuned teacher's answers beside the labels."""

import json
import math
from itertools import pairwise

import pytest
import torch
from finetune.test_cell import SETTINGS, Tracker, run

from minimoe.finetune.cell import finetune
from minimoe.finetune.data import IGNORED, UNLABELLED, Batches, encode, read_examples
from minimoe.finetune.loop import all_logits, load_finetuned
from minimoe.finetune.teaching import Teaching, loss, sentences, unlabelled
from minimoe.system.errors import UserError
from minimoe.tasks.table import TASKS
from minimoe.tasks.task import Task

LINES = ("ann sees a film", "bob eats", "", "the play", "rome sees bob , ann", "paris", "")
TEXT = "".join(f"{line} {number}\n" if line else "\n" for number in range(10) for line in LINES)


@pytest.fixture
def texts(tmp_path):
    folder = tmp_path / "formatted"
    folder.mkdir()
    (folder / "00000.txt").write_text(TEXT)
    (folder / "00001.txt").write_text("a bad film\na good play\n\n")
    return folder


def drawn(*shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(len(shape)))


def by_hand(logits, label, taught, temperature, weight):
    """Of one example of a classification."""
    student, teacher = ((x / temperature).softmax(-1) for x in (logits, taught))
    soft = temperature**2 * sum(t * math.log(t / s) for t, s in zip(teacher.tolist(), student.tolist(), strict=True))
    hard = 0.0 if label == UNLABELLED else -math.log(logits.softmax(-1)[label])
    return weight * soft + (1 - weight) * hard


@pytest.mark.parametrize(("temperature", "weight"), [(1.0, 0.5), (3.0, 0.9), (2.0, 0.0), (2.0, 1.0)])
def test_the_loss_of_labels_is_the_one_of_the_paper(temperature, weight):
    logits, taught, labels = drawn(4, 3), 2 * drawn(4, 3) + 1, torch.tensor([0, 2, UNLABELLED, 1])
    rows = zip(logits, labels.tolist(), taught, strict=True)
    expected = sum(by_hand(*row, temperature, weight) for row in rows) / 4
    assert float(loss(logits, labels, taught, "classification", temperature, weight)) == pytest.approx(expected, 1e-5)


def test_the_loss_of_tags_counts_pieces_that_have_one():
    logits, taught = drawn(2, 3, 4), drawn(2, 3, 4).flip(0)
    labels = torch.tensor([[IGNORED, 2, IGNORED], [1, UNLABELLED, IGNORED]])
    places = [(0, 1), (1, 0), (1, 1)]
    expected = sum(by_hand(logits[at], int(labels[at]), taught[at], 2.0, 0.3) for at in places) / 3
    assert float(loss(logits, labels, taught, "tagging", 2.0, 0.3)) == pytest.approx(expected, 1e-5)


def test_the_loss_of_numbers_is_squared_differences():
    logits, taught, labels = drawn(3, 1), drawn(3, 1).flip(0), torch.tensor([1.0, float(UNLABELLED), 3.0])
    soft, hard = (logits - taught).square().squeeze(), (logits.squeeze() - labels).square() * torch.tensor([1, 0, 1])
    expected = (0.4 * soft + 0.6 * hard).mean()
    assert float(loss(logits, labels, taught, "regression", 2.0, 0.4)) == pytest.approx(float(expected), 1e-5)


def test_the_loss_of_several_labels_is_that_of_each_yes_or_no():
    logits, taught = drawn(2, 3), drawn(2, 3).flip(0)
    labels = torch.tensor([[1.0, 0.0, 1.0], [UNLABELLED] * 3])
    each = [
        [by_hand(torch.tensor([x, 0.0]), int(1 - y) if known else UNLABELLED, torch.tensor([t, 0.0]), 2.0, 0.4)
         for x, y, t in zip(*rows, strict=True)]
        for *rows, known in zip(logits.tolist(), labels.tolist(), taught.tolist(), [True, False], strict=True)
    ]  # fmt: skip
    found = float(loss(logits, labels, taught, "multilabel", 2.0, 0.4))
    assert found == pytest.approx(sum(map(sum, each)) / 6, 1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("task", ["sst2", "stsb", "mnli", "conll2003"])
def test_without_weight_a_teacher_changes_nothing(model, data, texts, tmp_path, task):
    expected = run(model, data, tmp_path, task, "teacher")
    teaching = Teaching(str(tmp_path / "teacher"), 2.0, 0.0, str(texts), 0)
    got = run(model, data, tmp_path, task, "student", teaching=teaching)
    assert got["runs"] == expected["runs"]


@pytest.mark.slow
@pytest.mark.parametrize("task", ["sst2", "stsb", "conll2003"])
def test_a_student_learns_from_its_teacher_alone(model, data, texts, tmp_path, task):
    """Its labels count for nothing, so what it knows it has from the teacher."""
    run(model, data, tmp_path, task, "teacher", epochs=16, patience=16, learning_rates=[5e-3])
    teaching = Teaching(str(tmp_path / "teacher"), 1.0, 1.0, str(texts), 2)
    cell = run(model, data, tmp_path, task, "student", teaching=teaching, epochs=16, patience=16, learning_rates=[5e-3])
    assert next(iter(cell["results"].values()))["mean"] > 95


@pytest.mark.slow
def test_logits_of_pieces_are_where_the_batches_look_for_them(model, data, tmp_path, tokenizer):
    task = TASKS["conll2003"]
    run(model, data, tmp_path, "conll2003", "teacher", epochs=1)
    examples = read_examples(data / "conll2003/train.jsonl", task)
    for number, example in enumerate(examples):
        example["words"] += ["a"] * (number % 4)
        example["tags"] += ["O"] * (number % 4)
    teacher = load_finetuned(tmp_path / "teacher", task).eval()
    batches = Batches(encode(examples, task, tokenizer, 16), task, tokenizer, "cpu")
    batches.taught = all_logits(teacher, batches)
    batch = batches([7, 2, 5])
    inputs = {key: batch[key] for key in ("input_ids", "attention_mask", "token_type_ids")}
    real = batch["attention_mask"].bool()
    with torch.no_grad():
        torch.testing.assert_close(batch["taught"][real], teacher(**inputs).logits[real])


def test_sentences_are_evenly_spaced_and_none_comes_twice(texts):
    everything = [*filter(None, TEXT.splitlines()), "a bad film", "a good play"]
    places = [everything.index(text) for text, _ in sentences(texts, 7)]
    assert places == sorted(set(places))
    assert max(b - a for a, b in pairwise(places)) < 11
    for first, second in sentences(texts, 7, pairs=True):
        assert everything[everything.index(first) + 1] == second


def test_too_many_sentences_are_refused(texts, tmp_path):
    with pytest.raises(UserError, match=r"taught.unlabelled: expected far fewer than .* has, .*; got 80"):
        sentences(texts, 80)
    (tmp_path / "nothing").mkdir()
    with pytest.raises(UserError, match="where 0 were found"):
        sentences(tmp_path / "nothing", 1)


@pytest.mark.parametrize("task", ["sst2", "mnli", "stsb", "conll2003"])
def test_sentences_without_labels_are_examples_of_any_task(texts, tokenizer, task):
    made = unlabelled(texts, 2, TASKS[task], tokenizer, 16)
    assert len(made) == 2
    for feature in made.features:
        labels = feature["labels"]
        assert UNLABELLED in labels if task == "conll2003" else labels == UNLABELLED
        assert (1 in feature["token_type_ids"]) == (task in ("mnli", "stsb"))


@pytest.mark.slow
def test_of_several_labels_at_once_a_teacher_knows_more(model, data, texts, tmp_path):
    task = Task(
        name="topics", kind="multilabel", columns=("text", "label"), labels=("film", "play"), metrics=("micro_f1",),
        splits=TASKS["sst2"].splits,
    )  # fmt: skip
    folder = tmp_path / "topics"
    folder.mkdir()
    for split, count in (("train", 48), ("dev", 12)):
        rows = [{"text": f"the {w} bob", "pair": None, "label": [n]} for n, w in enumerate(task.labels)] * (count // 2)
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = SETTINGS | {"epochs": 16, "patience": 16, "learning_rates": [5e-3]}
    tracker = Tracker()
    finetune("teacher", model, task, folder, tmp_path / "teacher", tmp_path / "a", tracker=tracker, **settings)
    teaching = Teaching(str(tmp_path / "teacher"), 1.0, 1.0, str(texts), 4)
    places = tmp_path / "s", tmp_path / "b"
    cell = finetune("s", model, task, folder, *places, tracker=tracker, teaching=teaching, **settings)
    assert cell["results"]["topics"]["mean"] > 95


@pytest.mark.slow
def test_the_teacher_answers_on_as_many_cores_as_the_student_trains_on(model, data, tmp_path, texts, monkeypatch):
    run(model, data, tmp_path, "sst2", "teacher", epochs=1)
    seen = []
    monkeypatch.setattr(
        "minimoe.finetune.cell.all_logits", lambda *given: (seen.append(torch.get_num_threads()), all_logits(*given))[1]
    )
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        run(model, data, tmp_path, "sst2", "s", teaching=Teaching(str(tmp_path / "teacher"), 2.0, 0.5, str(texts), 0))
    finally:
        torch.set_num_threads(before)
    assert seen == [1]


@pytest.mark.slow
def test_a_teacher_of_another_task_is_refused(model, data, tmp_path, texts):
    run(model, data, tmp_path, "mnli", "teacher", epochs=1)
    teaching = Teaching(str(tmp_path / "teacher"), 2.0, 0.5, str(texts), 0)
    with pytest.raises(UserError, match="expected a model finetuned on sst2, but it has 3 outputs"):
        run(model, data, tmp_path, "sst2", "student", teaching=teaching)
    teaching = teaching._replace(teacher=str(model))
    with pytest.raises(UserError, match=r"expected a model finetuned on sst2, but .* is missing"):
        run(model, data, tmp_path, "sst2", "student", teaching=teaching)


def test_precision_is_fp32_in_the_loss():
    """Logits of bf16 are taken to fp32 before any exponential."""
    logits = drawn(4, 3).bfloat16()
    assert loss(logits, torch.tensor([0, 1, 2, 0]), logits, "classification", 1.0, 0.5).dtype == torch.float32
