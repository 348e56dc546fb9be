"""Every kind of encoder as a teacher: tiny random models through hooks, records, a round and the saved students."""

import gc
import weakref

import backbones
import pytest
import torch
from tiny_rounds import run
from transformers import AutoModel, AutoTokenizer, BertModel, RobertaModel

from minimoe.corpus.build import build_records
from minimoe.distill import hooks
from minimoe.distill.batch import Batch
from minimoe.distill.hooks import QKV, Teacher
from minimoe.distill.round import write_students
from minimoe.distill.student import StudentWithFeatures
from minimoe.models import MiniMoEConfig, MiniMoEModel
from minimoe.params.rounds import OnceForAll, Student
from minimoe.records.dataset import Records

CASES = [*((kind, "last") for kind in backbones.CONFIGS), ("roberta", 2), ("bert-24-layers", 21)]
STUDENTS = {
    "dense": Student(layers=2, hidden=24),
    "experts": Student.model_validate({"layers": 1, "hidden": 24, "experts": {"attention": 2, "ffn": 3}}),
}
every_case = pytest.mark.parametrize(("kind", "layer"), CASES)


@pytest.fixture(scope="module")
def teachers(tmp_path_factory):
    root = tmp_path_factory.mktemp("teachers")
    return {kind: backbones.save(kind, root / kind) for kind in backbones.CONFIGS}


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


@every_case
def test_features_are_the_layers_projections_and_nothing_above_is_kept(kind, layer, teachers, records, monkeypatch):
    whole, load = [], hooks.load_encoder
    monkeypatch.setattr(hooks, "load_encoder", lambda *a, **k: whole.append(load(*a, **k)) or whole[0])
    teacher = Teacher(teachers[kind], layer)
    layers = [weakref.ref(part) for part in whole.pop().encoder.layer]
    gc.collect()
    batch = records[kind].batch(range(6))
    number = len(layers) if layer == "last" else layer
    assert [part() is not None for part in layers] == [at < number for at in range(1, len(layers) + 1)]
    assert len(teacher.model.encoder.layer) == number
    stock = AutoModel.from_pretrained(teachers[kind]).eval()
    with torch.no_grad():
        attention = stock.encoder.layer[number - 1].attention
        states = stock(**batch, output_hidden_states=True).hidden_states[number - 1]
        states = attention.ln(states) if kind == "megatron-bert" else states
        expected = [getattr(attention.self, name)(states) for name in QKV]
    features = teacher(Batch.of(batch))
    for name, value in zip(QKV, expected, strict=True):
        torch.testing.assert_close(getattr(features, name), value)
    read = {name.rsplit(".", 1)[0] for name, _ in teacher.model.encoder.layer[-1].named_parameters()}
    assert read - {"norm"} == {"projections.0", "projections.1", "projections.2"}
    assert ("norm" in read) == (kind == "megatron-bert")


def test_a_student_stays_whole():
    student = StudentWithFeatures(MiniMoEModel(MiniMoEConfig(**backbones.SMALL), add_pooling_layer=False), seed=0)
    names = {name for name, _ in student.named_parameters()}
    assert sum("layer.2.output.dense" in name for name in names) == 2 and len(student.encoder.encoder.layer) == 3
    assert not any("projections" in name for name in names)


@every_case
def test_states_of_tinybert_are_the_embeddings_and_the_layers_output(kind, layer, teachers, records):
    teacher = Teacher(teachers[kind], layer, states=True)
    batch = records[kind].batch(range(6))
    with torch.no_grad():
        states = AutoModel.from_pretrained(teachers[kind]).eval()(**batch, output_hidden_states=True).hidden_states
    features = teacher(Batch.of(batch))
    assert torch.equal(features.embeddings, states[0])
    assert torch.equal(features.hidden, states[-1 if layer == "last" else layer])


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
        plain = RobertaModel if backbones.without_segments(kind) else BertModel
        assert type(student) is (plain if name == "dense" else MiniMoEModel)
        for value in ("vocab_size", "pad_token_id", "max_position_embeddings", "type_vocab_size", "layer_norm_eps"):
            assert getattr(student.config, value) == getattr(teacher, value), value
        tokenizer = AutoTokenizer.from_pretrained(tmp_path / "round" / name)
        assert tokenizer(backbones.TEXT) == AutoTokenizer.from_pretrained(teachers[kind])(backbones.TEXT)
        trained = result.encoder.state_dict()
        saved = student.state_dict()
        assert set(saved) - set(trained) == {"pooler.dense.weight", "pooler.dense.bias"}  # drawn when it is loaded
        assert all(torch.equal(saved[key], weight) for key, weight in trained.items())
        assert student(**made.batch(range(8))).last_hidden_state.isfinite().all()


@pytest.mark.parametrize("kind", ["roberta", "xlm-roberta"])
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


@pytest.mark.parametrize("kind", ["electra-narrow", "megatron-bert", "roberta", "xlm-roberta"])
def test_families_and_tinybert_under_every_kind(kind, teachers, records, tmp_path):
    made = records[kind]
    shared = {"records": made, "epochs": 1, "batch": len(made.training)}
    sizes = OnceForAll(layers=[2, 1], hidden=[24, 12], heads=4, idle_norms=True)
    results = run(teachers[kind], {}, once_for_all=sizes, relation_heads=4, **shared)
    four_heads = {"tiny": Student(layers=2, hidden=12, heads=4)}
    results |= run(teachers[kind], four_heads, objective="tinybert", **shared)
    write_students(results, teachers[kind], tmp_path / "round")
    assert len(results) == 5
    for name, result in results.items():
        assert result.metrics()["heldout_loss"] > 0
        student = AutoModel.from_pretrained(tmp_path / "round" / name).eval()
        assert student(**made.batch(range(8))).last_hidden_state.isfinite().all()
