"""Every kind of encoder as a teacher: tiny random models through hooks, records, a round and the saved students."""

import gc
import weakref

import backbones
import pytest
import torch
from tiny_rounds import run
from torch.nn import functional
from transformers import AutoModel, AutoTokenizer, BertModel, RobertaModel

from minimoe.corpus.build import build_records
from minimoe.distill import hooks
from minimoe.distill.batch import Batch
from minimoe.distill.hooks import QKV, LayerHooks, Teacher
from minimoe.distill.round import write_students
from minimoe.distill.student import StudentWithFeatures
from minimoe.models import MiniMoEConfig, MiniMoEModel
from minimoe.models.kinds import KINDS
from minimoe.params.rounds import OnceForAll, Student
from minimoe.records.dataset import Records
from minimoe.system.errors import UserError
from minimoe.teacher.copy import copy_teacher
from minimoe.teacher.tokenizer import copy_tokenizer

CASES = [
    *((kind, "last") for kind in backbones.CONFIGS),
    ("roberta", 2), ("bert-24-layers", 21), ("modernbert", 1), ("modernbert", 2), ("deberta-v2", 2),
]  # fmt: skip
STUDENTS = {
    "dense": Student(layers=2, hidden=24),
    "experts": Student.model_validate({"layers": 1, "hidden": 24, "experts": {"attention": 2, "ffn": 3}}),
}
every_case = pytest.mark.parametrize(("kind", "layer"), CASES)


def comparing_scores(cases):
    """Those whose attention scores TinyBERT can compare."""
    return [case for case in cases if case[0] not in {"deberta-v2", "eurobert", "modernbert", "mpnet", "nomic_bert"}]


def padded(records):
    """Six records, all but one of them cut short."""
    batch = records.batch(range(6))
    mask = torch.arange(backbones.TOKENS) < backbones.TOKENS - 3 * torch.arange(6)[:, None]
    return {
        "input_ids": batch["input_ids"].where(mask, records.manifest["pad_id"]),
        "attention_mask": mask.long(),
        "token_type_ids": batch["token_type_ids"] * mask,
    }


@pytest.fixture(scope="module")
def teachers(tmp_path_factory):
    """As the stages teacher and tokenizer make them of published ones."""
    root = tmp_path_factory.mktemp("teachers")
    for kind in backbones.CONFIGS:
        published = backbones.save(kind, root / "published" / kind)
        copy_tokenizer(str(published), root / "tokenizer" / kind)
        copy_teacher(str(published), root / "tokenizer" / kind, root / kind)
    return {kind: root / kind for kind in backbones.CONFIGS}


@pytest.fixture(scope="module")
def records(teachers, tmp_path_factory):
    """Records made with each teacher's own tokenizer."""
    root = tmp_path_factory.mktemp("records")
    (root / "formatted").mkdir()
    lines = backbones.TEXT.splitlines()
    documents = ["\n".join(lines[at % 3 :] + lines[: at % 2]) for at in range(16)]
    (root / "formatted/0.txt").write_text("\n\n".join(documents) + "\n")
    for kind, folder in teachers.items():
        build_records(root / "formatted", folder, root / kind, backbones.TOKENS, 0.1, 10**6, 0.3, seed=1, workers=1)
    return {kind: Records(root / kind) for kind in teachers}


def layers_of(encoder):
    return encoder.get_submodule(KINDS[encoder.config.model_type].layers)


def projections(model, number, states):
    """Queries, keys and values of a layer by its weights, of the states before it [B, T, D]."""
    kind, weights = model.config.model_type, model.state_dict()
    prefix = f"layers.{number - 1}." if f"layers.{number - 1}.self_attn.q_proj.weight" in weights else ""
    prefix = prefix or next(key for key in weights if f"layers.{number - 1}." in key or f"layer.{number - 1}." in key)
    prefix = prefix[: prefix.index(f".{number - 1}.") + len(f".{number - 1}.")]

    def linear(name, x):
        return functional.linear(x, weights[f"{prefix}{name}.weight"], weights.get(f"{prefix}{name}.bias"))

    def layer_norm(name, eps):
        return functional.layer_norm(states, states.shape[-1:], weights[f"{prefix}{name}.weight"],
                                     weights.get(f"{prefix}{name}.bias"), eps)  # fmt: skip

    match kind:
        case "modernbert":
            normed = layer_norm("attn_norm", 1e-5) if number > 1 else states
            return linear("attn.Wqkv", normed).split(24, -1)
        case "eurobert":
            normed = states * (states.square().mean(-1, keepdim=True) + 1e-5).rsqrt()
            normed = normed * weights[f"{prefix}input_layernorm.weight"]
            return [linear(f"self_attn.{name}_proj", normed) for name in "qkv"]
        case "nomic_bert":
            return [linear(f"self_attn.{name}_proj", states) for name in "qkv"]
        case "mpnet":
            return [linear(f"attention.attn.{name}", states) for name in "qkv"]
        case "deberta-v2":
            return [linear(f"attention.self.{name}_proj", states) for name in QKV]
        case "megatron-bert":
            normed = layer_norm("attention.ln", 1e-12)
            return [linear(f"attention.self.{name}", normed) for name in QKV]
    return [linear(f"attention.self.{name}", states) for name in QKV]


@pytest.mark.slow
@every_case
def test_features_are_the_layers_projections_and_nothing_above_is_kept(kind, layer, teachers, records, monkeypatch):
    whole, load = [], hooks.load_encoder
    monkeypatch.setattr(hooks, "load_encoder", lambda *a, **k: whole.append(load(*a, **k)) or whole[0])
    teacher = Teacher(teachers[kind], layer)
    layers = [weakref.ref(part) for part in layers_of(whole.pop())]
    gc.collect()
    batch = padded(records[kind])
    number = len(layers) if layer == "last" else layer
    assert [part() is not None for part in layers] == [at < number for at in range(1, len(layers) + 1)]
    assert len(layers_of(teacher.model)) == number
    stock = AutoModel.from_pretrained(teachers[kind]).eval()
    with torch.no_grad():
        states = stock(**batch, output_hidden_states=True).hidden_states[number - 1]
        expected = projections(stock, number, states)
    real = batch["attention_mask"].bool()
    assert not real.all()
    features = teacher(Batch.of(batch))
    assert [features.query.shape[-1], features.key.shape[-1]] == [24, 12 if kind == "eurobert" else 24]
    for name, value in zip(QKV, expected, strict=True):
        assert getattr(features, name).isfinite().all()
        torch.testing.assert_close(getattr(features, name)[real], value[real])
    read = {name.rsplit(".", 1)[0] for name, _ in layers_of(teacher.model)[-1].named_parameters()}
    assert read - {"norm"} == {f"projections.{at}" for at in range(1 if kind == "modernbert" else 3)}
    has_norm = kind in {"eurobert", "megatron-bert"} or (kind == "modernbert" and number > 1)
    assert ("norm" in read) == has_norm


@pytest.mark.slow
@every_case
def test_the_cut_teacher_reads_what_the_whole_one_does_and_padding_changes_nothing(kind, layer, teachers, records):
    batch = padded(records[kind])
    real = batch["attention_mask"].bool()
    teacher = Teacher(teachers[kind], layer)
    cut = teacher(Batch.of(batch))
    whole = LayerHooks(AutoModel.from_pretrained(teachers[kind]).eval(), layer, states=True)
    with torch.no_grad():
        uncut = whole(**Batch.of(batch).inputs)
    for name in QKV:
        torch.testing.assert_close(getattr(cut, name)[real], getattr(uncut, name)[real])
    for row, length in enumerate(real.sum(1).tolist()):
        alone = teacher(Batch.of({key: value[row : row + 1, :length] for key, value in batch.items()}))
        for name in QKV:
            torch.testing.assert_close(getattr(alone, name)[0], getattr(cut, name)[row, :length], atol=1e-4, rtol=1e-4)


def test_a_student_stays_whole():
    student = StudentWithFeatures(MiniMoEModel(MiniMoEConfig(**backbones.SMALL), add_pooling_layer=False), seed=0)
    names = {name for name, _ in student.named_parameters()}
    assert sum("layer.2.output.dense" in name for name in names) == 2 and len(student.encoder.encoder.layer) == 3
    assert not any("projections" in name for name in names)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "layer"), comparing_scores(CASES))
def test_states_of_tinybert_are_the_embeddings_and_the_layers_output(kind, layer, teachers, records):
    teacher = Teacher(teachers[kind], layer, states=True)
    batch = records[kind].batch(range(6))
    with torch.no_grad():
        states = AutoModel.from_pretrained(teachers[kind]).eval()(**batch, output_hidden_states=True).hidden_states
    features = teacher(Batch.of(batch))
    assert torch.equal(features.embeddings, states[0])
    assert torch.equal(features.hidden, states[-1 if layer == "last" else layer])


@pytest.mark.slow
@every_case
def test_a_round_from_records_to_saved_students(kind, layer, teachers, records, tmp_path):
    before = (teachers[kind] / "model.safetensors").read_bytes()
    made = records[kind]
    results = run(teachers[kind], STUDENTS, made, epochs=1, batch=len(made.training) // 2, teacher_layer=layer)
    write_students(results, teachers[kind], tmp_path / "round")
    assert (teachers[kind] / "model.safetensors").read_bytes() == before
    teacher = AutoModel.from_pretrained(teachers[kind]).config
    for name, result in results.items():
        assert result.metrics()["steps"] == 2
        student = AutoModel.from_pretrained(tmp_path / "round" / name).eval()
        plain = RobertaModel if kind in backbones.LIKE_ROBERTA else BertModel
        assert type(student) is (plain if name == "dense" else MiniMoEModel)
        for value in ("vocab_size", "pad_token_id", "max_position_embeddings"):
            assert getattr(student.config, value) == getattr(teacher, value), value
        assert student.config.type_vocab_size == (getattr(teacher, "type_vocab_size", 0) or 2)
        assert student.config.layer_norm_eps == getattr(teacher, "layer_norm_eps", 1e-12)
        tokenizer = AutoTokenizer.from_pretrained(tmp_path / "round" / name)
        assert tokenizer(backbones.TEXT) == AutoTokenizer.from_pretrained(teachers[kind])(backbones.TEXT)
        trained = result.encoder.state_dict()
        saved = student.state_dict()
        assert set(saved) - set(trained) == {"pooler.dense.weight", "pooler.dense.bias"}  # drawn when it is loaded
        assert all(torch.equal(saved[key], weight) for key, weight in trained.items())
        assert student(**made.batch(range(8))).last_hidden_state.isfinite().all()


@pytest.mark.parametrize("kind", backbones.LIKE_ROBERTA)
def test_positions_of_students_begin_behind_the_padding_id(kind, teachers, records, tmp_path):
    write_students(run(teachers[kind], STUDENTS, records[kind], epochs=0), teachers[kind], tmp_path / "round")
    everything = records[kind].batch(range(len(records[kind])))
    mask = everything["attention_mask"]
    assert mask.shape[1] == backbones.TOKENS  # the longest records reach the last position
    for name in STUDENTS:
        student, seen = AutoModel.from_pretrained(tmp_path / "round" / name), []
        positions = student.embeddings.position_embeddings
        positions.register_forward_pre_hook(lambda _module, ids, seen=seen: seen.append(ids[0]))
        student(**everything)
        assert torch.equal(seen[0], torch.where(mask.bool(), mask.cumsum(1) + 1, 1))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["electra-narrow", "ernie", "megatron-bert", "mpnet", "roberta", "xlm-roberta"])
def test_families_and_tinybert_under_every_kind(kind, teachers, records, tmp_path):
    made = records[kind]
    shared = {"records": made, "epochs": 1, "batch": len(made.training)}
    sizes = OnceForAll(layers=[2, 1], hidden=[24, 12], heads=4, idle_norms=True)
    results = run(teachers[kind], {}, once_for_all=sizes, relation_heads=4, **shared)
    four_heads = {"tiny": Student(layers=2, hidden=12, heads=4)}
    if comparing_scores([(kind, "last")]):
        results |= run(teachers[kind], four_heads, objective="tinybert", **shared)
    write_students(results, teachers[kind], tmp_path / "round")
    assert len(results) == 4 + bool(comparing_scores([(kind, "last")]))
    for name, result in results.items():
        assert result.metrics()["heldout_loss"] > 0
        student = AutoModel.from_pretrained(tmp_path / "round" / name).eval()
        assert student(**made.batch(range(8))).last_hidden_state.isfinite().all()


@pytest.mark.parametrize("kind", ["deberta-v2", "mpnet", "modernbert"])
def test_attention_scores_with_positions_are_not_for_tinybert(kind, teachers, records):
    with pytest.raises(UserError, match=rf"distill\.objective: expected minilm .* {kind} also depend on positions"):
        run(teachers[kind], {"tiny": Student(layers=2, hidden=24, heads=4)}, records[kind], objective="tinybert")


def test_relation_heads_are_checked_against_each_projection(teachers, records):
    """Keys and values of grouped queries are narrower: 12 of 24."""
    with pytest.raises(UserError, match=r"relation_heads: expected a divisor of 12, the width of the key .* got 24"):
        run(teachers["eurobert"], {"dense": STUDENTS["dense"]}, records["eurobert"], relation_heads=24)


def test_segments_that_a_teacher_has_not_are_one_line(records, tmp_path):
    """Its embedding would raise an error at the first second segment."""
    backbones.save("bert", tmp_path, type_vocab_size=1)
    with pytest.raises(UserError, match=r"data/records: expected one segment, all that the teacher .* has; got two"):
        run(tmp_path, {"dense": STUDENTS["dense"]}, records["bert"])


def test_a_layer_without_the_modules_of_its_kind_is_one_line(teachers):
    encoder = AutoModel.from_pretrained(teachers["mpnet"])
    del encoder.encoder.layer[2].attention.attn.k
    with pytest.raises(UserError, match=r"expected attention\.attn\.k in a MPNetLayer of kind mpnet, found none"):
        LayerHooks(encoder, 3)


def test_projections_of_another_shape_are_one_line(teachers, records):
    encoder = AutoModel.from_pretrained(teachers["bert"]).eval()
    read = LayerHooks(encoder, "last")
    query = read.layers[-1].projections[0]
    query.register_forward_hook(lambda _module, _input, output: output[:1])
    read_again = LayerHooks(encoder, "last")  # its hook comes after that one
    with pytest.raises(UserError, match=r"expected the query of layer 3 as \(6, \d+, 24\), got \(1, \d+, 24\)"):
        read_again(**Batch.of(records["bert"].batch(range(6))).inputs)


def test_every_kind_has_a_tiny_model_here():
    kinds = {config.model_type for config, _ in backbones.CONFIGS.values()}
    assert kinds | {"minimoe"} == set(KINDS)
