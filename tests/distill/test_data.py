"""The records of every step: processes and micro-batches share them out, none is lost and none comes twice."""

from itertools import chain
from types import SimpleNamespace

import numpy as np
import pytest
from tiny_rounds import TinyRecords, settings

from minimoe.distill import data
from minimoe.distill.data import RoundData
from minimoe.records.shuffle import shuffled
from minimoe.system.errors import UserError


def steps(process, processes, micro_batch, seed=776, **changes):
    """The parts of each step's batch that a process gets."""
    accelerator = SimpleNamespace(process_index=process, num_processes=processes, device="cpu")
    values = settings(**({"batch": 8, "heldout": 9, "epochs": 2} | changes))
    made = RoundData(TinyRecords(43), values, seed, accelerator, micro_batch)
    return [[part.tolist() for part in made.own(numbers)] for numbers in made.numbers()]


@pytest.mark.parametrize("processes", [1, 2, 3, 8])
@pytest.mark.parametrize("micro_batch", [0, 2, 3])
def test_every_record_of_a_step_goes_to_one_process(processes, micro_batch):
    shares = [steps(process, processes, micro_batch) for process in range(processes)]
    alone = steps(0, 1, 0)
    assert len(alone) == 2 * (34 // 8)
    for number, [batch] in enumerate(alone):
        parts = list(chain.from_iterable(share[number] for share in shares))
        assert sorted(chain.from_iterable(parts)) == sorted(batch)
        assert not micro_batch or max(map(len, parts)) <= micro_batch


@pytest.mark.parametrize(("processes", "micro_batch"), [(1, 0), (1, 1), (1, 4), (2, 0), (2, 6)])
def test_sequences_whose_tokens_are_related_stay_together(processes, micro_batch):
    """Three of eight at once, so that the last run has two."""
    shares = [steps(process, processes, micro_batch, relation_sequences=3) for process in range(processes)]
    for number, [batch] in enumerate(steps(0, 1, 0)):
        parts = list(chain.from_iterable(share[number] for share in shares))
        runs = [part[at : at + 3] for part in parts for at in range(0, len(part), 3)]
        assert sorted(runs) == sorted([batch[:3], batch[3:6], batch[6:]])


def test_too_many_sequences_together_are_refused_before_anything_is_trained():
    with pytest.raises(UserError, match=r"8 records in runs of 5 \(relation_sequences\).* cannot be shared out"):
        RoundData(
            TinyRecords(43),
            settings(batch=8, relation_sequences=5),
            0,
            SimpleNamespace(process_index=0, num_processes=3, device="cpu"),
            0,
        )


def test_an_epoch_is_a_run_through_its_order_whatever_came_before(monkeypatch):
    order = [shuffled(np.arange(9, 43), 776, epoch, 0, 32).tolist() for epoch in range(2)]
    expected = [[part[at : at + 8]] for part in order for at in range(0, 32, 8)]
    assert steps(0, 1, 0) == expected
    monkeypatch.setattr(data, "ORDERED", 17)  # two steps at once
    assert steps(0, 1, 0) == expected
    assert steps(0, 1, 0, epochs=1) == expected[:4]
    assert steps(0, 1, 0, seed=777) != expected
