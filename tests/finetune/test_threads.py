"""How many cores there are, or are allowed, decides how long a cell takes, and not a bit of its result."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from finetune.conftest import SHAPE
from transformers import BertConfig, BertModel

pytestmark = pytest.mark.slow

RUN = """
import sys
from pathlib import Path
from finetune.test_cell import run
run(*map(Path, sys.argv[1:4]), "mnli", sys.argv[4], epochs=1, batch=32, threads=int(sys.argv[5]))
"""


@pytest.fixture
def wide(tmp_path, tokenizer):
    """An encoder so wide that several threads share its sums."""
    torch.manual_seed(0)
    shape = SHAPE | {"hidden_size": 256, "intermediate_size": 1024}
    BertModel(BertConfig(**shape), add_pooling_layer=False).save_pretrained(tmp_path / "wide")
    tokenizer.save_pretrained(tmp_path / "wide")
    return tmp_path / "wide"


def test_the_environments_threads_change_no_bit(wide, data, tmp_path):
    """`threads` does: it is a param for that reason."""
    tests = str(Path(__file__).parents[1])
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([tests, *sys.path[1:]])}
    made = {"one": ("1", "1"), "two": ("2", "1"), "other": ("1", "2")}
    running = [
        subprocess.Popen(
            [sys.executable, "-c", RUN, wide, data, tmp_path, name, threads],
            env=environment | {"OMP_NUM_THREADS": allowed},
        )
        for name, (allowed, threads) in made.items()
    ]
    assert [process.wait() for process in running] == [0, 0, 0]
    one, two, other = ((tmp_path / name / "model.safetensors").read_bytes() for name in made)
    assert one == two
    assert one != other
