"""The stage goes on after it was ended, in the same MLflow run, and leaves nothing in work/ when it is done."""

import json
import os
import shutil
import signal
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
from corpus.tiny_corpus import BERT, make_tokenizer, sentences
from ruamel.yaml import YAML
from sparsify.sparse import teacher
from tfrecord.writer import TFRecordWriter

import stages._run
import stages.distill
import stages.settings
from minimoe import tracking
from minimoe.corpus.build import build_records
from minimoe.distill.learner import Learner
from minimoe.records.dataset import Records

ROOT = Path(__file__).parents[2]
TRACKING = {"enabled": True, "uri": "work/mlflow.db", "experiment": "tests", "system_metrics": False}


def write_params(then=None, **changes):
    yaml = YAML()
    params = yaml.load(ROOT / "params.yaml")
    params["distill"] |= {"epochs": 2, "batch": 32, "relation_heads": 4, "heldout": 16, "evaluate_every": 3} | changes
    students = {"dense": {"layers": 1, "hidden": 16, "heads": 4}, "other": {"layers": 2, "hidden": 16, "heads": 4}}
    params["rounds"] = {"base": {"teacher": "models/teacher", "students": students}}
    if then:
        params["rounds"]["base"]["then"] = then
    params["sparsify"]["teachers"] = []
    params["table"]["models"] = ["teacher"]
    params["export"]["models"] = []
    params["runtime"] |= {"device": "cpu", "log_every": 1, "checkpoint_minutes": 60, "tracking": TRACKING}
    yaml.dump(params, Path("params.yaml"))
    stages.settings.main()


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder in which the stage can run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["distill", "base"])
    for name in ("dvc.yaml", "src", "stages"):
        Path(name).symlink_to(ROOT / name)
    teacher().save_pretrained("models/teacher")
    make_tokenizer("models/teacher", BERT, "[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1")
    Path("formatted").mkdir()
    Path("formatted/00000.txt").write_text(sentences(), encoding="utf-8")
    build_records("formatted", "models/teacher", "data/records", 24, 0.1, 100, 0.2, seed=776, workers=1)
    write_params()


def outputs():
    files = [*Path("models/base").rglob("*"), Path("curves/base.csv"), Path("metrics/distill/base.json")]
    return {str(file): file.read_bytes() for file in files if file.is_file()}


def interrupted(monkeypatch, at):
    """The stage, sent SIGTERM in this step."""
    update = Learner.update

    def ask(self):
        if self.step + 1 == at:
            os.kill(os.getpid(), signal.SIGTERM)
        return update(self)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Learner, "update", ask)
        stages.distill.main()


@pytest.mark.slow
def test_an_interrupted_stage_goes_on(project, monkeypatch, capsys):
    stages.distill.main()
    whole = outputs()
    metrics = json.loads(whole["metrics/distill/base.json"])
    steps = metrics["dense"]["steps"]
    assert {values["heldout_documents"] for values in metrics.values()} == {True}
    assert steps >= 6 and not Path("work/distill/base").exists()
    for file in whole:
        Path(file).unlink()

    interrupted(monkeypatch, at=5)
    client, experiment = tracking.connect(SimpleNamespace(**TRACKING))
    assert [run.info.status for run in client.search_runs([experiment])].count("KILLED") == 3  # the round's
    assert not outputs()
    (checkpoint,) = Path("work/distill/base").rglob("*.safetensors")
    stages.distill.main()
    assert outputs() == whole
    assert not Path("work/distill/base").exists()
    assert f"{checkpoint.parent}: going on after step 5 of {steps}" in capsys.readouterr().err

    runs = client.search_runs([experiment])
    assert [run.info.status for run in runs] == ["FINISHED"] * 6  # of two students and their round, twice
    rounds = {run.info.run_id: run for run in runs if "student" not in run.data.tags}
    students = [run for run in runs if "student" in run.data.tags]
    assert Counter(run.data.tags["mlflow.parentRunId"] for run in students) == dict.fromkeys(rounds, 2)
    for run in students:
        history = client.get_metric_history(run.info.run_id, "train_loss")
        assert [metric.step for metric in history] == list(range(1, steps + 1))


@pytest.mark.slow
def test_a_stage_interrupted_in_its_second_phase_goes_on_there(project, monkeypatch, capsys):
    write_params(then={"objective": "embedding", "epochs": 3})
    stages.distill.main()
    whole = outputs()
    curves = pd.read_csv("curves/base.csv")
    metrics = json.loads(whole["metrics/distill/base.json"])["dense"]
    assert list(dict.fromkeys(curves.student)) == ["dense (first phase)", "dense", "other (first phase)", "other"]
    for name, values in (("dense", metrics), ("dense (first phase)", metrics["first_phase"])):
        own = curves[curves.student == name]
        assert own.step.iloc[0] == 0 and own.step.iloc[-1] == values["steps"]
        assert own.heldout_loss.iloc[0] == pytest.approx(values["heldout_loss_initial"])
        assert own.heldout_loss.iloc[-1] == pytest.approx(values["heldout_loss"])
    first, steps = metrics["first_phase"]["steps"], metrics["steps"]
    assert 2 * steps == 3 * first
    for file in whole:
        Path(file).unlink()

    interrupted(monkeypatch, at=first + 1)  # a step that the second phase alone has
    assert not outputs()
    capsys.readouterr()
    stages.distill.main()
    assert outputs() == whole
    told = capsys.readouterr().err
    assert f"students: going on after step {first} of {first}" in told
    assert f"then: going on after step {first + 1} of {steps}" in told
    client, experiment = tracking.connect(SimpleNamespace(**TRACKING))
    for run in client.search_runs([experiment], "tags.model LIKE 'base/%'"):
        assert (run.data.params["objective"], run.data.params["then.objective"]) == ("minilm", "embedding")
        for name, count in (("first_phase/train_loss", first), ("train_loss", steps)):
            history = client.get_metric_history(run.info.run_id, name)
            assert [metric.step for metric in history] == list(range(1, count + 1))


@pytest.mark.slow
def test_records_that_do_not_tell_documents_are_said_and_recorded(project, capsys):
    """The published form: single records are held out, which the metrics say too."""
    records = [Records("data/records")[number] for number in range(64)]
    shutil.rmtree("data/records")
    Path("data/records").mkdir()
    writer = TFRecordWriter("data/records/00000.tfrecord")
    for record in records:
        lists = {"indices": record["input_ids"], "segments": record["token_type_ids"]}
        writer.write({name: (array.tolist(), "int") for name, array in lists.items()})
    writer.close()
    write_params(epochs=0)
    stages.distill.main()
    told = "data/records: the published form does not mark documents, so single records are held out"
    assert capsys.readouterr().err.count(told) == 1
    metrics = json.loads(Path("metrics/distill/base.json").read_text())
    assert {values["heldout_documents"] for values in metrics.values()} == {False}
    client, experiment = tracking.connect(SimpleNamespace(**TRACKING))
    assert {run.data.params["heldout_documents"] for run in client.search_runs([experiment])} == {"False"}


@pytest.mark.slow
@pytest.mark.parametrize(("device", "computing"), [("cpu", 3), ("cuda", 1)])
def test_a_round_computes_on_cores_of_its_own_number_where_there_is_no_gpu(project, monkeypatch, device, computing):
    path = Path("params.yaml")
    path.write_text(path.read_text().replace("round_threads: 1", "round_threads: 3"))
    seen = []
    monkeypatch.setattr(stages.distill, "device", lambda _: device)
    monkeypatch.setattr(stages.distill, "distill", lambda *_, **__: seen.append(torch.get_num_threads()) or {})
    monkeypatch.setattr(stages.distill, "write_students", lambda *_: None)
    stages.distill.main()
    assert (seen, torch.get_num_threads()) == ([computing], 1)


def test_other_settings_start_over_and_leave_what_there_is(project, monkeypatch, capsys):
    interrupted(monkeypatch, at=5)
    before = sorted(Path("work/distill/base").rglob("*.safetensors"))
    write_params(learning_rate=1e-3)
    stages.distill.main()
    told = capsys.readouterr().err
    assert "going on after" not in told
    assert f"distill base: starts over, as what changes its result has changed; what was done before is kept in {before[0].parents[1]}" in told  # noqa: E501  # fmt: skip
    assert sorted(Path("work/distill/base").rglob("*.safetensors")) == before


def test_where_it_is_done_is_no_part_of_the_key(project, monkeypatch):
    """A round begun on one GPU may end on thirty-two."""
    folders, work_folder = [], stages._run.work_folder

    def told(*of):
        folders.append(work_folder(*of))
        raise InterruptedError

    monkeypatch.setattr(stages._run, "work_folder", told)
    for device, processes in (("cpu", "1"), ("cuda", "32")):
        monkeypatch.setattr(stages.distill, "device", lambda wanted, device=device: device)
        monkeypatch.setenv("WORLD_SIZE", processes)
        with pytest.raises(InterruptedError):
            stages.distill.main()
    assert folders[0] == folders[1]
