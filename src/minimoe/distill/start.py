"""Where the students of a round start: random weights of a shape, or slices of a sparsified teacher."""

from dataclasses import dataclass

from minimoe.distill.student import TappedStudent
from minimoe.distill.supernet import Family, cut_student
from minimoe.models.config import MiniMoEConfig
from minimoe.models.initialise import new_student
from minimoe.models.save import student_config
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
        if shape.sparsity is None:
            encoder = new_student(self._dense(shape), self.seed)
        elif self.assistant:
            return cut_student(self.assistant, self.sparse(shape.sparsity))
        else:
            encoder = cut(self.sparsified.model, self.sparse(shape.sparsity))
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
        size = max(shapes.hidden) // shapes.heads
        members = {}
        for name, (layers, hidden) in shapes.students.items():
            config = self._dense(Student(layers=layers, hidden=hidden, heads=hidden // size))
            members[name] = _with_idle_layers(config, max(shapes.layers)) if shapes.idle_norms else config
        together = None if shapes.own_dropout else shapes.widths
        return Family(new_student(list(members.values())[-1], self.seed), members, self.seed, together)

    def sparsities(self, below: int) -> Family:
        """The family of the sparsified teacher and itself at each sparsity of its map that is lower than `below`."""
        chosen = [sparsity for sparsity in self.sparsified.sparsities if sparsity < below]
        # the teacher's own size comes last: it reaches every weight
        members = {str(sparsity): self.sparse(sparsity) for sparsity in [*reversed([s for s in chosen if s]), 0]}
        return Family(cut(self.sparsified.model, members["0"]), members, self.seed)

    def sparse(self, sparsity: int) -> MiniMoEConfig:
        """The shape of the sparsified teacher cut to `sparsity`, with the round's dropout."""
        config, dropout = self.sparsified.config(sparsity), self.settings.dropout
        config.hidden_dropout_prob = config.attention_probs_dropout_prob = config.router_noise = dropout
        return config

    def _dense(self, shape: Student) -> MiniMoEConfig:
        return student_config(
            self.teacher,
            layers=shape.layers,
            hidden=shape.hidden,
            heads=shape.heads,
            neurons=shape.neurons,
            experts=shape.experts,
            dropout=self.settings.dropout,
        )


def _with_idle_layers(config: MiniMoEConfig, layers: int) -> MiniMoEConfig:
    """The shape with layers on top that keep their two LayerNorms and nothing else, up to `layers`, as published."""
    idle = [0] * (layers - config.num_hidden_layers)
    lists = {"layer_heads": config.layer_heads + idle, "layer_neurons": config.layer_neurons + idle}
    experts = {"attention_experts": [1] * layers, "ffn_experts": [1] * layers}
    return MiniMoEConfig(**config.to_dict() | lists | experts | {"num_hidden_layers": layers})
