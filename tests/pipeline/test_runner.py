"""What a stage leaves when it ends in a fork."""

import os
from functools import partial

import pytest

from minimoe.pipeline.runner import FORK, WARM, _stage

pytestmark = pytest.mark.skipif(not WARM, reason="stages run in forks on Linux alone")


def ends(work, folder) -> int | None:
    """The exit code of a stage that does `work`; None if it has not ended within a minute."""
    process = FORK.Process(target=_stage, args=(os.getpid(), work, str(folder), dict(os.environ)))
    process.start()
    process.join(60)
    code = process.exitcode
    process.kill()
    return code


def in_parallel(numbers: list[int]) -> None:
    from joblib import Parallel, delayed

    assert Parallel(2)(delayed(abs)(number) for number in numbers) == [1, 2]


def test_a_stage_ends_that_has_worked_in_joblibs_processes(tmp_path):
    assert ends(partial(in_parallel, [-1, -2]), tmp_path) == 0
    assert ends(partial(in_parallel, [-1, -3]), tmp_path) == 1
