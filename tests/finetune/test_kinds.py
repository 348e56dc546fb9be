"""Every kind of encoder as a teacher's row of the table, and every kind of student, on a task of each kind."""

import json

import backbones
import pytest
from models.kinds import KINDS, student
from transformers import AutoTokenizer, pipeline

from minimoe.finetune.cell import finetune
from minimoe.finetune.tokenizer import load_tokenizer
from minimoe.models.save import save
from minimoe.params.own_tasks import OwnTask
from minimoe.system.errors import UserError
from minimoe.tasks.table import TASKS
from minimoe.tasks.task import with_labels
from minimoe.teacher.copy import copy_teacher
from minimoe.teacher.tokenizer import copy_tokenizer
from minimoe.tracking import NoTracker

TEXT = "the good film a bad play ann eats bob sees a paris rome the film\n" * 2
SETTINGS = {
    "learning_rates": [8e-3],
    "seeds": [1],
    "max_length": 16,
    "max_train": 0,
    "threads": 1,
    "epochs": 8,
    "patience": 8,
    "batch": 16,
    "warmup": 0.1,
    "weight_decay": 0.01,
    "device": "cpu",
    "log_every": 10,
}
TEACHERS = [kind for kind in backbones.CONFIGS if kind not in {"bert-24-layers", "electra"}]
ROWS = [*(f"teacher {kind}" for kind in TEACHERS), *(f"student {kind}" for kind in KINDS)]


@pytest.fixture
def folder(row, tmp_path):
    """The model folder of a row: its encoder, in the form that its stage saves it, with its tokenizer."""
    who, kind = row.split(" ", 1)
    if who == "teacher":
        published = backbones.save(kind, tmp_path / "published", TEXT, initializer_range=0.05)
        copy_tokenizer(str(published), tmp_path / "tokenizer")
        copy_teacher(str(published), tmp_path / "tokenizer", tmp_path / "model")
        return tmp_path / "model"
    save(student(kind), tmp_path / "model")
    tokenizer = backbones.make_tokenizer("roberta" if "roberta" in kind else "bert", TEXT)
    tokenizer.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS)
def test_classification(row, folder, data, tmp_path):
    assert scored(row, "sst2", folder, data, tmp_path / "out") > 90
    classify = pipeline("text-classification", model=str(tmp_path / "out"))
    assert [answer["label"] for answer in classify(["the good film", "the bad play"])] == ["positive", "negative"]


@pytest.mark.slow
@pytest.mark.parametrize("row", ["teacher bert", "student dense", "student dense-roberta"])
def test_several_labels_an_example(row, folder, tmp_path):
    """Of a task of the user's own: what each text says of four things."""
    words = {"good": 0, "bad": 1, "film": 2, "play": 3}
    texts = [f"the {first} {second}" for first in ("good", "bad", "a") for second in ("film", "play", "a")]
    examples = [
        {"text": text, "pair": None, "label": [words[word] for word in text.split() if word in words]} for text in texts
    ]
    for split, content in {"train": examples * 24, "dev": examples}.items():
        (tmp_path / f"{split}.jsonl").write_text("\n".join(map(json.dumps, content)))
    (tmp_path / "labels.json").write_text(json.dumps(list(words)))
    given = {"kind": "multilabel", "path": "x", "train": "a.csv", "dev": "b.csv", "text": "x", "label": "y"}
    task = with_labels(OwnTask.model_validate(given).row("own"), tmp_path)
    cell = finetune(
        row,
        folder,
        task,
        tmp_path,
        tmp_path / "out",
        tmp_path / "predictions.parquet",
        tracker=NoTracker(),
        **SETTINGS | {"epochs": 24, "patience": 24},
    )
    assert cell["results"]["own"]["metric"] == "micro_f1"
    assert cell["results"]["own"]["mean"] > 90 > cell["results"]["own"]["majority"]
    classify = pipeline("text-classification", model=str(tmp_path / "out"), top_k=None)
    (answers,) = classify(["the bad film"])
    assert {answer["label"] for answer in answers if answer["score"] > 0.5} == {"bad", "film"}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Tokenizer does not support real words")  # its spaces say where words begin
@pytest.mark.parametrize("row", ROWS)
def test_tagging(row, folder, data, tmp_path):
    assert scored(row, "conll2003", folder, data, tmp_path / "out") > 90
    tag = pipeline("token-classification", model=str(tmp_path / "out"), aggregation_strategy="first")
    assert [(entity["word"].strip(), entity["entity_group"]) for entity in tag("rome sees a")] == [("rome", "LOC")]


@pytest.mark.parametrize("row", [f"teacher {kind}" for kind in TEACHERS])
def test_words_of_tagging_are_as_within_a_text(row, folder):
    """Byte-level tokenizers know a word with a space before it as another one than without."""
    tokenizer = load_tokenizer(folder, TASKS["conll2003"], 16)
    words = tokenizer(["ann", "sees", "rome"], is_split_into_words=True)
    assert words.word_ids() == [None, 0, 1, 2, None]
    assert words["input_ids"] == tokenizer("ann sees rome")["input_ids"]
    whole = AutoTokenizer.from_pretrained(folder)
    assert words["input_ids"][-3:] == whole("ann sees rome")["input_ids"][-3:]


def scored(row, task, folder, data, out):
    """The score of the saved model, which is trained there."""
    cell = finetune(row, folder, TASKS[task], data / task, out, out / "predictions", tracker=NoTracker(), **SETTINGS)
    return cell["results"][task]["mean"]


@pytest.mark.parametrize("row", ["teacher roberta", "student dense", "student experts-roberta"])
def test_a_length_beyond_the_positions(row, folder, data, tmp_path):
    """Tokenizers may come without a longest length."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.model_max_length = 512
    tokenizer.save_pretrained(folder)
    longest = 22 if "experts" in row else 24
    load_tokenizer(folder, TASKS["sst2"], longest)
    with pytest.raises(UserError, match=rf"finetune\.max_length: expected at most {longest}, .* got {longest + 1}"):
        load_tokenizer(folder, TASKS["sst2"], longest + 1)
