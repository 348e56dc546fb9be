"""Several processes and micro-batches: the same students, but for the order of float summation."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from distill.processes import train
from hosts import INTERFACE, two_hosts

from minimoe.system.errors import UserError
from minimoe.training.processes import own_parts

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("processes.py")
TORCHRUN = ["torch.distributed.run", "--standalone", "--nproc-per-node"]
SHARDED = ["accelerate.commands.launch", "--config_file", str(ROOT / "docs/machines/fsdp.yaml"), "--num_processes"]


@pytest.fixture(scope="module")
def alone(teacher, sparsified):
    """What one process trains in whole batches."""
    return train(teacher, sparsified)


def assert_same(trained: dict, alone: dict) -> None:
    assert {"dense", "experts", "1L-12H", "2L-24H", "tinybert", "sentence", "sparse", "assistant"} <= set(alone)
    assert set(trained) == set(alone)
    for name, (weights, curve, metrics) in alone.items():
        torch.testing.assert_close(trained[name][0], weights, rtol=1e-4, atol=1e-5, msg=lambda m, name=name: name + m)
        for ours, expected in zip(trained[name][1], curve, strict=True):
            assert ours == {key: value and pytest.approx(value, rel=1e-5) for key, value in expected.items()}, name
        assert trained[name][2].get("sparsity") == metrics.get("sparsity")


@pytest.mark.slow
def test_micro_batches_train_the_students_of_whole_batches(teacher, sparsified, alone):
    assert_same(train(teacher, sparsified, micro_batch=3), alone)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("launcher", "processes", "form"),
    [
        (TORCHRUN, 2, ["0"]),
        (TORCHRUN, 3, ["2"]),  # a batch of 8 is 3, 3 and 2 records, in two parts each
        (SHARDED, 2, ["3"]),
        (TORCHRUN, 2, ["2", "recorded"]),
    ],
    ids=["two", "three, in parts", "the teacher sharded", "steps recorded"],
)
def test_processes_train_the_students_of_one(teacher, sparsified, alone, tmp_path, launcher, processes, form):
    paths = [SCRIPT.parent, SCRIPT.parents[1], *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, paths)), "OMP_NUM_THREADS": "1"}
    arguments = [str(SCRIPT), str(teacher), str(sparsified), str(tmp_path / "trained"), *form]
    command = [sys.executable, "-m", *launcher, str(processes), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("distill:   0%") == 5  # a bar for each pass, by one process
    assert_same(torch.load(tmp_path / "trained", weights_only=True), alone)


@pytest.mark.slow
def test_two_hosts_train_the_students_of_one_process(teacher, sparsified, alone, tmp_path):
    paths = [SCRIPT.parent, SCRIPT.parents[1], *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, paths)), "OMP_NUM_THREADS": "1"}
    arguments = [str(SCRIPT), str(teacher), str(sparsified), str(tmp_path / "trained"), "0"]
    with two_hosts() as hosts:
        torchrun = [sys.executable, "-m", "torch.distributed.run"]
        meeting = ["--nnodes=2", "--nproc-per-node=1", f"--master-addr={hosts[0].address}", "--master-port=29500"]
        running = [
            subprocess.Popen(
                host.command(*torchrun, f"--node-rank={rank}", *meeting, *arguments),
                env=environment | {"GLOO_SOCKET_IFNAME": INTERFACE}, stderr=subprocess.PIPE, text=True,
            )
            for rank, host in enumerate(hosts)
        ]  # fmt: skip
        said = [process.communicate(timeout=300)[1] for process in running]
    assert [process.returncode for process in running] == [0, 0], said
    assert_same(torch.load(tmp_path / "trained", weights_only=True), alone)


@pytest.mark.parametrize(
    ("records", "processes", "size"), [(3, 4, 8), (8, 3, 1)], ids=["fewer than processes", "one at once, and a rest"]
)
def test_records_that_cannot_be_shared_out_are_refused(records, processes, size):
    """In every part of a step all processes wait for each other, so each must have a record in it."""
    for process in range(processes):
        accelerator = SimpleNamespace(process_index=process, num_processes=processes)
        with pytest.raises(
            UserError, match=rf"{records} records, .* cannot be shared out to the launcher's {processes}"
        ):
            own_parts(np.arange(records), size, accelerator)
