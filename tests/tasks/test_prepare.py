"""Both sources give the same normal form; the hub's side reads parquet folders laid out as the hub's are."""

import json

import pytest

from minimoe.system.errors import UserError
from minimoe.tasks.prepare import prepare_tasks
from minimoe.tasks.table import ENTITIES

MNLI = "index\tsentence1\tsentence2\tgold_label\n"
FILES = {
    "glue/SST-2/train.tsv": "sentence\tlabel\ngood \t1\nbad \t0\n",
    "glue/SST-2/dev.tsv": "sentence\tlabel\nfine \t1\n",
    "glue/STS-B/train.tsv": "sentence1\tsentence2\tscore\na\tb\t3.8\n",
    "glue/STS-B/dev.tsv": "sentence1\tsentence2\tscore\na\tc\t0.000\n",
    "glue/MNLI/train.tsv": MNLI + "0\ta\tb\tneutral\n",
    "glue/MNLI/dev_matched.tsv": MNLI + "0\tc\td\tentailment\n",
    "glue/MNLI/dev_mismatched.tsv": MNLI + "0\te\tf\tcontradiction\n",
    "clue/csl/train.json": '{"id": 1, "abst": "甲乙。", "keyword": ["甲", "乙"], "label": "1"}\n',
    "clue/csl/dev.json": '{"id": 2, "abst": "丙丁。", "keyword": ["戊"], "label": "0"}\n',
    "clue/ocnli/train.50k.json": '{"sentence1": "甲", "sentence2": "乙", "label": "entailment"}\n',
    "clue/ocnli/dev.json": '{"sentence1": "丙", "sentence2": "丁", "label": "neutral"}\n',
    "conll2003/eng.train": "-DOCSTART- -X- O O\n\nEU NNP I-NP I-ORG\nrejects VBZ I-VP O\n\n",
    "conll2003/eng.testa": "Ann NNP I-NP I-PER\n\n",
    "conll2003/eng.testb": "Bob NNP I-NP I-PER\n\n",
}
TASKS = ["sst2", "stsb", "mnli", "conll2003", "csl", "ocnli"]


@pytest.fixture
def local(tmp_path):
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return {family: str(tmp_path / family) for family in ("glue", "conll2003", "clue")}


@pytest.fixture
def hub(tmp_path):
    """Folders like the hub's repositories: <configuration>/<split>-….parquet."""
    datasets = pytest.importorskip("datasets")

    def save(repository, config, label, names, splits):
        kind = datasets.ClassLabel(names=names) if names else datasets.Value("float32")
        for split, rows in splits.items():
            columns = {key: [row[key] for row in rows] for key in rows[0]}
            feature = datasets.List(kind) if label == "ner_tags" else kind
            table = datasets.Dataset.from_dict(columns).cast_column(label, feature)
            path = tmp_path / repository / config / f"{split}-00000-of-00001.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            table.to_parquet(path)

    def pair(a, b, label):
        return {"sentence1": a, "sentence2": b, "label": label}

    def nli(a, b, label):
        return {"premise": a, "hypothesis": b, "label": label}

    def one(text, label):
        return {"sentence": text, "label": label}

    secret = {"test": [one("?", -1)]}
    sst2 = {"train": [one("good ", 1), one("bad ", 0)], "validation": [one("fine ", 1)], **secret}
    save("glue", "sst2", "label", ["negative", "positive"], sst2)
    stsb = {
        "train": [pair("a", "b", 3.8)],
        "validation": [pair("a", "c", 0.0)],
        "test": [pair("a", "b", -1.0)],
    }
    save("glue", "stsb", "label", None, stsb)
    mnli = {
        "train": [nli("a", "b", 1)],
        "validation_matched": [nli("c", "d", 0)],
        "validation_mismatched": [nli("e", "f", 2)],
    }
    save("glue", "mnli", "label", ["entailment", "neutral", "contradiction"], mnli)
    tags = {
        "train": [{"tokens": ["EU", "rejects"], "ner_tags": [3, 0]}],
        "validation": [{"tokens": ["Ann"], "ner_tags": [1]}],
        "test": [{"tokens": ["Bob"], "ner_tags": [1]}],
    }
    save("conll", "data", "ner_tags", list(ENTITIES), tags)
    csl = {
        "train": [{"abst": "甲乙。", "keyword": ["甲", "乙"], "label": 1}],
        "validation": [{"abst": "丙丁。", "keyword": ["戊"], "label": 0}],
        "test": [{"abst": "?", "keyword": [], "label": -1}],
    }
    save("clue", "csl", "label", ["0", "1"], csl)
    ocnli = {"train": [pair("甲", "乙", 1)], "validation": [pair("丙", "丁", 0)]}
    save("clue", "ocnli", "label", ["neutral", "entailment", "contradiction"], ocnli)
    return {"glue": str(tmp_path / "glue"), "conll2003": str(tmp_path / "conll"), "clue": str(tmp_path / "clue")}


def contents(folder):
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*.jsonl"))}


def test_files_and_hub_agree(tmp_path, local, hub):
    prepare_tasks(TASKS, folders=local, hubs={}, out=tmp_path / "a")
    prepare_tasks(TASKS, folders={}, hubs=hub, out=tmp_path / "b")
    ours = contents(tmp_path / "a")
    assert ours == contents(tmp_path / "b")
    assert len(ours) == 2 + 2 + 3 + 3 + 2 + 2
    rows = [json.loads(line) for line in ours["sst2/train.jsonl"].splitlines()]
    assert rows == [{"text": "good ", "pair": None, "label": 1}, {"text": "bad ", "pair": None, "label": 0}]
    assert json.loads(ours["csl/train.jsonl"]) == {"text": "甲 乙", "pair": "甲乙。", "label": 1}
    assert json.loads(ours["conll2003/train.jsonl"]) == {"words": ["EU", "rejects"], "tags": ["B-ORG", "O"]}


def test_an_unknown_hub_id_is_one_line(tmp_path):
    with pytest.raises(UserError, match=r"task_data\.glue\.hub: .* cannot be downloaded") as error:
        prepare_tasks(["rte"], folders={}, hubs={"glue": str(tmp_path / "none")}, out=tmp_path / "out")
    assert "\n" not in str(error.value)


def test_secret_labels_are_no_labels(tmp_path, hub):
    import shutil

    shutil.copy(
        tmp_path / "glue/sst2/test-00000-of-00001.parquet",
        tmp_path / "glue/sst2/validation-00000-of-00001.parquet",
    )
    with pytest.raises(UserError, match="row 0: expected a label from 0 to 1, got -1"):
        prepare_tasks(["sst2"], folders={}, hubs=hub, out=tmp_path / "out")


def test_all_or_nothing(tmp_path, local):
    out = tmp_path / "out"
    prepare_tasks(["sst2"], folders=local, hubs={}, out=out)
    before = contents(out)
    (tmp_path / "glue/STS-B/dev.tsv").write_text("sentence1\tsentence2\tscore\n")
    with pytest.raises(UserError, match="expected examples, found none"):
        prepare_tasks(["sst2", "stsb"], folders=local, hubs={}, out=out)
    assert contents(out) == before
    assert not list(tmp_path.glob(".out*"))
