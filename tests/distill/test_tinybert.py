import goldens
import pytest
import torch
from tiny_rounds import DENSE, run, settings, weights

from minimoe.distill.batch import TokenCounts
from minimoe.distill.hooks import LayerHooks
from minimoe.distill.learner import Learner
from minimoe.distill.losses import STATES, Features, tinybert
from minimoe.distill.student import StudentWithFeatures
from minimoe.params.rounds import OnceForAll, Student
from minimoe.system.errors import UserError

NAME, HEADS = "bert_tinybert_h48_student", 12


def golden_features(dtype) -> tuple[Features, Features, torch.Tensor]:
    """Features of the published student and teacher, hidden states mapped to 768 for both, as published."""
    inputs = goldens.tensors(NAME, "inputs")
    student = StudentWithFeatures(goldens.encoder(NAME, dtype), seed=0, states=768).to(dtype).eval()
    transform = goldens.tensors(NAME, "weights", dtype)
    student.transform.load_state_dict({k: transform[f"hidden_transform.{k}"] for k in ("weight", "bias")})
    with torch.no_grad():
        own, _ = student(**inputs)
        taught = LayerHooks(goldens.teacher(NAME, dtype), "last", states=True)(**inputs)
        wide = goldens.tensors("bert_tinybert_h48_teacher", "weights", dtype)
        mapped = {
            name: torch.nn.functional.linear(
                getattr(taught, name), wide["hidden_transform.weight"], wide["hidden_transform.bias"]
            )
            for name in STATES
        }
    return own, taught._replace(**mapped), inputs["attention_mask"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_hidden_states_and_their_error_equal_the_published(dtype):
    own, taught, mask = golden_features(dtype)
    published = goldens.tensors(NAME, "parts" if dtype == torch.float32 else "parts_f64")
    states = goldens.outputs(NAME, dtype)["student.hidden_states"]
    ours = torch.stack([own.embeddings, own.hidden], 1)  # [B, 2, T, D], rows of real tokens as published
    rows = ours[mask[:, None].expand(-1, 2, -1)]
    assert goldens.error(rows, states) < goldens.tolerance(dtype)
    loss = tinybert(own, taught, mask, HEADS, weights=[1, 0])
    assert goldens.error(loss, published["hidden_mse"]) < goldens.tolerance(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_attention_error_equals_the_published_scores_at_real_keys(dtype):
    own, taught, mask = golden_features(dtype)
    published = goldens.tensors(NAME, "parts" if dtype == torch.float32 else "parts_f64")
    keys = mask[:, None, None, :].expand(-1, HEADS, mask.shape[1], -1)
    keys = keys[mask[:, None, :].expand(-1, HEADS, -1)]  # the published rows: [real queries · H, T]
    difference = (published["student.attentions"] - published["teacher.attentions"])[keys]
    loss = tinybert(own, taught, mask, HEADS, weights=[0, 1])
    assert goldens.error(loss, difference.square().mean()) < goldens.tolerance(dtype)


def test_zero_for_equal_features_and_padding_counts_for_nothing():
    torch.manual_seed(0)
    mask = torch.arange(9) < torch.tensor([[9], [4]])
    own = Features(*(torch.randn(2, 9, 24) for _ in range(5)))
    other = Features(*(torch.randn(2, 9, 24) for _ in range(5)))
    assert tinybert(own, own, mask, 4) == 0
    noisy = Features(*(x + 100 * ~mask[..., None] for x in own[:5]))
    torch.testing.assert_close(tinybert(noisy, other, mask, 4), tinybert(own, other, mask, 4))


def test_parts_of_a_batch_add_up():
    torch.manual_seed(0)
    mask = torch.arange(9) < torch.tensor([[9], [4], [6], [2]])
    own, other = (Features(*(torch.randn(4, 9, 24) for _ in range(5))) for _ in "st")
    counts = TokenCounts.of(mask.sum(1))
    parts = [
        tinybert(Features(*(x[p] for x in own[:5])), Features(*(x[p] for x in other[:5])), mask[p], 4, counts=counts)
        for p in (slice(0, 1), slice(1, 4))
    ]
    torch.testing.assert_close(sum(parts), tinybert(own, other, mask, 4))


def test_a_round_trains_every_weight_of_the_student(teacher):
    shape = Student(layers=2, hidden=24, heads=4)
    started = run(teacher, {"student": shape}, objective="tinybert", epochs=0)["student"]
    trained = run(teacher, {"student": shape}, objective="tinybert", epochs=12, learning_rate=0.01)["student"]
    assert trained.curve[-1]["heldout_loss"] < 0.9 * trained.curve[0]["heldout_loss"]
    before, after = (dict(o.learner.supernet.named_parameters()) for o in (started, trained))
    same = {name for name in before if torch.equal(before[name], after[name])}
    assert {name for name in same if "pooler" not in name} == set()
    assert isinstance(trained.learner, Learner) and trained.learner.supernet.whole.transform.out_features == 48
    assert trained.encoder.config.hidden_size == 24


def test_micro_batches_change_nothing_without_random_draws(teacher):
    shape = Student(layers=2, hidden=24, heads=4)
    calm = dict(dropout=0.0, load_balance=0.0, objective="tinybert")
    whole, parts = (run(teacher, {"s": shape}, micro_batch=size, **calm)["s"] for size in (0, 3))
    torch.testing.assert_close(weights(parts), weights(whole), rtol=1e-4, atol=1e-6)


def test_unequal_heads_are_refused(teacher):
    with pytest.raises(UserError, match=r"tinybert .* 4 heads; got \[12, 12\]"):
        run(teacher, {"dense": DENSE}, objective="tinybert")
    with pytest.raises(UserError, match="minilm in a round with once_for_all"):
        run(teacher, {}, objective="tinybert", once_for_all=OnceForAll(layers=[1], hidden=[24]))


def test_weights_of_the_parts_are_relative():
    assert settings(tinybert_weights=[2.0, 0.0]).tinybert_weights == [2.0, 0.0]
    own, taught, mask = golden_features(torch.float64)
    both = tinybert(own, taught, mask, HEADS, weights=[1, 3])
    alone = [tinybert(own, taught, mask, HEADS, weights=w) for w in ([1, 0], [0, 1])]
    torch.testing.assert_close(both, (alone[0] + 3 * alone[1]) / 4)
