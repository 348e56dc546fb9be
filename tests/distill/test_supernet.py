import goldens
import pytest
import torch
from tiny_rounds import DENSE, run, settings
from transformers import BertConfig, BertModel

from minimoe.distill.hooks import LayerHooks
from minimoe.distill.losses import QKV, minilm
from minimoe.distill.start import StudentFactory
from minimoe.distill.student import StudentWithFeatures
from minimoe.distill.supernet import Supernet
from minimoe.models import MiniMoEConfig
from minimoe.models.save import standard_form
from minimoe.models.shapes import with_idle_layers
from minimoe.models.slices import leading_slices
from minimoe.params.rounds import OnceForAll

NAME = "ofabert_minilm"
SHAPES = OnceForAll(layers=[1, 2], hidden=[24, 12], heads=4)


def golden_supernet(dtype: torch.dtype, *, grouped: bool = False) -> Supernet:
    """The published once-for-all student: layers that a subnet leaves out keep their LayerNorms."""
    weights = goldens.tensors(NAME, "weights", dtype)
    values = {k: goldens.config(NAME)[k] for k in ("vocab_size", "max_position_embeddings")}
    subnets = {}
    for layers in (1, 2, 3):
        for hidden in (16, 24, 32, 48):
            shape = MiniMoEConfig(
                **values, hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=hidden // 4,
                intermediate_size=4 * hidden,
            )  # fmt: skip
            subnets[f"{layers},{hidden}"] = with_idle_layers(shape, 3)
    encoder = goldens.encoder(NAME, dtype)
    widths = [tuple(f"{layers},{hidden}" for layers in (1, 2, 3)) for hidden in (16, 24, 32, 48)]
    whole = StudentWithFeatures(encoder, 0, extra_projection=True).to(dtype)
    whole.projection.load_state_dict({k.removeprefix("self."): v for k, v in weights.items() if k.startswith("self.")})
    return Supernet(whole, subnets, widths if grouped else None).eval()


@pytest.mark.slow
@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_subnets_equal_the_published(dtype, grouped):
    supernet, inputs = golden_supernet(dtype, grouped=grouped), goldens.tensors(NAME, "inputs")
    taught = LayerHooks(goldens.teacher("bert_minilm_r12_student", dtype), "last")(**inputs)
    losses = goldens.tensors(NAME, "losses" if dtype == torch.float32 else "losses_f64")
    published = goldens.tensors(NAME, "outputs")
    mean = 0.0
    for name, (features, _) in _all(supernet, inputs).items():
        loss = minilm(features, taught, inputs["attention_mask"], 12, log_epsilon=1e-7)
        assert goldens.error(loss, losses[f"{name}/loss"]) < goldens.tolerance(dtype), name
        mean = mean + loss / len(supernet.subnets)
        hidden = supernet.subnet(name).encoder(**inputs).last_hidden_state
        width = hidden.shape[-1]
        # the published output has zeros up to the full width
        assert goldens.error(hidden, published[f"{name}/last_hidden_state"][..., :width]) < 1e-5, name
        assert not published[f"{name}/last_hidden_state"][..., width:].any()
    if dtype == torch.float32:
        assert goldens.error(mean, losses["mean_loss"]) < 1e-5
        mean.backward()
        grads = goldens.tensors(NAME, "grads")
        size = torch.stack([gradient.norm() for gradient in grads.values()]).max()
        ours = {goldens.published_name(k): w.grad for k, w in supernet.whole.named_parameters() if w.grad is not None}
        compared = ours.keys() & grads.keys()
        assert len(compared) > 50
        for key in compared:
            assert (ours[key] - grads[key]).norm() < 1e-5 * size, key


def test_a_subnet_computes_what_it_is_once_cut_out():
    supernet = golden_supernet(torch.float32)
    inputs = goldens.tensors(NAME, "inputs")
    for name in ("1,16", "2,48", "3,24"):
        alone, shared = supernet.subnet(name)(**inputs)[0], supernet((name,), **inputs)[name][0]
        for kind in QKV:
            torch.testing.assert_close(getattr(alone, kind), getattr(shared, kind), rtol=1e-4, atol=1e-6)


def _all(supernet: Supernet, inputs: dict) -> dict:
    """What every subnet returns."""
    return {name: found for names in supernet.groups for name, found in supernet(names, **inputs).items()}


@pytest.mark.slow
@pytest.mark.parametrize("idle_norms", [False, True])
def test_subnets_of_a_width_run_as_one(teacher, idle_norms):
    shapes = OnceForAll(layers=[1, 2, 3], hidden=[24, 12], heads=4, idle_norms=idle_norms)
    alone = shapes.model_copy(update={"own_dropout": True})
    as_one, apart = (run(teacher, {}, once_for_all=s, dropout=0.0, learning_rate=0.01) for s in (shapes, alone))
    assert list(as_one) == list(apart) == list(shapes.students)
    for name, result in as_one.items():
        ours, theirs = ([point["heldout_loss"] for point in of.curve] for of in (result, apart[name]))
        assert ours == pytest.approx(theirs, rel=1e-4), name
        weights = apart[name].encoder.state_dict()
        for key, weight in result.encoder.state_dict().items():
            torch.testing.assert_close(weight, weights[key], rtol=1e-3, atol=1e-5)


def test_layers_that_subnets_share_run_once(teacher):
    shapes = OnceForAll(layers=[1, 2, 3], hidden=[24, 12], heads=4)
    counts = {}
    for own_dropout in (False, True):
        start = StudentFactory(BertConfig.from_pretrained(teacher), settings(), 0)
        supernet = start.once_for_all(shapes.model_copy(update={"own_dropout": own_dropout}))
        ran = []
        for skeleton in supernet._skeletons[0].values():
            for layer in skeleton.encoder.encoder.layer:
                layer.register_forward_hook(lambda *_: ran.append(1))  # noqa: B023 (read within this turn)
        _all(supernet, {"input_ids": torch.ones(2, 5, dtype=torch.long)})
        counts[own_dropout] = len(ran)
    assert counts == {False: 2 * 3, True: 2 * (1 + 2 + 3)}


@pytest.mark.slow
def test_a_round_makes_plain_students_of_every_shape(teacher):
    results = run(teacher, {"dense": DENSE}, once_for_all=SHAPES, epochs=12, learning_rate=0.01)
    assert list(results) == ["dense", "1L-12H", "1L-24H", "2L-12H", "2L-24H"]
    for name, student in SHAPES.students.items():
        # random sequences can be learned by heart, not understood
        assert results[name].curve[-1]["train_loss"] < results[name].curve[0]["heldout_loss"]
        assert {"train_loss", "gradient_norm", "heldout_loss"} <= {k for _, v in results[name].points for k in v}
        encoder = standard_form(results[name].encoder)
        assert type(encoder) is BertModel
        assert (encoder.config.num_hidden_layers, encoder.config.hidden_size) == (student.layers, student.hidden)
        assert encoder.config.num_attention_heads == student.hidden // 6
        assert encoder.config.intermediate_size == 4 * student.hidden
    small, large = (results[name].encoder.state_dict() for name in ("1L-12H", "2L-24H"))
    for name, part in leading_slices(large, small).items():
        assert torch.equal(part, small[name]), name
    alone = run(teacher, {"dense": DENSE}, epochs=12, learning_rate=0.01)["dense"]
    assert alone.curve == results["dense"].curve  # a supernet beside it changes nothing


def test_idle_layers_keep_their_norms_where_asked(teacher):
    shapes = SHAPES.model_copy(update={"idle_norms": True})
    encoder = run(teacher, {}, once_for_all=shapes, epochs=0)["1L-12H"].encoder
    assert encoder.config.layer_heads == [2, 0] and encoder.config.layer_neurons == [48, 0]
    idle = [name for name, _ in encoder.encoder.layer[1].named_parameters()]
    assert sorted(idle) == sorted(
        f"{part}.LayerNorm.{kind}" for part in ("attention.output", "output") for kind in ("weight", "bias")
    )
    assert not encoder.config.is_plain


def test_a_supernet_repeats_to_the_bit(teacher):
    once, again = (run(teacher, {}, once_for_all=SHAPES)["1L-24H"] for _ in range(2))
    assert once.curve == again.curve
    for name, weight in once.encoder.state_dict().items():
        assert torch.equal(weight, again.encoder.state_dict()[name]), name


def test_micro_batches_change_nothing_without_random_draws(teacher):
    whole, parts = (run(teacher, {}, once_for_all=SHAPES, micro_batch=n, dropout=0.0)["2L-12H"] for n in (0, 3))
    assert parts.metrics()["heldout_loss"] == pytest.approx(whole.metrics()["heldout_loss"], rel=1e-5)
