"""A row of the table: what kind of model it is, who taught it, with which settings.

All of it is read from params, so that the report can tell which two rows differ in one thing only, and which
held-out losses measure the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from minimoe.params.resolve import WITH_EXPERTS, WITH_ROUTERS
from minimoe.params.rounds import ASSISTANT, SPARSIFIED, Distill, OnceForAll, Round, Student

TEACHER = "teacher"
FURTHER = "teachers"  # a further teacher is teachers/<name>
FAMILIES = (
    "Teacher", "MiniLM", "MiniMoE", "Sparse MiniLM", "Once-for-all", "TinyBERT", "Sentence encoder", "No distillation",
)  # fmt: skip
ASSISTED = " with assistant"
KINDS = tuple(kind for family in FAMILIES for kind in (family, family + ASSISTED))
# settings that shape a training only under one objective, only with experts, or never
OBJECTIVES = {
    "minilm": {
        "teacher_layer",
        "extra_projection",
        "further_layers",
        "relation_heads",
        "relation_sequences",
        "relation_dropout",
        "log_epsilon",
        "relation_weights",
    },
    "tinybert": {"teacher_layer", "tinybert_weights"},
    "embedding": {"embedding_distance"},
}
IDLE = {"evaluate_every", "assistant_tradeoff"}
# left out where the held-out loss is measured, or of the student and not of what it imitates
EXACT = {"extra_projection", "relation_dropout", "log_epsilon", "relation_sequences", "further_layers"}


@dataclass(frozen=True)
class Model:
    """A row of the table. Fields after `name` are about how it was made, and empty for a teacher."""

    name: str  # teacher, teachers/name, round/student, or taught/round/student
    round: str = ""
    shape: Student | None = None
    seed: int | None = None  # of its initial weights and its dropout: its own, or the run's
    once_for_all: OnceForAll | None = None  # what it shares weights with while it trains
    phases: tuple[Distill, ...] = ()  # the settings of each phase of its training
    taught_by: str = ""  # the name of its teacher
    origin: str = ""  # the name of the teacher that its teacher, or its teacher's, learnt from
    steps: int = 0
    heldout_loss: float | None = None
    expert_load: Mapping[str, list[list[float]]] | None = None  # by sub-layer: share of tokens [L, E]
    router_entropy: Mapping[str, list[float]] | None = None  # by sub-layer: nats [L]
    task_teacher: str = ""  # the row that taught it its tasks too, when it was finetuned
    candidates: Mapping[str, Mapping[str, float]] | None = None  # by sparsity: what an assistant was chosen among

    @property
    def family(self) -> str:
        """What it is: one of `FAMILIES`, a colour in every figure."""
        if self.shape is None:
            return "Teacher"
        if self.steps == 0:
            return "No distillation"
        if self.phases[-1].objective != "minilm":
            return {"tinybert": "TinyBERT", "embedding": "Sentence encoder"}[self.phases[-1].objective]
        if self.once_for_all:
            return "Once-for-all"
        if self.shape.sparsity is not None:
            return "Sparse MiniLM"
        return "MiniLM" if self.experts == (1, 1) else "MiniMoE"

    @property
    def experts(self) -> tuple[int, int]:
        """Of the self-attention, and of the feed-forward network."""
        return self.shape.experts.attention, self.shape.experts.ffn

    @property
    def form(self) -> tuple[int, int, str]:
        """To how many of the feed-forward's experts a token goes, neurons beside them, and who chooses experts."""
        return self.shape.experts.active, self.shape.experts.shared, self.shape.experts.router

    @property
    def assisted(self) -> bool:
        """Whether another student taught it."""
        return self.steps > 0 and self.taught_by != self.origin

    @property
    def kind(self) -> str:
        """Its family, and whether it had an assistant: one of `KINDS`."""
        return self.family + ASSISTED if self.assisted else self.family

    @property
    def settings(self) -> Distill:
        """Those of the first phase."""
        return self.phases[0]

    @property
    def projected(self) -> bool:
        """Whether an extra projection of its output was compared with the teacher, not its last layer's own."""
        return any(
            phase.projected or (phase.objective == "minilm" and self._projected_as_published) for phase in self.phases
        )

    @property
    def _projected_as_published(self) -> bool:
        return self.experts != (1, 1) or self.shape.sparsity is not None or self.once_for_all is not None

    @cached_property
    def effective(self) -> list[dict]:
        """The settings that each phase trained with; those without effect on it are left out."""
        idle = IDLE
        if self.experts == (1, 1):
            idle = idle | WITH_EXPERTS | WITH_ROUTERS
        elif self.shape.experts.router == "hash":
            idle = idle | WITH_ROUTERS
        if self._projected_as_published:
            idle = idle | {"extra_projection"}
        others = [_of_objectives() - OBJECTIVES[phase.objective] for phase in self.phases]
        return [
            {key: value for key, value in phase if key not in idle | unread}
            for phase, unread in zip(self.phases, others, strict=True)
        ]

    @cached_property
    def training(self) -> dict:
        """The settings that it trained with, and as then.KEY what its second phase changed."""
        first, *second = self.effective
        changed = {key: value for own in second for key, value in own.items() if first.get(key) != value}
        return first | {f"then.{key}": value for key, value in changed.items()}

    @property
    def yardstick(self) -> tuple:
        """What its held-out loss is measured with; two losses compare only where this is the same."""
        settings = self.phases[-1]
        own = {key: getattr(settings, key) for key in sorted(OBJECTIVES[settings.objective] - EXACT)}
        return self.taught_by, settings.objective, settings.heldout, repr(own)


def _of_objectives() -> set[str]:
    return set().union(*OBJECTIVES.values())


def differences(first: Model, second: Model) -> set[str]:
    """In what two students differ: taught_by, task_teacher, once_for_all, size, experts (their number), form (how they
    are made and chosen), start, seed, and settings by name.

    A second phase that one alone has is `then`. Of two, settings are then.KEY, where one of them changes the first
    phase's. A setting without effect on one of the two is no difference. Nor are the numbers of the layers that
    students of different teachers imitate, which are not the same ones.
    """
    plain = ("taught_by", "task_teacher", "once_for_all")
    found = {key for key in plain if getattr(first, key) != getattr(second, key)}
    found |= {"size"} if first.shape.size != second.shape.size else set()
    found |= {"start"} if first.shape.start != second.shape.start else set()
    found |= {"seed"} if first.seed != second.seed else set()
    found |= {"experts"} if first.experts != second.experts else set()
    found |= {"form"} if _form(first, second) != _form(second, first) else set()
    found |= _unequal(first, second, 0)
    if len(first.phases) != len(second.phases):
        found.add("then")
    elif len(first.phases) > 1:
        changed = first.training.keys() | second.training.keys()
        found |= {f"then.{key}" for key in _unequal(first, second, 1)} & changed
    return found - _of_layers(first, second) if "taught_by" in found else found


def _form(model: Model, other: Model) -> tuple:
    """The part of its form in which it can differ from another model.

    None where one is dense; only who chooses experts where one has none in the feed-forward.
    """
    if (1, 1) in (model.experts, other.experts):
        return ()
    return model.form if min(model.experts[1], other.experts[1]) > 1 else model.form[2:]


def _of_layers(first: Model, second: Model) -> set[str]:
    """The settings that name layers, as many of one teacher as of the other."""
    keys = {"teacher_layer", "then.teacher_layer"}
    both = list(zip(first.phases, second.phases, strict=False))
    if all(len(one.further_layers) == len(other.further_layers) for one, other in both):
        keys |= {"further_layers", "then.further_layers"}
    return keys


def _unequal(first: Model, second: Model, number: int) -> set[str]:
    """The settings that differ in the phase of this number."""
    one, other = first.phases[number], second.phases[number]
    shared = first.effective[number].keys() & second.effective[number].keys()
    if one.objective != other.objective:
        shared |= _of_objectives()  # under another objective the student would have trained with these
    return {key for key in shared if vars(one)[key] != vars(other)[key]}


def is_teacher(name: str) -> bool:
    """Whether a row of the table is a teacher that nobody distilled."""
    return name == TEACHER or name.partition("/")[0] == FURTHER


def describe(name: str, rounds: Mapping[str, Round], distill: Distill, metrics: Mapping, seed: int) -> Model:
    """The row round/student, with the values that metrics/distill has for it. seed: the run's."""
    round_, _, short = name.partition("/")
    taught_by = origin = _taught_by(name, rounds)
    while not is_teacher(origin):
        origin = _taught_by(origin, rounds)
    shapes, shape = rounds[round_].once_for_all, _shape(rounds[round_], short, metrics)
    return Model(
        name=name,
        round=round_,
        shape=shape,
        seed=seed if shape.seed is None else shape.seed,
        once_for_all=shapes if shapes and short in shapes.students else None,
        phases=tuple(rounds[round_].phases(distill)),
        taught_by=taught_by,
        origin=origin,
        steps=metrics["steps"],
        heldout_loss=metrics["heldout_loss"],
        expert_load=metrics.get("expert_load"),
        router_entropy=metrics.get("router_entropy"),
        candidates=metrics.get("candidates"),
    )


def is_chosen(name: str, rounds: Mapping[str, Round]) -> bool:
    """Whether round/student is the assistant that its round chose, whose sparsity only the metrics know."""
    round_, _, short = name.partition("/")
    return short == ASSISTANT and rounds[round_].assistant is not None


def _taught_by(name: str, rounds: Mapping[str, Round]) -> str:
    """The teacher of a model. The sparsified teacher teaches as it was before: by the stock teacher's weights."""
    round_ = rounds[name.partition("/")[0]]
    if round_.assistant and not is_chosen(name, rounds):
        return f"{name.partition('/')[0]}/{ASSISTANT}"
    return TEACHER if round_.teacher == SPARSIFIED else round_.teacher.removeprefix("models/")


def _shape(round_: Round, name: str, metrics: Mapping) -> Student:
    if round_.once_for_all and name in round_.once_for_all.students:
        return round_.once_for_all.students[name]
    return round_.students.get(name) or Student(sparsity=metrics["sparsity"])
