"""Rounds whose steps are recorded as CUDA graphs, by a stand-in for the GPU's: they train as other rounds do."""

import pytest
import torch
from recorded import recording  # noqa: F401 (a fixture)
from tiny_rounds import DENSE, EXPERTS, HASHED, TinyRecords, run, weights

from minimoe.params.rounds import OnceForAll, Student

FOUR_HEADS = Student(layers=2, hidden=24, heads=4)
FINE = Student.model_validate({"layers": 2, "hidden": 24, "experts": {"ffn": 4, "active": 2, "shared": 32}})


class SameLengths(TinyRecords):
    """Sequences of which every batch has one of the longest, so that shapes come again."""

    def split(self, heldout):
        training, held = super().split(heldout)
        for number in training[::3]:
            self.sequences[number] = torch.arange(5, 17).numpy()
        return training, held


@pytest.mark.slow
@pytest.mark.parametrize(
    ("students", "micro_batch", "changes"),
    [
        ({"dense": DENSE}, 0, {}),
        ({"dense": DENSE, "other": FOUR_HEADS}, 4, {}),
        ({"dense": DENSE}, 0, {"relation_dropout": 0.1, "log_epsilon": 1e-7}),
        ({"dense": FOUR_HEADS}, 4, {"objective": "tinybert"}),
        ({"dense": FOUR_HEADS}, 4, {"relation_sequences": 2, "further_layers": [2, 1]}),
        ({"fine": FINE}, 4, {"precision": "bf16", "further_layers": [1], "load_balance": 0.1}),
        ({"experts": EXPERTS}, 4, {"precision": "bf16"}),
        ({"hashed": HASHED}, 4, {"precision": "bf16"}),
        ({"experts": EXPERTS}, 0, {"precision": "bf16"}),
        ({"experts": EXPERTS, "dense": DENSE}, 0, {"precision": "bf16", "balance_padding": True}),
        ({}, 0, {"once_for_all": OnceForAll(layers=[1, 2], hidden=[12, 24], heads=4)}),
    ],
)
def test_recorded_steps_train_as_others_do(teacher, recording, students, micro_batch, changes):  # noqa: F811
    arguments = dict(records=SameLengths(80), micro_batch=micro_batch, epochs=3, **changes)
    expected = run(teacher, students, **arguments)
    assert not recording.recorded
    got = run(teacher, students, compiled=True, **arguments)
    assert recording.recorded >= 1 + len(students)
    assert recording.replayed > 3 * recording.recorded
    for name in expected:
        torch.testing.assert_close(weights(got[name]), weights(expected[name]), rtol=1e-5, atol=1e-7)
        assert [point["train_loss"] for point in got[name].curve[1:]] == pytest.approx(
            [point["train_loss"] for point in expected[name].curve[1:]], rel=1e-5
        )


@pytest.mark.parametrize("asked", [False, True])
def test_a_gpu_gives_the_same_bits_where_it_is_asked_to(teacher, monkeypatch, asked):
    seen = []
    monkeypatch.setattr("minimoe.distill.round.deterministic", seen.append)
    run(teacher, {"dense": DENSE}, epochs=0, same_bits=asked)
    assert seen == [torch.device("cpu")] * asked
