"""A round whose process is killed goes on and ends with the same bytes, in one process and in several."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertModel

SCRIPT = Path(__file__).with_name("killed.py")


def launcher(processes):
    if processes == 1:
        return [sys.executable]
    return [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]


@pytest.fixture
def start(tmp_path):
    """Runs `killed.py` in so many processes; returns its exit code and what it saved."""
    torch.manual_seed(0)
    shape = dict(hidden_size=48, num_hidden_layers=2, num_attention_heads=4, intermediate_size=96)
    BertModel(BertConfig(vocab_size=50, max_position_embeddings=16, initializer_range=0.3, **shape)).save_pretrained(
        tmp_path / "teacher"
    )
    paths = os.pathsep.join(str(folder) for folder in (SCRIPT.parent, SCRIPT.parents[1]))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([paths, *sys.path[1:]]), "OMP_NUM_THREADS": "1"}

    def start(processes, out, *more):
        command = [*launcher(processes), str(SCRIPT), str(tmp_path / "teacher"), str(tmp_path / out), *more]
        code = subprocess.run(command, env=environment, capture_output=True).returncode
        return code, torch.load(tmp_path / out, weights_only=True) if code == 0 else None

    return start


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 3])  # of three, it matters in which order gradients are added
def test_a_killed_process_is_followed_by_one_that_ends_with_the_same_bytes(start, tmp_path, processes):
    (_, whole), work = start(processes, "whole.pt", str(tmp_path / "none")), str(tmp_path / "work")
    assert start(processes, "killed.pt", work, "6")[0] != 0
    assert {int(path.stem[:12]) for path in (tmp_path / "work/students").iterdir()} == {4, 5}
    code, resumed = start(processes, "resumed.pt", work)
    assert code == 0
    assert {"dense", "experts", "1L-12H", "2L-24H"} <= set(whole)
    for name, (weights, curve) in whole.items():
        assert torch.equal(resumed[name][0], weights)
        assert resumed[name][1] == curve
