"""What a round does: its passes over the corpus, each with a teacher and what learns from it."""

from dataclasses import dataclass
from typing import NamedTuple

from minimoe.params.rounds import ASSISTANT, Distill
from minimoe.plan import flops
from minimoe.plan.shapes import Shapes
from minimoe.system.errors import UserError


class Learner(NamedTuple):
    """A student."""

    config: object
    projection: int | None = None  # width of the extra projection of one that shares its weights with others
    alone: bool = True  # or as a part of a deeper one


@dataclass(frozen=True)
class Pass:
    """One pass over the corpus."""

    teacher: object  # a config
    learners: list[Learner]

    def flops(self, length: int, settings: Distill) -> tuple[int, list[int]]:
        """For one sequence: of the teacher's pass, and of each learner's step."""
        own = [
            flops.learner(config, self.teacher, length, settings, width, alone=alone)
            for config, width, alone in self.learners
        ]
        return flops.teacher(self.teacher, length, settings), own

    def parameters(self) -> int:
        """All weights that learn; those that are shared stand in the last one that shares them."""
        alone = [learner.config for learner in self.learners if not learner.projection]
        shared = [learner.config for learner in self.learners if learner.projection]
        return sum(map(flops.parameters, [*alone, *shared[-1:]]))


def passes(shapes: Shapes, name: str) -> list[Pass]:
    """The passes of a round: one, after one in which an assistant is chosen where there is to be one.

    Raises `UserError` where the teacher lacks the layer that the round imitates.
    """
    teacher, layer = shapes.of(shapes.params.rounds[name].teacher), shapes.settings(name).teacher_layer
    if layer != "last" and layer > teacher.num_hidden_layers:
        raise UserError(
            f"rounds.{name}.teacher_layer: expected last or 1 to {teacher.num_hidden_layers}, the teacher's layers; "
            f"got {layer}"
        )
    made = []
    if candidates := shapes.candidates(name):
        made.append(Pass(teacher, [Learner(config, teacher.hidden_size) for config in candidates.values()]))
        teacher = shapes.of(f"models/{name}/{ASSISTANT}")
    return [*made, Pass(teacher, [*map(Learner, shapes.students(name).values()), *_members(shapes, name)])]


def _members(shapes: Shapes, name: str) -> list[Learner]:
    """The once-for-all students of a round: those of a width run as one, or each with dropout of its own."""
    members, family = shapes.members(name), shapes.params.rounds[name].once_for_all
    width = max((config.hidden_size for config in members.values()), default=None)
    deepest = [names[-1] for names in family.widths] if family and not family.own_dropout else members
    return [Learner(config, width, member in deepest) for member, config in members.items()]
