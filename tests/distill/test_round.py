import json
import math

import goldens
import numpy as np
import pytest
import torch
from tiny_rounds import DENSE, EXPERTS, FINE, HASHED, TinyRecords, run, settings, weights

from minimoe.distill.batch import Batch, TokenCounts
from minimoe.distill.hooks import LayerHooks, Teacher
from minimoe.distill.learner import Learner
from minimoe.distill.load_balance import load_balance, tokens_per_expert
from minimoe.distill.losses import minilm
from minimoe.distill.round import _second, distill
from minimoe.distill.supernet import Supernet
from minimoe.models.experts import ExpertLinear
from minimoe.models.routing import Router
from minimoe.params.resolve import MINILM_TRAINING, OBJECTIVES, TRAINING, WITH_EXPERTS, WITH_ROUTERS
from minimoe.params.rounds import Distill, Experts, Student
from minimoe.system.errors import UserError
from minimoe.tracking import NoTracker
from minimoe.training.optim import cosine_schedule, linear_schedule

DEEP_EXPERTS = EXPERTS.model_copy(update={"layers": 2})
NO_EXPERTS = WITH_EXPERTS | WITH_ROUTERS
FEW_HEADS = Student(layers=2, hidden=24, heads=4)  # as many as the teacher


@pytest.mark.slow
def test_students_learn_and_the_teacher_does_not(teacher):
    before = (teacher / "model.safetensors").read_bytes()
    for result in run(teacher, {"dense": DENSE, "experts": EXPERTS}, epochs=12, learning_rate=0.01).values():
        # random sequences can be learned by heart, not understood
        assert result.curve[-1]["train_loss"] < 0.9 * result.curve[0]["heldout_loss"]
    assert (teacher / "model.safetensors").read_bytes() == before


def test_all_of_a_dense_students_last_layer_learns_with_an_extra_projection_alone(teacher):
    before, published, always = (
        run(teacher, {"dense": DENSE}, **changes)["dense"]
        for changes in ({"epochs": 0}, {"weight_decay": 0.0}, {"weight_decay": 0.0, "extra_projection": "always"})
    )
    last = "encoder.layer.1.output.dense.weight"
    start, own, learnt = (result.encoder.state_dict() for result in (before, published, always))
    assert start.keys() == own.keys() == learnt.keys()
    assert torch.equal(own[last], start[last])
    assert not torch.equal(learnt[last], start[last])


def test_students_that_have_the_extra_projection_anyway_do_not_change(teacher):
    published, always = (run(teacher, {"s": EXPERTS}, extra_projection=key)["s"] for key in ("published", "always"))
    assert torch.equal(weights(published), weights(always))
    run(teacher, {"dense": FEW_HEADS}, extra_projection="always", objective="tinybert")  # has none, and reads no key


def test_teacher_in_memory_is_frozen_and_in_eval(teacher):
    from minimoe.distill.hooks import Teacher

    frozen = Teacher(teacher, "last")
    assert not frozen.model.training
    assert not any(weight.requires_grad for weight in frozen.model.parameters())


def test_a_student_is_the_same_alone_and_among_others(teacher):
    together = run(teacher, {"experts": EXPERTS, "dense": DENSE})
    for name, shape in (("experts", EXPERTS), ("dense", DENSE)):
        alone = run(teacher, {name: shape})[name]
        assert torch.equal(weights(together[name]), weights(alone))
        assert together[name].curve == alone.curve


@pytest.mark.parametrize("then", [None, {"objective": "embedding", "epochs": 1}])
def test_a_student_may_have_a_seed_of_its_own(teacher, then):
    seeded = {f"of-{seed}": DENSE.model_copy(update={"seed": seed}) for seed in (7, 8)}
    together = run(teacher, {"dense": DENSE} | seeded, then=then, dropout=0.2, seed=7)
    assert torch.equal(weights(together["of-7"]), weights(together["dense"]))
    assert not torch.equal(weights(together["of-8"]), weights(together["dense"]))
    assert together["of-8"].learner.key(0)[0] == (_second(8) if then else 8)  # of dropout
    untrained = run(teacher, {"of-8": seeded["of-8"]}, epochs=0, seed=7)["of-8"]
    assert torch.equal(weights(untrained), weights(run(teacher, {"dense": DENSE}, epochs=0, seed=8)["dense"]))


@pytest.mark.parametrize("changes", [{}, {"relation_sequences": 3, "further_layers": [2, 1]}])
@pytest.mark.parametrize("shape", [DENSE, DEEP_EXPERTS])
def test_micro_batches_change_nothing_without_random_draws(teacher, shape, changes):
    calm = dict(dropout=0.0, load_balance=0.0, **changes)
    whole = run(teacher, {"student": shape}, **calm)["student"]
    parts = run(teacher, {"student": shape}, micro_batch=3, **calm)["student"]
    torch.testing.assert_close(weights(parts), weights(whole), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("shape", [DENSE, DEEP_EXPERTS])
def test_held_out_losses_compare_whatever_is_imitated_beside_the_layer(teacher, shape):
    """They are the layer's own within sequences; training differs."""
    plain = run(teacher, {"s": shape})["s"]
    for changes in ({"relation_sequences": 2}, {"further_layers": [1, 2]}):
        other = run(teacher, {"s": shape}, **changes)["s"]
        assert other.curve[0] == plain.curve[0]
        assert not torch.equal(weights(other), weights(plain))
        assert other.curve[-1]["train_loss"] != plain.curve[-1]["train_loss"]


@pytest.mark.parametrize("shape", [DENSE, DEEP_EXPERTS])
def test_a_further_layer_has_its_own_relations(teacher, shape):
    """One step's gradient of its projection, against autograd through the loss of that layer alone."""
    result = run(teacher, {"s": shape}, further_layers=[1], epochs=1)["s"]
    learner, student = result.learner, result.learner.supernet.whole
    batch = Batch.of(TinyRecords(8).batch(np.arange(8)))
    student.eval()
    hidden = []
    handle = student.encoder.encoder.layer[0].register_forward_hook(lambda _m, _i, output: hidden.append(output))
    own, _ = student(**batch.inputs)
    handle.remove()
    assert list(student.further) == ["1"]  # by the teacher's layer, as a second phase may have others
    expected = student.further["1"]["key"](hidden[0])
    assert torch.equal(own.further[0].key, expected)
    taught = Teacher(teacher, "last", further=[1])(batch)
    alone = Teacher(teacher, 1)(batch)
    assert torch.equal(taught.further[0].value, alone.value)
    loss = learner.loss(own, taught, batch.mask, TokenCounts.of(batch.mask.sum(1).tolist()))
    heads = learner.settings.relation_heads
    parts = [
        minilm(own._replace(further=()), taught, batch.mask, heads),
        minilm(own.further[0], alone, batch.mask, heads),
    ]
    torch.testing.assert_close(loss, sum(parts) / 2)


@pytest.mark.parametrize("shape", [EXPERTS, FINE])
def test_micro_batches_change_nothing_with_a_load_balance_as_large_as_the_loss(teacher, shape):
    calm = dict(dropout=0.0, load_balance=1.0, router_z_loss=0.1)
    whole = run(teacher, {"student": shape}, **calm)["student"]
    parts = run(teacher, {"student": shape}, micro_batch=3, **calm)["student"]
    torch.testing.assert_close(weights(parts), weights(whole), rtol=1e-4, atol=1e-6)
    off = run(teacher, {"student": shape}, **calm | {"load_balance": 0.0})["student"]
    assert (weights(off) - weights(whole)).abs().max() > 1e-4


@pytest.mark.parametrize("objective", ["minilm", "tinybert"])
def test_experts_chosen_by_hash_learn_without_a_load_balance(teacher, objective):
    calm = dict(dropout=0.0, objective=objective)
    four = {"heads": 4, "experts": Experts(ffn=3, router="hash")}
    shape = HASHED if objective == "minilm" else HASHED.model_copy(update=four)
    whole = run(teacher, {"student": shape}, **calm)["student"]
    assert whole.metrics()["heldout_loss"] < whole.metrics()["heldout_loss_initial"]
    assert "expert_load" not in whole.metrics()  # the vocabulary and the text decide it
    parts = run(teacher, {"student": shape}, micro_batch=3, **calm, load_balance=1.0)["student"]
    torch.testing.assert_close(weights(parts), weights(whole), rtol=1e-4, atol=1e-6)


def test_a_round_balances_all_assignments(teacher):
    learner = run(teacher, {"fine": FINE}, epochs=1, load_balance=1.0)["fine"].learner
    batch = Batch.of(TinyRecords().batch(np.arange(8)))
    learner.supernet.eval()
    ((_, logits),) = learner.forward(("fine",), batch).values()
    (attention,), (ffn,), mask = logits["attention"], logits["ffn"], batch.mask.flatten()
    found = learner.router_loss(logits, batch.mask, TokenCounts.of(batch.mask.sum(1).tolist()))
    one, two = (load_balance(ffn, mask, tokens_per_expert(ffn, mask, active)) for active in (1, 2))
    torch.testing.assert_close(found, (load_balance(attention, mask) + two) / 2)
    assert (one - two).abs() > 1e-4


def test_the_load_of_experts_that_a_token_goes_to_several_of_is_a_share(teacher):
    """Of all assignments: a share of 1/k is one of all tokens."""
    result = run(teacher, {"fine": FINE}, dropout=0.0)["fine"]
    shares, records = result.metrics()["expert_load"], TinyRecords()
    assert all(sum(shares[kind][0]) == pytest.approx(1) for kind in ("attention", "ffn"))
    model, found = result.encoder.eval(), []
    model.encoder.layer[0].ffn_gate.register_forward_hook(lambda _m, _i, logits: found.append(logits))
    batch = records.batch(np.arange(8))
    model(**batch)
    chosen = found[0][batch["attention_mask"].flatten() > 0].topk(2).indices
    expected = torch.bincount(chosen.flatten(), minlength=5) / chosen.numel()
    assert shares["ffn"][0] == pytest.approx(expected.tolist())


def test_routers_of_a_teacher_compute_in_fp32(teacher, tmp_path):
    shape = Student.model_validate({"layers": 2, "hidden": 24, "experts": {"ffn": 4}})
    run(teacher, {"s": shape}, epochs=0)["s"].encoder.save_pretrained(tmp_path)
    modules = Teacher(tmp_path, "last", precision="bf16").model.modules()
    kinds = {type(module): module.weight.dtype for module in modules if isinstance(module, torch.nn.Linear)}
    assert kinds == {Router: torch.float32, ExpertLinear: torch.bfloat16}


def test_curve_does_not_depend_on_how_often_it_is_logged(teacher):
    curve = run(teacher, {"dense": DENSE})["dense"].curve
    assert [row["step"] for row in curve] == [0, 3, 6, 8]
    assert curve[0]["train_loss"] is None
    assert all(np.isfinite(row["heldout_loss"]) for row in curve)


def test_zero_epochs_leave_the_student_as_it_starts(teacher):
    untrained = run(teacher, {"dense": DENSE}, epochs=0)["dense"]
    trained = run(teacher, {"dense": DENSE})["dense"]
    assert len(untrained.curve) == 1
    assert untrained.metrics()["heldout_loss"] == trained.metrics()["heldout_loss_initial"]
    assert untrained.metrics()["steps"] == 0


def test_expert_load_and_entropy_are_measured(teacher):
    result = run(teacher, {"experts": EXPERTS})["experts"]
    metrics = result.metrics()
    assert [len(shares) for shares in metrics["expert_load"]["ffn"]] == [3]
    assert sum(metrics["expert_load"]["attention"][0]) == pytest.approx(1)
    assert 0 <= metrics["router_entropy"]["ffn"][0] <= np.log(3) + 1e-6
    logged = {key for _, values in result.points for key in values}
    assert {
        "train_loss",
        "heldout_loss",
        "expert_load/ffn/layer_0/expert_2",
        "router_entropy/attention/layer_0",
    } <= logged


@pytest.mark.parametrize(
    ("shape", "changes", "still"),
    [
        (DENSE, {"relation_weights": [1, 0, 1]}, "layer.1.attention.self.key"),
        (EXPERTS, {"relation_weights": [0, 1, 1]}, "projection.query"),
        (FEW_HEADS, {"objective": "tinybert", "tinybert_weights": [0, 1]}, "layer.1.attention.self.value"),
        (FEW_HEADS, {"objective": "tinybert", "tinybert_weights": [0, 1]}, "transform"),
    ],
)
def test_weights_that_the_loss_does_not_reach_stay_as_they_start(teacher, shape, changes, still):
    """Decay would shrink them."""
    start, end = (run(teacher, {"student": shape}, epochs=epochs, **changes)["student"] for epochs in (0, 2))
    before = dict(start.learner.supernet.named_parameters())
    moved = {name: not torch.equal(w, before[name]) for name, w in end.learner.supernet.named_parameters()}
    found = {name for name in moved if still in name}
    assert len(found) == 2 and not any(moved[name] for name in found)
    assert moved["whole.encoder.encoder.layer.0.output.LayerNorm.weight"]
    assert moved["whole.encoder.embeddings.word_embeddings.weight"]


@pytest.mark.parametrize("layer", [1, 3])
def test_any_teacher_layer_can_be_imitated(teacher, layer):
    run(teacher, {"dense": DENSE}, teacher_layer=layer, epochs=1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(teacher_layer=4), "teacher_layer: expected last or 1 to 3"),
        (dict(relation_heads=5), "relation_heads: expected a divisor of 48"),
        (dict(batch=33), "distill.batch: expected at most 32"),
    ],
)
def test_settings_that_do_not_fit_are_named(teacher, changes, message):
    with pytest.raises(UserError, match=message):
        run(teacher, {"dense": DENSE}, **changes)


def test_records_longer_than_the_teachers_positions_are_named(teacher):
    with pytest.raises(UserError, match=r"corpus.records.max_length: expected at most 16, .*; got 17"):
        run(teacher, {"dense": DENSE}, TinyRecords(max_length=17))


def test_a_nan_loss_stops_the_round(teacher, monkeypatch):
    loss = Learner.loss
    monkeypatch.setattr(
        Learner, "loss", lambda self, *a, **k: loss(self, *a, **k) * (torch.nan if self.step == 2 else 1)
    )
    with pytest.raises(UserError, match=r"student dense: .* nan at step 3"):
        run(teacher, {"dense": DENSE})


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_trains_to_about_the_same_loss(teacher, precision):
    whole, half = (run(teacher, {"experts": EXPERTS}, precision=p)["experts"].metrics() for p in ("fp32", precision))
    assert half["heldout_loss"] == pytest.approx(whole["heldout_loss"], rel=0.05)
    assert half["heldout_loss"] != whole["heldout_loss"]


@pytest.mark.slow
def test_an_overflowing_step_is_left_out(teacher, monkeypatch):
    """fp16 begins with a scale that can overflow: such a step changes nothing and does not stop the round."""
    starts = run(teacher, {"dense": DENSE}, epochs=0)["dense"]
    scaler = torch.amp.GradScaler
    monkeypatch.setattr(torch.amp, "GradScaler", lambda *a, **k: scaler(*a, init_scale=1e38, backoff_factor=0.999, **k))
    unmoved = run(teacher, {"dense": DENSE}, precision="fp16")["dense"]
    assert torch.equal(weights(unmoved), weights(starts))
    assert not any("gradient_norm" in values for _, values in unmoved.points)


def test_schedule_warms_up_and_decays_to_zero():
    assert [linear_schedule(step, 6, 2) for step in range(7)] == [0, 0.5, 1, 0.75, 0.5, 0.25, 0]
    cosine = [(1 + math.cos(math.pi * done / 4)) / 2 for done in range(5)]
    assert [cosine_schedule(step, 6, 2) for step in range(7)] == pytest.approx([0, 0.5, *cosine])


def test_a_round_follows_its_schedule(teacher):
    tracked = {}
    for schedule in ("linear", "cosine"):
        result = run(teacher, {"dense": DENSE}, schedule=schedule, warmup=0.0)["dense"]  # of 8 steps
        tracked[schedule] = [values["learning_rate"] for _, values in result.points if "learning_rate" in values]
    assert tracked["linear"] == pytest.approx([1e-3 * (1 - step / 8) for step in range(8)])
    assert tracked["cosine"] == pytest.approx([1e-3 * (1 + math.cos(math.pi * step / 8)) / 2 for step in range(8)])


def test_six_steps_equal_the_published_trajectory():
    from accelerate import Accelerator

    name = "train_bert_minilm_r12"
    published = json.loads((goldens.FOLDER / name / "trajectory.json").read_text())
    student = goldens.student(name, file="weights_init")
    for module in student.modules():
        if isinstance(getattr(module, "dropout", None), float):
            module.dropout = 0.0
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    chosen = settings(learning_rate=3e-3, warmup=2 / 6, gradient_norm=1.0, log_epsilon=1e-7)
    supernet = Supernet(student, {"student": student.encoder.config})
    learner = Learner(supernet, chosen, steps=6, seed=0, accelerator=Accelerator(cpu=True))
    hooks, inputs = LayerHooks(goldens.teacher(name), "last"), goldens.tensors(name, "inputs")
    for step in range(6):
        batch = {key: inputs[f"{key}.{step % 3}"] for key in ("input_ids", "attention_mask", "token_type_ids")}
        with torch.no_grad():
            features = hooks(**batch)
        learner.accumulate(Batch.of(batch), features, TokenCounts.of(batch["attention_mask"].sum(1)))
        logged = learner.update()["student"]
        assert float(logged["train_loss"]) == pytest.approx(published["losses"][step], rel=1e-5)
        assert float(logged["gradient_norm"]) == pytest.approx(published["grad_norms_before_clip"][step], rel=1e-4)
        assert logged["learning_rate"] == pytest.approx(published["lr_used"][step])
    final = goldens.tensors(name, "weights_final")
    for key, weight in student.named_parameters():
        assert goldens.error(weight, final[goldens.published_name(key)]) < 1e-5, key


@pytest.mark.parametrize(("precision", "epochs", "lines"), [("bf16", 1, 1), ("fp32", 1, 0), ("bf16", 0, 0)])
def test_a_round_says_once_at_its_start_that_its_precision_is_slower(
    teacher, monkeypatch, capsys, precision, epochs, lines
):
    monkeypatch.setattr(
        "minimoe.distill.round.product_rate", lambda precision, device: {"fp32": 2.0, "bf16": 1.0}[precision]
    )
    run(teacher, {"dense": DENSE}, precision=precision, epochs=epochs)
    assert capsys.readouterr().err.count("distill.precision:") == lines


def test_experts_may_learn_at_a_rate_of_their_own(teacher):
    """AdamW's first step is as long as the rate, whatever the gradient, and weights decay by the rate they learn at."""
    one = dict(batch=32, epochs=1, warmup=0.0, weight_decay=0.1, adam_epsilon=1e-20, learning_rate=0.01)
    before = run(teacher, {"experts": EXPERTS}, **one | {"epochs": 0})["experts"].encoder.state_dict()
    after = run(teacher, {"experts": EXPERTS}, expert_learning_rate=3.0, **one)["experts"].encoder.state_dict()
    for name in ("intermediate.dense.weight", "attention.self.query.weight", "attn_gate.weight", "ffn_gate.weight"):
        name = f"encoder.layer.0.{name}"
        rate = 0.03 if before[name].dim() == 3 else 0.01
        assert before[name].dim() == 2 + ("gate" not in name)
        decayed = after[name] / (1 - rate * 0.1)
        assert (decayed - before[name]).abs().max().item() == pytest.approx(rate, rel=1e-3), name


@pytest.mark.parametrize(
    ("student", "objective", "epochs", "unread"),
    [
        (DENSE, "minilm", 1, NO_EXPERTS | OBJECTIVES["tinybert"] - OBJECTIVES["minilm"]),
        (HASHED, "minilm", 1, WITH_ROUTERS | OBJECTIVES["tinybert"] - OBJECTIVES["minilm"]),
        (EXPERTS, "minilm", 0, NO_EXPERTS | TRAINING | MINILM_TRAINING),
        (FEW_HEADS, "tinybert", 1, NO_EXPERTS | MINILM_TRAINING | OBJECTIVES["minilm"] - OBJECTIVES["tinybert"]),
        (DENSE, "embedding", 1, NO_EXPERTS | MINILM_TRAINING | OBJECTIVES["minilm"] | OBJECTIVES["tinybert"]),
    ],
)
def test_a_round_reads_no_more_than_its_settings(teacher, student, objective, epochs, unread):
    whole = settings(epochs=epochs, objective=objective)
    kept = Distill.model_construct(**whole.model_dump(exclude=unread))
    assert not any(hasattr(kept, key) for key in unread)
    made = distill(teacher, TinyRecords(), {"s": student}, kept, 7, trackers={"s": NoTracker()})
    again = run(teacher, {"s": student}, epochs=epochs, objective=objective)
    assert torch.equal(weights(made["s"]), weights(again["s"]))
