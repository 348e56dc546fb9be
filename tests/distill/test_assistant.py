import pytest
import torch
from tiny_rounds import TinyRecords, run, settings
from transformers import AutoModel

from minimoe.distill.batch import Batch
from minimoe.distill.hooks import Teacher
from minimoe.distill.round import write_students
from minimoe.models.slices import leading_slices
from minimoe.params.rounds import Student
from minimoe.system.errors import UserError

NINETY, SIXTY = Student(sparsity=90), Student(sparsity=60)


@pytest.mark.slow
def test_a_sparse_student_starts_as_its_teacher_cut_and_learns(sparsified):
    started = run(sparsified, {"s": SIXTY}, epochs=0)["s"]
    whole = AutoModel.from_pretrained(sparsified / "reordered").state_dict()
    own = started.encoder.state_dict()
    for name, part in leading_slices(whole, own).items():
        assert torch.equal(part, own[name]), name
    trained = run(sparsified, {"s": SIXTY}, epochs=12, learning_rate=0.01)["s"]
    assert trained.curve[-1]["train_loss"] < trained.curve[0]["heldout_loss"]
    assert trained.metrics()["sparsity"] == 60
    assert trained.encoder.config.hidden_dropout_prob == 0.1


def test_sparsity_of_an_ordinary_teacher_is_refused(teacher):
    with pytest.raises(UserError, match="expected a sparsified teacher"):
        run(teacher, {"s": SIXTY})


@pytest.mark.slow
def test_the_assistant_is_the_best_of_its_candidates(sparsified):
    assistant = run(sparsified, {"s": NINETY}, assistant=True, epochs=4)["assistant"]
    about = assistant.metrics()
    candidates = about["candidates"]
    assert list(candidates) == ["60", "30", "0"]
    for sparsity, candidate in candidates.items():
        assert candidate["score"] == pytest.approx(candidate["metric"] + 0.2 * int(sparsity) / 100)
    best = max(("30", "60"), key=lambda name: candidates[name]["score"])
    assert about["sparsity"] == int(best)
    assert about["heldout_loss"] == candidates[best]["heldout_loss"]
    names = {name for _, values in assistant.points for name in values}
    assert {"sparsity_30/heldout_loss", "sparsity_60/train_loss"} <= names


@pytest.mark.slow
@pytest.mark.parametrize(("tradeoff", "chosen"), [(0.0, 30), (1.0, 60)])
def test_tradeoff_weighs_imitation_against_size(sparsified, tradeoff, chosen):
    calm = dict(assistant_tradeoff=tradeoff, epochs=8, learning_rate=0.003, dropout=0.0)
    result = run(sparsified, {"s": NINETY}, assistant=True, **calm)["assistant"]
    assert result.metrics()["sparsity"] == chosen


def test_metric_is_the_share_of_the_teachers_relations_that_is_explained(sparsified):
    """By hand: 1 − loss / the mean divergence of the teacher's relations from uniform ones."""
    records, chosen = TinyRecords(), settings()
    batch = records.batch(records.split(chosen.heldout)[1])
    mask, features = batch["attention_mask"].bool(), Teacher(sparsified, "last")(Batch.of(batch))
    divergences = []
    for row in range(len(mask)):
        real = mask[row]
        for feature in features[:3]:
            heads = feature[row][real].unflatten(-1, (12, -1)).transpose(0, 1)
            relation = (heads @ heads.transpose(1, 2) / heads.shape[-1] ** 0.5).softmax(-1)
            divergences.append((relation * (relation * real.sum()).log()).sum(-1).flatten())
    uniform = torch.cat(divergences).mean()
    candidate = run(sparsified, {"s": NINETY}, assistant=True, epochs=1)["assistant"].metrics()["candidates"]["30"]
    assert candidate["metric"] == pytest.approx(1 - candidate["heldout_loss"] / uniform.item(), rel=1e-4)


@pytest.mark.slow
def test_the_target_is_cut_from_the_assistant_and_taught_by_it(sparsified):
    results = run(sparsified, {"s": NINETY}, assistant=True, epochs=2)
    assert list(results) == ["assistant", "s"]
    assistant, target = results["assistant"], results["s"]
    assert assistant.encoder.config.inner_size > target.encoder.config.inner_size
    # at its start it is a slice of the assistant, so far nearer to it than the teacher's own slice is to the teacher
    alone = run(sparsified, {"s": NINETY}, epochs=2)["s"]
    assert target.curve[0]["heldout_loss"] < alone.curve[0]["heldout_loss"]
    changed = [n for n, w in target.encoder.state_dict().items() if not torch.equal(w, alone.encoder.state_dict()[n])]
    assert changed


def test_they_are_saved_and_load(sparsified, tmp_path, monkeypatch):
    class Tokenizer:
        def save_pretrained(self, folder):
            (folder / "tokenizer.json").write_text("{}")

    monkeypatch.setattr("minimoe.distill.round.load_tokenizer", lambda _: Tokenizer())
    results = run(sparsified, {"s": NINETY}, assistant=True, epochs=1)
    write_students(results, sparsified, tmp_path / "round")
    for name in ("assistant", "s"):
        loaded = AutoModel.from_pretrained(tmp_path / "round" / name)
        for key, weight in results[name].encoder.state_dict().items():
            assert torch.equal(loaded.state_dict()[key], weight), key


def test_no_candidate_below_the_target_is_an_error(sparsified):
    with pytest.raises(UserError, match=r"sparsify.sparsities: expected some between 0 and 20 for an assistant"):
        run(sparsified, {"s": Student(sparsity=20)}, assistant=True)


def test_the_tracker_sees_the_student_under_its_own_name(sparsified):
    points = run(sparsified, {"s": NINETY}, assistant=True, epochs=1)["s"].points
    assert {"train_loss", "heldout_loss"} <= {name for _, values in points for name in values}
