import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from ruamel.yaml import YAML
from safetensors.torch import load_file
from sparsify import pair
from sparsify.sparse import teacher
from transformers import AutoTokenizer

import stages.settings
import stages.sparsify
from minimoe.models.slices import cut
from minimoe.models.sparsified import Sparsified
from minimoe.records.dataset import Records
from minimoe.resume.checkpoints import Checkpoints
from minimoe.sparsify.criteria import CRITERIA
from minimoe.sparsify.make import evenly, sparsify
from minimoe.system.errors import UserError
from minimoe.tracking import NoTracker

ROOT = Path(__file__).parents[2]


class Losses(NoTracker):
    def __init__(self):
        self.values = []

    def metrics(self, values, step=0):
        self.values += values.values()


def run(made, out, **changes):
    settings = pair.SETTINGS | {"tracker": NoTracker()} | changes
    return sparsify(made / "models/teacher", Records(made / "data/records"), out, **settings)


def files(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.slow
@pytest.mark.parametrize(("criterion", "at"), [("masked_lm", 1), ("masked_lm", 2), ("masked_lm", 5), ("states", 2)])
def test_a_killed_run_ends_with_the_same_bytes(made, tmp_path, criterion, at):
    class Killed(Exception):
        pass

    class Kills(Losses):
        def metrics(self, values, step=0):
            super().metrics(values, step)
            if step == at:
                raise Killed

    whole, rest, checkpoints = Losses(), Losses(), Checkpoints(tmp_path / "work", 0)
    run(made, tmp_path / "whole", tracker=whole, criterion=criterion)
    with pytest.raises(Killed):
        run(made, tmp_path / "out", tracker=Kills(), checkpoints=checkpoints, criterion=criterion)
    run(made, tmp_path / "out", tracker=rest, checkpoints=checkpoints, criterion=criterion)
    assert files(tmp_path / "out") == files(tmp_path / "whole")
    assert rest.values == whole.values[at - 1 :] and len(whole.values) > 5


def test_an_interrupted_run_saves_first(made, tmp_path):
    class Asks(Losses):
        def metrics(self, values, step=0):
            super().metrics(values, step)
            if step == 3:
                os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt):
        run(made, tmp_path / "out", tracker=Asks(), checkpoints=Checkpoints(tmp_path / "work", 60))
    assert [int(path.stem[:12]) for path in (tmp_path / "work").iterdir()] == [3]


@pytest.mark.parametrize(("count", "share"), [(1000, 0.05), (7, 1.0), (10, 0.05001), (100, 0.33)])
def test_records_are_spread_evenly(count, share):
    chosen = evenly(count, share)
    assert len(chosen) == len(set(chosen)) == round(share * count)
    assert chosen[0] >= 0 and chosen[-1] < count
    assert np.ptp(np.diff(chosen)) <= 1 if len(chosen) > 1 else True
    assert abs(chosen[0] - (count - 1 - chosen[-1])) <= 1  # as far from the start as from the end


def test_a_share_of_no_record_is_an_error(made, tmp_path):
    count = len(Records(made / "data/records").training)
    with pytest.raises(UserError, match=rf"sparsify\.share: 1e-06 of the {count} records is none"):
        run(made, tmp_path / "out", share=1e-6)
    assert not (tmp_path / "out").exists()


def test_the_seed_decides(made, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        torch.manual_seed(len(name))
        run(made, tmp_path / name, seed=seed)
    first, second, other = (files(tmp_path / name) for name in "abc")
    assert first == second
    assert first[Path("importance.safetensors")] != other[Path("importance.safetensors")]


def test_a_share_is_read_in_batches(made, tmp_path):
    tracker = Losses()
    read = run(made, tmp_path / "out", share=0.5, batch=8, tracker=tracker)
    assert read == round(0.5 * len(Records(made / "data/records").training))
    assert len(tracker.values) == -(-read // 8) > 1


def test_a_tokenizer_without_a_mask_is_an_error(made, tmp_path):
    shutil.copytree(made / "models", tmp_path / "models")
    tokens = AutoTokenizer.from_pretrained(tmp_path / "models/teacher")
    tokens.mask_token = None
    tokens.save_pretrained(tmp_path / "models/teacher")
    (tmp_path / "data").symlink_to(made / "data")
    with pytest.raises(UserError, match="teacher: its tokenizer has no mask token"):
        run(tmp_path, tmp_path / "out")
    assert run(tmp_path, tmp_path / "out", criterion="states")


def test_a_teacher_without_a_head_takes_the_other_criterion(made, tmp_path):
    (tmp_path / "models").mkdir()
    shutil.copytree(made / "models/teacher", tmp_path / "models/teacher")
    teacher().bert.save_pretrained(tmp_path / "models/teacher")
    (tmp_path / "data").symlink_to(made / "data")
    with pytest.raises(UserError, match=r"models/teacher: expected a teacher with its .* head.*criterion: states$"):
        run(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    run(tmp_path, tmp_path / "out", criterion="states")
    run(made, tmp_path / "with a head", criterion="states")
    own, other = (load_file(tmp_path / out / "importance.safetensors") for out in ("out", "with a head"))
    assert all(torch.equal(own[name], other[name]) for name in own)
    by_loss = run(made, tmp_path / "by loss") and load_file(tmp_path / "by loss/importance.safetensors")
    assert not any(torch.equal(own[name], by_loss[name]) for name in own)


@pytest.fixture
def prepared(made, tmp_path, monkeypatch):
    """A run's folder, the current one, with params of the stage; takes values of `runtime`."""

    def prepare(**runtime):
        for name in ("models", "data"):
            shutil.copytree(made / name, tmp_path / name)
        for name in ("dvc.yaml", "src", "stages"):
            (tmp_path / name).symlink_to(ROOT / name)
        yaml = YAML()
        params = yaml.load(ROOT / "params.yaml")
        params["sparsify"] |= {"share": 0.25, "batch": 8, "sparsities": [0, 50, 80]}
        params["runtime"] |= {"device": "cpu", **runtime}
        params["runtime"]["tracking"]["enabled"] = False
        yaml.dump(params, tmp_path / "params.yaml")
        monkeypatch.chdir(tmp_path)
        stages.settings.main()
        return round(0.25 * len(Records("data/records").training))

    return prepare


def test_the_stage(prepared, monkeypatch, capsys):
    read = prepared()
    monkeypatch.setattr(sys, "argv", ["sparsify", "teacher"])
    stages.sparsify.main()
    assert capsys.readouterr().out == f"sparsify: importances of models/teacher from {read} records\n"
    made_here = Sparsified("models/sparsified/teacher")
    assert made_here.sparsities == [0, 50, 80]
    assert cut(made_here.model, made_here.config(80)).config.inner_size == 16
    assert files(Path("models/teacher")).items() <= files(Path("models/sparsified/teacher")).items()


@pytest.mark.slow
def test_processes_measure_what_one_measures(prepared):
    """The stage as DVC starts it, by a real launcher, which it starts itself."""
    read = prepared(launcher="torchrun --standalone --nproc-per-node=2")
    run(Path.cwd(), "alone", share=0.25, seed=776)
    environment = {key: value for key, value in os.environ.items() if "RANK" not in key}
    environment |= {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")]), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "stages.sparsify", "teacher"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.stdout == f"sparsify: importances of models/teacher from {read} records\n", done.stderr
    own, expected = (load_file(f"{out}/importance.safetensors") for out in ("models/sparsified/teacher", "alone"))
    for name, values in expected.items():
        torch.testing.assert_close(own[name], values, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("criterion", CRITERIA)
def test_what_one_process_began_two_end_and_the_other_way_round(made, tmp_path, criterion):
    whole, alone = pair.Ends(), tmp_path / "alone"
    pair.run(made, alone, tmp_path / "none", whole, criterion)
    pair.run(made, tmp_path / "nowhere", tmp_path / "begun by one", pair.Ends(at=pair.BEGUN), criterion)
    command = ["torch.distributed.run", "--standalone", "--nproc-per-node=2", pair.__file__, made, tmp_path, criterion]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-m", *map(str, command)], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    newest = {name: Checkpoints(tmp_path / name).load().number for name in ("begun by one", "begun by two")}
    assert newest["begun by two"] == pair.BEGUN and newest["begun by one"] > len(whole.steps) - 2
    rest = pair.Ends()
    pair.run(made, tmp_path / "ended by one", tmp_path / "begun by two", rest, criterion)
    assert rest.steps == whole.steps[pair.BEGUN :] and len(rest.steps) > 3
    expected = load_file(alone / "importance.safetensors")
    for name in ("ended by one", "ended by two"):
        for kind, values in load_file(tmp_path / name / "importance.safetensors").items():
            torch.testing.assert_close(values, expected[kind], rtol=1e-5, atol=1e-7)
