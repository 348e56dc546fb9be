"""Data sets from the hub: verified, of one commit, and never of another configuration."""

import json
from pathlib import Path

import pytest
from hub.parquet import copy

from minimoe.system.errors import UserError
from minimoe.tasks.prepare import prepare_tasks
from minimoe.tasks.table import TASKS

GLUE, CONLL = "some/glue", "some/conll"
HUBS = {"glue": GLUE, "conll2003": CONLL}
CONVERSION = "{config}/{split}/0000.parquet"


@pytest.fixture
def prepare(tmp_path):
    def prepare(*names, hubs=HUBS):
        return prepare_tasks(list(names), folders={}, hubs=hubs, out=tmp_path / "out")

    return prepare


def texts(folder: Path) -> dict[str, list[str]]:
    return {
        str(path.relative_to(folder)): [json.loads(line).get("text") for line in path.read_text().splitlines()]
        for path in sorted(folder.rglob("*.jsonl"))
    }


@pytest.mark.slow
def test_files_are_those_of_the_task_and_the_commit_is_told(hub, prepare, tmp_path):
    commit = hub.add("dataset", GLUE, copy([TASKS["rte"], TASKS["stsb"], TASKS["mnli"]]))
    assert prepare("rte", "mnli") == {"glue": commit}
    made = texts(tmp_path / "out")
    assert sorted(made) == [
        *(f"mnli/{split}.jsonl" for split in ("dev", "dev_mismatched", "train")),
        "rte/dev.jsonl",
        "rte/train.jsonl",
    ]
    assert made["rte/dev.jsonl"][0] == "a text of 4 words sentence1"
    assert {asked.rpartition("/")[2] for _, asked in hub.requests if "resolve" in asked} <= {
        f"{split}-00000-of-00001.parquet"
        for split in ("train", "validation", "validation_matched", "validation_mismatched")
    }


@pytest.mark.slow
def test_a_flipped_bit_is_refused_and_the_remedy_works(hub, prepare, tmp_path):
    hub.add("dataset", GLUE, copy([TASKS["rte"]]))
    hub.flipped = {"rte/train-00000-of-00001.parquet"}
    with pytest.raises(UserError, match=r"train-00000-of-00001\.parquet: its sum is .*; delete \S+ and run") as error:
        prepare("rte")
    assert not (tmp_path / "out").exists()
    hub.flipped = set()
    Path(str(error.value).split("; delete ")[1].split(" and run")[0]).unlink()
    prepare("rte")


def test_what_is_no_parquet_is_read_from_the_hubs_conversion_of_its_own_configuration(plain_hub, prepare, tmp_path):
    plain_hub.add("dataset", GLUE, {"glue.py": b"raise SystemExit"})
    tasks = [TASKS["rte"], TASKS["wnli"]]
    converted = plain_hub.add("dataset", GLUE, copy(tasks, form=CONVERSION), "refs/convert/parquet")
    assert prepare("wnli") == {"glue": converted}
    assert all(len(rows) == 4 for rows in texts(tmp_path / "out").values())


def test_a_family_of_one_task_may_have_any_one_configuration(plain_hub, prepare, capfd):
    task = TASKS["conll2003"]
    plain_hub.add("dataset", CONLL, {"conll2003.py": b""})
    plain_hub.add("dataset", CONLL, copy([task], form="default/{split}/0000.parquet"), "refs/convert/parquet")
    prepare("conll2003")
    assert "found" not in capfd.readouterr().err


@pytest.mark.slow
def test_configurations_are_not_mixed(plain_hub, prepare, tmp_path):
    task = TASKS["conll2003"]
    files = copy([task], form="{config}/{split}/0000.parquet")
    plain_hub.add("dataset", CONLL, files | copy([task], form="other/{split}/0000.parquet"))
    prepare("conll2003")
    counts = {path.name: len(path.read_text().splitlines()) for path in (tmp_path / "out").rglob("*.jsonl")}
    assert set(counts.values()) == {4}
    ambiguous = {path.replace("conll2003/", "another/"): content for path, content in files.items()}
    plain_hub.add("dataset", CONLL, ambiguous | copy([task], form="other/{split}/0000.parquet"))
    with pytest.raises(UserError, match="expected one configuration, or conll2003; got another, other"):
        prepare("conll2003")


def test_a_pinned_revision_is_not_left(plain_hub, prepare):
    plain_hub.add("dataset", GLUE, {"glue.py": b""}, "v1")
    plain_hub.add("dataset", GLUE, copy([TASKS["rte"]], form=CONVERSION), "refs/convert/parquet")
    with pytest.raises(UserError, match=r"some/glue@v1, rte, split train: no parquet files of it"):
        prepare("rte", hubs={"glue": f"{GLUE}@v1"})


@pytest.mark.slow
def test_breaks_are_one_line(plain_hub, prepare, capfd):
    plain_hub.add("dataset", GLUE, copy([TASKS["rte"]]))
    plain_hub.faults = {"/": [{"reset": True}] * 100}
    with pytest.raises(UserError, match=r"^task_data\.glue\.hub: 'some/glue' at 'main' cannot be downloaded") as error:
        prepare("rte")
    assert "\n" not in str(error.value) and "Traceback" not in capfd.readouterr().err
