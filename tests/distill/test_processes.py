"""Several processes: the same students, but for the order of float summation."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertModel

SCRIPT = Path(__file__).with_name("processes.py")
LAUNCHERS = {
    1: [sys.executable],
    2: [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"],
}


@pytest.mark.slow
def test_two_processes_train_the_students_of_one(tmp_path):
    torch.manual_seed(0)
    shape = dict(hidden_size=48, num_hidden_layers=2, num_attention_heads=4, intermediate_size=96)
    BertModel(BertConfig(vocab_size=50, max_position_embeddings=16, initializer_range=0.3, **shape)).save_pretrained(
        tmp_path / "teacher"
    )
    paths = os.pathsep.join(str(folder) for folder in (SCRIPT.parent, SCRIPT.parents[1]))
    environment = os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    for processes, launcher in LAUNCHERS.items():
        command = [*launcher, str(SCRIPT), str(tmp_path / "teacher"), str(tmp_path / f"{processes}.pt")]
        subprocess.run(command, env=environment, check=True, capture_output=True)
    one, two = (torch.load(tmp_path / f"{processes}.pt", weights_only=True) for processes in LAUNCHERS)
    assert {"dense", "experts", "1L-12H", "2L-24H"} <= set(one)
    for name, (weights, curve) in one.items():
        torch.testing.assert_close(two[name][0], weights, rtol=1e-4, atol=1e-5)
        assert [row["step"] for row in two[name][1]] == [row["step"] for row in curve]
        for ours, expected in zip(two[name][1], curve, strict=True):
            assert ours["heldout_loss"] == pytest.approx(expected["heldout_loss"], rel=1e-5)
            assert ours["train_loss"] == (expected["train_loss"] and pytest.approx(expected["train_loss"], rel=1e-5))
