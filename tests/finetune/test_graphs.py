"""Finetuning whose steps are recorded as CUDA graphs, by a stand-in for the GPU's: it ends as it does without."""

import pytest
from finetune.test_cell import run
from recorded import recording  # noqa: F401 (a fixture)

from minimoe.finetune import data as encoded


@pytest.mark.slow
@pytest.mark.parametrize("task", ["sst2", "conll2003", "stsb"])
def test_recorded_steps_finetune_as_others_do(model, data, tmp_path, task, recording, monkeypatch):  # noqa: F811
    monkeypatch.setattr(
        "transformers.masking_utils.is_tracing", lambda *_: True
    )  # as where a GPU records: masks are not looked at
    grid = {"learning_rates": [1e-3, 2e-3], "seeds": [1, 2], "epochs": 8, "patience": 8}
    expected = run(model, data, tmp_path, task, "expected", **grid)
    assert not recording.recorded
    got = run(model, data, tmp_path, task, "got", captured=True, **grid)
    assert recording.recorded >= 2 * 4  # two sections in each run
    assert recording.replayed > 3 * recording.recorded
    assert got == expected


def test_on_a_gpu_batches_have_few_lengths(tokenizer, data, monkeypatch):
    from minimoe.finetune.data import Batches, encode, read_examples
    from minimoe.tasks.table import TASKS

    task = TASKS["sst2"]
    examples = read_examples(data / "sst2" / "train.jsonl", task)
    for number, example in enumerate(examples):
        example["text"] += " film" * (number % 18)
    monkeypatch.setattr(encoded, "STEP", 8)
    batches = Batches(encode(examples, task, tokenizer, 20), task, tokenizer, "meta")
    lengths = {batches([number])["input_ids"].shape[1] for number in range(len(batches))}
    assert lengths == {8, 16, 20}
