"""Where the students of a round start: random weights of a shape, or slices of a sparsified teacher."""

from dataclasses import dataclass

from minimoe.distill.student import TappedStudent
from minimoe.distill.supernet import Family, cut_student
from minimoe.models.initialise import new_student
from minimoe.models.shapes import once_for_all_configs, student_config, with_dropout
from minimoe.models.slices import cut
from minimoe.models.sparsified import Sparsified
from minimoe.params.rounds import Distill, OnceForAll, Student
from minimoe.system.errors import UserError


@dataclass
class Start:
    """What all students of a round start from.

    Args:
        teacher: the teacher's config.
        settings: the round's settings.
        seed: of random weights.
        sparsified: the teacher in the order of its importances, for students with a sparsity.
        assistant: a student that the sparse ones are cut from in its place.
    """

    teacher: object
    settings: Distill
    seed: int
    sparsified: Sparsified | None = None
    assistant: TappedStudent | None = None

    def student(self, shape: Student) -> TappedStudent:
        """The student of this shape."""
        cut_to = self.sparsified.config if self.sparsified else None
        config = student_config(shape, self.teacher, self.settings.dropout, cut_to)
        if shape.sparsity is None:
            encoder = new_student(config, self.seed)
        elif self.assistant:
            return cut_student(self.assistant, config)
        else:
            encoder = cut(self.sparsified.model, config)
        states = self.teacher.hidden_size if self.settings.objective == "tinybert" else None
        if states and set(encoder.config.layer_heads) != {self.teacher.num_attention_heads}:
            raise UserError(
                f"distill.objective: tinybert compares attention scores head by head, so expected students of the "
                f"teacher's {self.teacher.num_attention_heads} heads; got {encoder.config.layer_heads}"
            )
        return TappedStudent(encoder, self.seed, states=states)

    def once_for_all(self, shapes: OnceForAll) -> Family:
        """The family of a student for each number of layers and width."""
        if self.settings.objective == "tinybert":
            raise UserError("distill.objective: expected minilm in a round with once_for_all, whose heads differ")
        members = once_for_all_configs(shapes, self.teacher, self.settings.dropout)
        together = None if shapes.own_dropout else shapes.widths
        return Family(new_student(list(members.values())[-1], self.seed), members, self.seed, together)

    def sparsities(self, below: int) -> Family:
        """The family of the sparsified teacher and itself at each sparsity of its map that is lower than `below`."""
        chosen = [sparsity for sparsity in self.sparsified.sparsities if sparsity < below]
        # the teacher's own size comes last: it reaches every weight
        members = {
            str(sparsity): with_dropout(self.sparsified.config(sparsity), self.settings.dropout)
            for sparsity in [*reversed([s for s in chosen if s]), 0]
        }
        return Family(cut(self.sparsified.model, members["0"]), members, self.seed)
