"""What a sequence takes in distillation, by hand; and real training multiplies what is counted without weights."""

import pytest
import torch
from transformers import BertConfig

from minimoe.distill.losses import minilm
from minimoe.distill.start import StudentFactory
from minimoe.params.rounds import Student
from minimoe.plan import operations
from minimoe.report import flops
from tests.tiny_rounds import settings

LENGTH, WIDTH = 16, 24
TEACHER = BertConfig(
    hidden_size=WIDTH, num_hidden_layers=3, num_attention_heads=4, intermediate_size=96, vocab_size=50,
    max_position_embeddings=32,
)  # fmt: skip
PROJECTIONS = 2 * LENGTH * 3 * WIDTH**2
LAYER = 2 * LENGTH * 12 * WIDTH**2 + 2 * 2 * LENGTH**2 * WIDTH
RELATIONS = 3 * 2 * LENGTH**2 * WIDTH  # of queries, keys and values, one product each
SHAPES = {
    "dense": Student(layers=2, hidden=WIDTH, heads=4),
    "experts": Student(layers=2, hidden=WIDTH, heads=4, experts={"attention": 2, "ffn": 4}),
}


def counted(*names: str, **changes) -> operations.Pass:
    round_ = settings(**changes)
    factory, teacher = StudentFactory(TEACHER, round_, seed=0), operations.teacher_hooks(TEACHER, round_)
    factory.head = getattr(teacher, "head", None)
    students = operations.students(factory, {name: SHAPES[name] for name in names})
    return operations.count_pass(teacher, students, round_, LENGTH)


def test_a_teacher_is_computed_up_to_the_layer_that_is_read():
    assert counted().teacher == 2 * LAYER + PROJECTIONS
    assert counted(teacher_layer=1).teacher == PROJECTIONS
    assert counted(objective="tinybert", teacher_layer=1).teacher == 3 * LAYER


def test_a_dense_student_ends_at_its_last_projections_and_one_with_experts_has_extra_ones():
    (dense,), (experts,) = (counted(name).learners for name in SHAPES)
    routers = 2 * 2 * LENGTH * WIDTH * (2 + 4)
    assert dense.flops == 3 * (LAYER + PROJECTIONS) + 4 * RELATIONS
    assert experts.flops == 3 * (2 * LAYER + routers + PROJECTIONS) + 4 * RELATIONS
    assert (dense.students, dense.experts, experts.experts) == (1, False, True)


def test_an_extra_projection_comes_after_all_layers():
    (dense,) = counted("dense", extra_projection="always").learners
    assert dense.flops == 3 * (2 * LAYER + PROJECTIONS) + 4 * RELATIONS


def test_students_of_a_round_share_the_teachers_relations():
    first, second = counted("dense", "experts").learners
    assert first == counted("dense").learners[0]
    assert second.flops == counted("experts").learners[0].flops - RELATIONS


def test_relations_across_sequences_and_of_further_layers_cost_their_products():
    (across,) = counted("dense", relation_sequences=3).learners
    assert across.flops == 3 * (LAYER + PROJECTIONS) + 3 * 4 * RELATIONS
    both = counted("dense", further_layers=[1])
    assert both.teacher == counted().teacher  # its projections are computed anyway
    assert both.learners[0].flops == 3 * (LAYER + 2 * PROJECTIONS) + 2 * 4 * RELATIONS


def test_tinybert_compares_attention_scores():
    (student,) = counted("dense", objective="tinybert").learners
    assert student.flops == 3 * 2 * LAYER + (1 + 3) * 2 * LENGTH**2 * WIDTH  # of the teacher, and of the student


def test_sentence_embeddings_are_of_two_texts_of_half_the_length():
    round_ = counted("dense", objective="embedding")
    halves = LAYER - 2 * LENGTH**2 * WIDTH  # of pairs of tokens there are half as many
    assert round_.teacher == 3 * halves
    assert round_.learners[0].flops == 3 * 2 * halves


@pytest.mark.parametrize("name", SHAPES)
def test_a_backward_pass_takes_two_more_products(name):
    round_ = settings()
    (student,) = operations.students(StudentFactory(TEACHER, round_, seed=0), {name: SHAPES[name]})
    teacher, mask = operations.teacher_hooks(TEACHER, round_), torch.ones(1, LENGTH, dtype=torch.bool, device="meta")
    with torch.no_grad():
        features = teacher(**flops.sequence(LENGTH))
    with flops.counter() as counter:
        ((own, _),) = student((name,), **flops.sequence(LENGTH)).values()
        minilm(own, features, mask, round_.relation_heads, tokens=LENGTH).backward()
    biases = 2 * 2 * LENGTH * (2 * 4 * WIDTH + 4 * 5 * WIDTH) if name == "experts" else 0  # their gradients, added up
    assert counter.get_total_flops() == counted(name).learners[0].flops + biases


def test_activations_of_a_layer():
    one = BertConfig(hidden_size=24, num_hidden_layers=1, num_attention_heads=4, intermediate_size=96)
    assert operations.activations(one, LENGTH) == 17 * 24 * LENGTH + 2.5 * 4 * LENGTH**2
