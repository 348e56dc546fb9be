"""Sentence students: the loss against a direct computation, texts apart, and what is saved."""

import shutil

import pytest
import torch
from tiny_rounds import DENSE, EXPERTS, TinyRecords, run, settings, weights
from torch import nn
from transformers import AutoModel, AutoTokenizer, BertTokenizer

from minimoe.distill.batch import Batch
from minimoe.distill.hooks import Teacher
from minimoe.distill.losses import embedding
from minimoe.distill.round import distill, write_students
from minimoe.models.sentence import SentenceHead, read_head, write_head
from minimoe.params.rounds import Distill, OnceForAll, Student
from minimoe.system.errors import UserError
from minimoe.tracking import NoTracker

EMBEDDING = {"objective": "embedding"}
CALM = {"dropout": 0.0, "load_balance": 0.0} | EMBEDDING
WIDE = Student(layers=2, hidden=48, heads=4)
NARROW = Student(layers=1, hidden=12, heads=4)


@pytest.fixture
def folder(teacher, tmp_path):
    """A copy of the teacher with a tokenizer."""
    made = shutil.copytree(teacher, tmp_path / "teacher")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"w{number}" for number in range(45))]
    BertTokenizer(vocab={word: number for number, word in enumerate(words)}).save_pretrained(made)
    return made


def pair() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return torch.randn(5, 8, dtype=torch.float64, requires_grad=True), torch.randn(5, 8, dtype=torch.float64)


def direct(own, taught, distance):
    """The mean over sequences, one after another."""
    one = {
        "cosine": lambda a, b: 1 - (a * b).sum() / (a.square().sum().sqrt() * b.square().sum().sqrt()),
        "l2": lambda a, b: (a - b).square().sum(),
    }[distance]
    return sum(one(a, b) for a, b in zip(own, taught, strict=True)) / len(own)


@pytest.mark.parametrize("distance", ["cosine", "l2"])
def test_the_loss_and_its_gradient(distance):
    own, taught = pair()
    loss = embedding(own, taught, distance=distance)
    torch.testing.assert_close(loss, direct(own, taught, distance), rtol=1e-12, atol=0)
    (made,), (wanted,) = (torch.autograd.grad(x, own) for x in (loss, direct(own, taught, distance)))
    torch.testing.assert_close(made, wanted, rtol=1e-10, atol=1e-14)
    assert torch.autograd.gradcheck(lambda x: embedding(x, taught, distance=distance), own)
    assert embedding(taught, taught, distance=distance).abs() < 1e-15
    parts = [embedding(own[p], taught[p], distance=distance, sequences=5) for p in (slice(0, 2), slice(2, 5))]
    torch.testing.assert_close(sum(parts), loss)
    assert embedding(own.bfloat16(), taught.bfloat16(), distance=distance).dtype == torch.float32


def test_l2_of_unit_vectors_is_twice_the_cosine_distance():
    own, taught = (nn.functional.normalize(x, dim=-1) for x in pair())
    torch.testing.assert_close(embedding(own, taught, distance="l2"), 2 * embedding(own, taught))


def test_made_up_records_are_apart_as_others_are():
    numbers, records = range(6), TinyRecords()
    whole, apart = records.batch(numbers), records.batch(numbers, apart=True)
    for number in numbers:
        first, second = (
            apart["input_ids"][place][apart["attention_mask"][place].bool()].tolist() for place in (number, number + 6)
        )
        both = whole["input_ids"][number][whole["attention_mask"][number].bool()].tolist()
        assert first + second[1:] == both
        assert first[0] == second[0] == both[0]
    assert int(apart["attention_mask"].sum()) == int(whole["attention_mask"].sum()) + 6


def test_the_teachers_features_are_its_embeddings(folder):
    teacher = folder
    batch = Batch.of(TinyRecords().batch(range(4), apart=True))
    made = Teacher(teacher, "last", sentence=True)(batch).sentence
    encoder = AutoModel.from_pretrained(teacher).eval()
    for row, (ids, real) in enumerate(zip(batch.inputs["input_ids"], batch.mask, strict=True)):
        with torch.no_grad():
            alone = encoder(ids[real][None]).last_hidden_state[0]
        torch.testing.assert_close(made[row], alone.mean(0))
    write_head(SentenceHead(encoder.config.hidden_size, ("cls",), normalize=True), teacher)
    made = Teacher(teacher, "last", sentence=True)(batch).sentence
    with torch.no_grad():
        states = encoder(batch.inputs["input_ids"], attention_mask=batch.mask).last_hidden_state
    torch.testing.assert_close(made, nn.functional.normalize(states[:, 0], dim=-1))


@pytest.mark.slow
@pytest.mark.parametrize("distance", ["cosine", "l2"])
def test_students_learn(teacher, distance):
    students = {"dense": DENSE, "experts": EXPERTS, "narrow": NARROW}
    results = run(teacher, students, epochs=12, learning_rate=0.01, embedding_distance=distance, **EMBEDDING)
    for name, result in results.items():
        assert result.metrics()["heldout_loss"] < 0.7 * result.metrics()["heldout_loss_initial"], name
    assert {"attention", "ffn"} == set(results["experts"].metrics()["expert_load"])
    assert sum(results["experts"].heldout.load["ffn"][0]) == pytest.approx(1)  # of all real tokens


@pytest.mark.parametrize("shape", [DENSE, EXPERTS, NARROW])
def test_micro_batches_are_the_whole_batch(teacher, shape):
    whole, parts = (run(teacher, {"s": shape}, micro_batch=size, **CALM)["s"] for size in (0, 3))
    torch.testing.assert_close(weights(whole), weights(parts), rtol=1e-4, atol=1e-6)
    assert whole.heldout.loss == pytest.approx(parts.heldout.loss, rel=1e-5)


def test_a_student_ends_as_it_would_alone(teacher):
    together = run(teacher, {"dense": DENSE, "narrow": NARROW}, **EMBEDDING)
    for name, shape in {"dense": DENSE, "narrow": NARROW}.items():
        assert torch.equal(weights(run(teacher, {name: shape}, **EMBEDDING)[name]), weights(together[name]))


def test_every_weight_of_a_student_is_trained(teacher):
    (result,) = run(teacher, {"s": NARROW}, **EMBEDDING).values()
    frozen = [name for name, weight in result.learner.supernet.named_parameters() if not weight.requires_grad]
    assert not frozen


@pytest.mark.parametrize("shape", [WIDE, EXPERTS, NARROW])
@pytest.mark.parametrize("head", [SentenceHead(48), SentenceHead(48, ("cls", "max"), normalize=True)])
def test_a_saved_folder_gives_the_embeddings_of_training(folder, tmp_path, shape, head):
    write_head(head, folder)
    results = run(folder, {"s": shape}, **EMBEDDING)
    write_students(results, folder, tmp_path / "out")
    student = results["s"].learner.supernet.whole.eval()
    batch = Batch.of(TinyRecords().batch(range(4), apart=True))
    with torch.no_grad():
        wanted = student(**batch.inputs)[0].sentence
        encoder = AutoModel.from_pretrained(tmp_path / "out/s").eval()
        saved = read_head(tmp_path / "out/s", encoder.config.hidden_size)
        ids, segments = batch.inputs["input_ids"], batch.inputs["token_type_ids"]
        hidden = encoder(ids, attention_mask=batch.mask.long(), token_type_ids=segments).last_hidden_state
        made = saved(hidden, batch.mask)
    torch.testing.assert_close(made, wanted)
    assert (saved.modes, saved.normalize, saved.length) == (head.modes, head.normalize, 12)
    assert made.shape[1] == head.size  # the teacher's size, by a dense layer where it must
    assert bool(len(saved.dense)) == (shape.hidden != 48)
    assert AutoTokenizer.from_pretrained(tmp_path / "out/s")


def test_other_students_have_no_pooling(folder, tmp_path):
    write_students(run(folder, {"s": DENSE}, epochs=0), folder, tmp_path / "out")
    assert not (tmp_path / "out/s/modules.json").exists()


def test_families_that_cannot_learn_it(teacher):
    with pytest.raises(UserError, match="expected minilm in a round with once_for_all"):
        run(teacher, {}, once_for_all=OnceForAll(layers=[1], hidden=[24]), **EMBEDDING)


def test_a_round_needs_nothing_of_other_objectives(teacher):
    unread = {"teacher_layer", "relation_heads", "relation_weights", "tinybert_weights", "assistant_tradeoff"}
    kept = Distill.model_construct(**settings(**EMBEDDING).model_dump(exclude=unread))
    assert not hasattr(kept, "teacher_layer")
    results = distill(teacher, TinyRecords(), {"s": DENSE}, kept, 7, trackers={"s": NoTracker()})
    assert torch.equal(weights(results["s"]), weights(run(teacher, {"s": DENSE}, **EMBEDDING)["s"]))
