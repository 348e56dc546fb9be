import operator
import os
import signal
import subprocess
import sys

import psutil
import pytest

from minimoe.corpus import parallel
from minimoe.corpus.parallel import in_order
from minimoe.system.errors import UserError


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_the_order_of_the_items(workers, monkeypatch):
    monkeypatch.setattr(parallel, "ROUND", 3)
    assert list(in_order(operator.neg, range(20), workers)) == [-item for item in range(20)]
    assert list(in_order(operator.neg, [], workers)) == []


def noting(items, begun):
    for item in items:
        begun.append(item)
        yield item


@pytest.mark.parametrize("workers", [1, 2])
def test_no_more_is_begun_than_a_round(workers, monkeypatch):
    monkeypatch.setattr(parallel, "ROUND", 3)
    begun = []
    results = in_order(operator.neg, noting(range(100), begun), workers)
    for taken in range(1, 15):
        next(results)
        assert taken <= len(begun) <= taken + 3 * workers
    results.close()


def refuse(item):
    if item == 5:
        raise UserError("item 5: not this one")
    return item


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_of_a_worker_is_the_callers(workers):
    with pytest.raises(UserError, match="item 5"):
        list(in_order(refuse, range(20), workers))
    assert list(in_order(refuse, range(5), workers)) == list(range(5))


def be_killed(item):
    if item == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def test_a_killed_worker_is_told(tmp_path):
    with pytest.raises(UserError, match=r"runtime\.workers: a worker process was killed"):
        list(in_order(be_killed, range(20), 2))
    assert list(in_order(be_killed, range(5), 2)) == list(range(5))


STAGE = """
from minimoe.corpus.parallel import in_order
for result in in_order(abs, iter([-1] * 1000), 2):
    print(result, flush=True)
    input()
"""


@pytest.mark.slow
def test_workers_end_when_their_stage_is_killed():
    with subprocess.Popen([sys.executable, "-c", STAGE], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as stage:
        assert stage.stdout.readline() == b"1\n"  # the workers have no more to do until somebody takes it
        workers = psutil.Process(stage.pid).children(recursive=True)
        assert len(workers) >= 2
        stage.kill()
    assert not psutil.wait_procs(workers, timeout=20)[1]
