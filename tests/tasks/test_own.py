"""Tasks of one's own: the same examples from every kind of file, labels found in the training file, and bad files."""

import json

import pytest

from minimoe.params.own_tasks import OwnTask
from minimoe.system.errors import UserError
from minimoe.tasks.prepare import prepare_tasks
from minimoe.tasks.readers import read_conll, read_tsv
from minimoe.tasks.table import TASKS
from minimoe.tasks.task import from_settings, to_settings, whole, with_labels


def task(path, ending="csv", **values):
    """A row of params.yaml, as the stage tasks gets it."""
    given = {"kind": "classification", "text": "subject", "label": "team"} | values
    files = {"train": f"train.{ending}", "dev": f"dev.{ending}"}
    given = {key: value for key, value in ({"path": str(path)} | files | given).items() if value is not None}
    return from_settings(json.loads(json.dumps(whole(OwnTask.model_validate(given).row("tickets")))))


@pytest.fixture
def prepare(tmp_path):
    """Writes files and prepares the task; returns its examples by split, and its labels."""

    def prepare(train, dev=None, /, ending="csv", test=None, **values):
        contents = {"train": train, "dev": train if dev is None else dev, "test": test}
        for split, content in contents.items():
            if content is not None:
                content = content if isinstance(content, bytes) else content.encode()
                (tmp_path / f"{split}.{ending}").write_bytes(content)
        row = task(tmp_path, ending, **values, **({"test": f"test.{ending}"} if test else {}))
        prepare_tasks(["tickets"], {}, {}, tmp_path / "out", {"tickets": row})
        folder = tmp_path / "out/tickets"
        made = {path.stem: [json.loads(line) for line in path.open()] for path in folder.glob("*.jsonl")}
        return made, with_labels(row, folder).labels

    return prepare


ROWS = [("no power, at all", "hardware"), ('a "blue" screen', "software"), ("é\u2028x", "hardware")]
CSV = '\ufeffteam,id,subject\r\nhardware,1,"no power, at all"\r\n\r\n'
CSV += 'software,2,"a ""blue"" screen"\r\nhardware,3,é\u2028x\r\n'
TSV = 'team\tid\tsubject\nhardware\t1\tno power, at all\nsoftware\t2\ta "blue" screen\nhardware\t3\té\u2028x\n'
JSONL = "".join(json.dumps({"id": 1, "subject": text, "team": team}) + "\n" for text, team in ROWS)


@pytest.mark.parametrize(("ending", "content"), [("csv", CSV), ("tsv", TSV), ("jsonl", JSONL)])
def test_the_same_examples_from_every_kind_of_file(prepare, ending, content):
    made, labels = prepare(content, ending=ending, test=content)
    assert labels == ("hardware", "software")
    expected = [{"text": text, "pair": None, "label": labels.index(team)} for text, team in ROWS]
    assert made == dict.fromkeys(("train", "dev", "test"), expected)


def test_a_text_over_lines_is_one_cell(prepare):
    made, _ = prepare('subject,team\n"one\ntwo, and\r\nthree",a\nx,b\n')
    assert [example["text"] for example in made["dev"]] == ["one\ntwo, and\r\nthree", "x"]


def test_pairs_and_labels_in_the_order_that_is_said(prepare):
    values = {"pair": "body", "labels": ["yes", "no", "maybe"]}
    made, labels = prepare("subject,team,body\na,no,b\nc,yes,\n", **values)
    assert labels == ("yes", "no", "maybe")
    assert made["dev"] == [{"text": "a", "pair": "b", "label": 1}, {"text": "c", "pair": "", "label": 0}]


@pytest.mark.parametrize("value", ["1", 1])
def test_labels_that_are_numbers_or_true_and_false(prepare, value):
    rows = [{"subject": "a", "team": value}, {"subject": "b", "team": True}, {"subject": "c", "team": "true"}]
    made, labels = prepare("\n".join(map(json.dumps, rows)), ending="jsonl")
    assert labels == ("1", "true") and [example["label"] for example in made["dev"]] == [0, 1, 1]


def test_regression(prepare):
    made, labels = prepare("subject,team\na,0\nb, 2.5e0\nc,5\n", kind="regression", bounds=[0, 5])
    assert labels == () and [example["label"] for example in made["train"]] == [0.0, 2.5, 5.0]


def test_similarity_has_no_training_set(prepare):
    values = {"kind": "similarity", "pair": "body", "bounds": [-1, 1], "train": None}
    made, _ = prepare("subject,body,team\na,b,-0.5\n", **values)
    assert made == {"dev": [{"text": "a", "pair": "b", "label": -0.5}]}


@pytest.mark.parametrize(
    ("ending", "content", "values"),
    [
        ("csv", 'subject,team\na,"x, y"\nb,\nc,"y,y"\n', {}),
        ("tsv", "subject\tteam\na\ty|x\nb\t\nc\ty\n", {"separator": "|"}),
        (
            "jsonl",
            '{"subject": "a", "team": ["y", "x"]}\n{"subject": "b", "team": []}\n{"subject": "c", "team": "y"}',
            {},
        ),
    ],
)
def test_several_labels(prepare, ending, content, values):
    made, labels = prepare(content, ending=ending, kind="multilabel", **values)
    assert labels == ("x", "y") and [example["label"] for example in made["train"]] == [[0, 1], [], [1]]


CONLL = "-DOCSTART- -X- O\n\nAnn NNP I-PER\nLee NNP I-PER\nsang VB O\n\nRome NNP I-LOC\n"
TAGS = [["B-PER", "I-PER", "O"], ["B-LOC"]]


@pytest.mark.parametrize(
    ("ending", "content", "names"),
    [
        ("conll", CONLL, {"text": None, "label": None}),
        ("csv", "words,tags\nAnn  Lee sang,I-PER I-PER O\nRome,I-LOC\n", {"text": "words", "label": "tags"}),
        (
            "jsonl",
            '{"words": ["Ann", "Lee", "sang"], "tags": ["B-PER", "I-PER", "O"]}\n'
            '{"words": ["Rome"], "tags": ["I-LOC"]}',
            {"text": "words", "label": "tags"},
        ),
    ],
)
def test_tagging_in_every_form(prepare, ending, content, names):
    made, labels = prepare(content, ending=ending, kind="tagging", **names)
    assert labels == ("B-LOC", "B-PER", "I-LOC", "I-PER", "O")  # both places of each entity, whichever occur
    words = [["Ann", "Lee", "sang"], ["Rome"]]
    assert made["dev"] == [{"words": w, "tags": t} for w, t in zip(words, TAGS, strict=True)]


def test_tags_that_are_no_entities_stay_as_they_are(prepare):
    made, labels = prepare("w,t\na b,NN I-X\n", kind="tagging", text="w", label="t", metrics=["tag_accuracy"])
    assert labels == ("I-X", "NN")
    assert made["dev"] == [{"words": ["a", "b"], "tags": ["NN", "I-X"]}]


def test_the_same_examples_as_of_a_task_of_the_table(prepare, tmp_path):
    official = tmp_path / "official"
    official.write_text('sentence\tlabel\nbad "film", and long\t0\ngood film\t1\n')
    made, labels = prepare(official.read_text(), ending="tsv", text="sentence", label="label")
    assert labels == ("0", "1") and made["dev"] == list(read_tsv(official, TASKS["sst2"]))
    official.write_text(CONLL)
    given = {"kind": "tagging", "text": None, "label": None, "labels": list(TASKS["conll2003"].labels)}
    made, labels = prepare(CONLL, ending="conll", **given)
    assert labels == TASKS["conll2003"].labels and made["dev"] == list(read_conll(official, TASKS["conll2003"]))


def test_what_finetuning_reads_of_it(tmp_path):
    row = task(tmp_path, pair="body", metrics=["macro_f1", "accuracy"], test="test.csv")
    read = from_settings(json.loads(json.dumps(to_settings(row))))
    assert read.columns == ("subject", "body", "team") and read.metrics == ("macro_f1", "accuracy")
    assert read.results == {"tickets": "dev", "tickets-test": "test"}
    assert row.folder not in json.dumps(to_settings(row))


GOOD = "subject,team\na,x\nb,y\n"
BAD = {  # content of train and dev, values, the line
    "no column": (GOOD, "subject,group\na,x\n", {}, r"dev\.csv:1: no column 'team', .* it has subject, group"),
    "a column twice": ("subject,team,team\na,x,y\n", GOOD, {}, r"train\.csv:1: several columns 'team'"),
    "another separator": ("subject;team\na;x\n", GOOD, {}, r"train\.csv:1: no column 'subject', .*it has subject;team"),
    "nothing": ("", GOOD, {}, r"train\.csv:1: no column 'subject', .* it has none"),
    "a header alone": (GOOD, "subject,team\n", {}, r"dev\.csv: expected examples, found none"),
    "a label unknown": (GOOD, "subject,team\na,x\n\nb,z\n", {}, r"dev\.csv:4: expected a team .* x, y; got 'z'"),
    "a label of another case": (GOOD, "subject,team\na,X\n", {}, r"dev\.csv:2: expected a team .* got 'X'"),
    "a label not said": (GOOD, GOOD, {"labels": ["x", "z"]}, r"train\.csv:3: expected a team .* x, z; got 'y'"),
    "no label": (GOOD, "subject,team\na,\n", {}, r"dev\.csv:2: expected a label under 'team'"),
    "one label": ("subject,team\na,x\n", GOOD, {}, r"train\.csv: expected at least 2 labels .*, got x$"),
    "no text": (GOOD, "subject,team\n ,x\n", {}, r"dev\.csv:2: expected text, found none"),
    "a comma too many": (GOOD, "subject,team\na, b,x\n", {}, r"dev\.csv:2: expected 2 cells, got 3; .*quoted"),
    "a cell too few": (GOOD, "subject,team\na\n", {}, r"dev\.csv:2: expected 2 cells, got 1"),
    "a quote without end": (GOOD, 'subject,team\n"a,x\nb,y\n', {}, r"dev\.csv:3: wrong quoting .*unexpected end"),
    "a quote within": (GOOD, 'subject,team\n"a" b,x\n', {}, r"dev\.csv:2: wrong quoting .* written twice"),
    "not UTF-8": (GOOD, b"subject,team\ncaf\xe9,x\n", {}, r"dev\.csv: expected UTF-8"),
    "UTF-16": (GOOD.encode("utf-16"), GOOD, {}, r"train\.csv: expected UTF-8"),
    "out of range": (
        "subject,team\na,1\n", "subject,team\na,6\n", {"kind": "regression", "bounds": [0, 5]},
        r"dev\.csv:2: expected a team from 0 to 5, own_tasks\.tickets\.bounds; got '6'",
    ),
    "no number": (
        "subject,team\na,nan\n", GOOD, {"kind": "regression", "bounds": [0, 5]}, r"train\.csv:2: expected a team from",
    ),
    "f1 of three labels": (
        GOOD + "c,z\n", GOOD, {"metrics": ["f1"]}, r"own_tasks\.tickets\.metrics: expected macro_f1, .* x, y, z",
    ),
    "tags and words": (
        "subject,team\na b,x y\n", "subject,team\na b,x\n", {"kind": "tagging"},
        r"dev\.csv:2: expected a tag for each of 2 words, got 1",
    ),
    "no words": (
        "subject,team\na b,x y\n", "subject,team\n ,\n", {"kind": "tagging"}, r"dev\.csv:2: expected a list of words",
    ),
}  # fmt: skip
BAD_LINES = {
    "no key": ('{"subject": "a"}', r"dev\.jsonl:1: no key 'team', .* it has subject"),
    "no object": ("[1]", r"dev\.jsonl:1: no key 'subject', .* it has none"),
    "no JSON": ('{"subject"', r"dev\.jsonl:1: expected a JSON object"),
    "no text": ('{"subject": 3, "team": "x"}', r"dev\.jsonl:1: expected text under 'subject', got 3"),
    "a label that is nothing": ('{"subject": "a", "team": null}', r"dev\.jsonl:1: expected a label under 'team'"),
    "a label that is a share": ('{"subject": "a", "team": 0.5}', r"dev\.jsonl:1: expected a label under 'team'"),
    "too deep": ("[" * 99_999, r"dev\.jsonl:1: expected a JSON object"),
    "half a surrogate pair": ('{"subject": "\\ud800", "team": "x"}', r"dev\.jsonl: example 1 holds half a surrogate"),
}


def refused(prepare, tmp_path, message, *arguments, **values):
    with pytest.raises(UserError, match=message) as error:
        prepare(*arguments, **values)
    assert "\n" not in str(error.value) and len(str(error.value)) < 600
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_one_line_that_names_it(prepare, tmp_path, case):
    train, dev, values, message = BAD[case]
    refused(prepare, tmp_path, message, train, dev, **values)


@pytest.mark.parametrize("case", BAD_LINES)
def test_a_bad_line_of_json_is_one_line_that_names_it(prepare, tmp_path, case):
    dev, message = BAD_LINES[case]
    refused(prepare, tmp_path, message, JSONL.replace("hardware", "x"), dev, ending="jsonl")


def test_a_missing_file_is_one_line(prepare, tmp_path):
    for split in ("dev", "train"):
        message = rf"{split}-.csv: no such file; expected a file of own_tasks\.tickets there"
        refused(prepare, tmp_path, message, GOOD, **{split: f"{split}-.csv"})


@pytest.mark.parametrize("ending", ["conll", "jsonl"])
def test_a_tag_that_would_begin_an_entity_is_a_label(prepare, tmp_path, ending):
    values = {"kind": "tagging", "text": "w", "label": "t", "labels": ["O", "I-PER"]}
    content = "Ann I-PER\n" if ending == "conll" else '{"w": ["Ann"], "t": ["I-PER"]}'
    refused(prepare, tmp_path, "expected a .* O, I-PER; got 'B-PER'", content, ending=ending, **values)
