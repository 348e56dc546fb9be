"""Students before training: random, from layers of the teacher, or slices of a sparsified teacher or an assistant."""

import math
from dataclasses import dataclass

from transformers import PreTrainedModel

from minimoe.distill.sentence import student_head
from minimoe.distill.student import StudentWithFeatures
from minimoe.distill.supernet import Supernet, cut_student
from minimoe.models.from_teacher import evenly_spaced, student_from
from minimoe.models.initialise import new_student
from minimoe.models.sentence import SentenceHead
from minimoe.models.shapes import once_for_all_configs, student_config, with_dropout
from minimoe.models.slices import cut
from minimoe.models.sparsified import Sparsified
from minimoe.params.rounds import Distill, OnceForAll, Student
from minimoe.system.errors import UserError


@dataclass
class StudentFactory:
    """Makes the students of a round.

    Args:
        teacher: the teacher's config.
        settings: the round's settings.
        seed: of random weights, where a student has none of its own.
        sparsified: the teacher in the order of its importances, for students with a sparsity.
        assistant: a student that the sparse ones are cut from instead.
        head: what makes the teacher's sentence embeddings, where these are imitated.
        length: the longest sequence in training, in tokens, which sentence encoders tell their users.
        encoder: the whole teacher, for students that start from its layers.
    """

    teacher: object
    settings: Distill
    seed: int
    sparsified: Sparsified | None = None
    assistant: StudentWithFeatures | None = None
    head: SentenceHead | None = None
    length: int | None = None
    encoder: PreTrainedModel | None = None

    def student(self, name: str, shape: Student) -> Supernet:
        """An ordinary student, as a supernet whose only subnet, of this name, is the whole of it."""
        student = self._student(shape, self.seed if shape.seed is None else shape.seed)
        return Supernet(student, {name: student.encoder.config})

    def once_for_all(self, shapes: OnceForAll) -> Supernet:
        """A supernet with a subnet for each number of layers and width."""
        if self.settings.objective != "minilm":
            raise UserError("distill.objective: expected minilm in a round with once_for_all, whose widths differ")
        subnets = once_for_all_configs(shapes, self.teacher, self.settings.dropout)
        *_, largest = subnets.values()
        whole = StudentWithFeatures(new_student(largest, self.seed), self.seed, extra_projection=True)
        return Supernet(whole, subnets, None if shapes.own_dropout else shapes.widths)

    def sparsities(self, below: int) -> Supernet:
        """The sparsified teacher with a subnet for each sparsity of its map that is lower than `below`, and 0 (%)."""
        chosen = [sparsity for sparsity in reversed(self.sparsified.sparsities) if 0 < sparsity < below]
        subnets = {
            str(sparsity): with_dropout(self.sparsified.config(sparsity), self.settings.dropout)
            for sparsity in [*chosen, 0]  # the teacher's own size comes last: it reaches every weight
        }
        whole = cut(self.sparsified.model, subnets["0"])
        return Supernet(StudentWithFeatures(whole, self.seed, extra_projection=True), subnets)

    def _student(self, shape: Student, seed: int) -> StudentWithFeatures:
        cut_to = self.sparsified.config if self.sparsified else None
        config = student_config(shape, self.teacher, self.settings.dropout, cut_to)
        if shape.start != "random":
            encoder = student_from(self.encoder, config, self._layers(shape), seed)
        elif shape.sparsity is None:
            encoder = new_student(config, seed)
        elif self.assistant:
            return cut_student(self.assistant, config)
        else:
            encoder = cut(self.sparsified.model, config)
        if self.head:
            head = student_head(self.head, config.hidden_size, self.length)
            return StudentWithFeatures(encoder, seed, head=head)
        states = self.teacher.hidden_size if self.settings.objective == "tinybert" else None
        if states and set(config.layer_heads) != {self.teacher.num_attention_heads}:
            raise UserError(
                f"distill.objective: tinybert compares attention scores head by head, so expected students of the "
                f"teacher's {self.teacher.num_attention_heads} heads; got {config.layer_heads}"
            )
        student = StudentWithFeatures(
            encoder,
            seed,
            extra_projection=self.settings.projected or None,
            states=states,
            further=self._places(config.num_hidden_layers),
        )
        if shape.start != "random":
            beside = {self._imitated: student.projection} if student.projection else {}
            for number, linear in (beside | {int(own): linear for own, linear in student.further.items()}).items():
                linear.load_state_dict(self.encoder.encoder.layer[number - 1].attention.self.state_dict())
        return student

    @property
    def _imitated(self) -> int:
        """Number of the teacher's layer that students imitate."""
        settings = self.settings
        last = settings.teacher_layer == "last" or settings.objective == "embedding"
        return self.teacher.num_hidden_layers if last else settings.teacher_layer

    def _places(self, layers: int) -> dict[int, int]:
        """For each further layer of the teacher the layer that imitates it in a student of so many `layers`.

        At the same share of the depth, rounded up; the last one has the imitated layer itself.
        """
        further = self.settings.beside
        if further and layers == 1:
            raise UserError("further_layers: expected students of at least 2 layers, got 1")
        return {number: min(math.ceil(number * layers / self._imitated), layers - 1) for number in further}

    def _layers(self, shape: Student) -> list[int]:
        """The teacher's layers that a student starts from; default: evenly spaced, up to the one that it imitates.

        A student with an extra projection has it in the place of that one's own, so its layers end one below.
        """
        if shape.start != "teacher":
            return shape.start
        if shape.layers > self._imitated:
            raise UserError(
                f"start: expected at most {self._imitated} layers, the teacher's up to the one that is imitated; "
                f"got {shape.layers}"
            )
        beside = self.settings.projected or (shape != shape.dense and self.settings.objective == "minilm")
        return evenly_spaced(shape.layers, max(shape.layers, self._imitated - beside))
