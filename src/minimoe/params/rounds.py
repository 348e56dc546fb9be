"""The schema of a distillation round and its students."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from minimoe.params.base import (
    PART,
    Count,
    Entries,
    Few,
    Layers,
    Name,
    Positive,
    Rate,
    Section,
    Seed,
    Share,
    Width,
    distinct,
    overrides_of,
)  # fmt: skip

SPARSIFIED = "models/sparsified/teacher"  # the teacher with its importances
ASSISTANT = "assistant"  # the model that `assistant: auto` makes
Weight = Annotated[float, Field(ge=0)]


def _some_weight(values: list[float]) -> list[float]:
    if not any(values):
        raise ValueError("expected at least one weight above 0")
    return values


class Experts(Section):
    """Experts per layer; 1 is an ordinary layer.

    With `active` or `shared` a token costs what it does without: each expert has (neurons - shared) / active neurons.
    """

    attention: Few = 1
    ffn: Few = 1
    active: Few = 1  # to how many of the feed-forward's a token goes; published 1
    shared: Annotated[int, Field(ge=0, le=1 << 16)] = 0  # neurons that every token has beside its experts; published 0
    router: Literal["learned", "hash"] = "learned"  # hash: a token's expert is that of its id; published learned

    @property
    def form(self) -> str:
        """What a description adds where it is not the published form."""
        active = f", {self.active} active" if self.active > 1 else ""
        shared = f", {self.shared} neurons shared" if self.shared else ""
        return active + shared + (", by hash" if self.router == "hash" else "")

    @model_validator(mode="after")
    def _fewer_active(self):
        if self.ffn == 1 and (self.active, self.shared) != (1, 0):
            key, published = ("active", 1) if self.active > 1 else ("shared", 0)
            raise ValueError(f"{key}: expected {published} where ffn is 1, got {getattr(self, key)}; set ffn above 1")
        if self.router == "hash" and (self.attention, self.ffn) == (1, 1):
            raise ValueError("router: expected learned where attention and ffn are 1, got hash; set one above 1")
        if self.router == "hash" and self.active > 1:
            raise ValueError(f"active: expected 1 with router hash, which names one expert; got {self.active}")
        if self.ffn > 1 and self.active >= self.ffn:
            raise ValueError(f"active: expected fewer than the {self.ffn} experts of ffn, got {self.active}")
        return self


class Student(Section):
    """The shape of a student: an encoder of these sizes, or the sparsified teacher cut to a sparsity."""

    layers: Layers | None = None
    hidden: Width | None = None  # width of its hidden states
    heads: Few = 12  # of hidden / heads dimensions each
    neurons: Width | None = None  # of a feed-forward; default: 4 hidden, as in BERT
    experts: Experts = Experts()
    start: Literal["random", "teacher"] | Annotated[list[Positive], Field(min_length=1)] = "random"  # or its layers
    sparsity: Annotated[int, Field(ge=1, le=99)] | None = None  # share of the teacher's weights that is cut away, in %
    seed: Seed | None = None  # of its initial weights and its dropout; default: the run's

    @model_validator(mode="after")
    def _one_kind_of_shape(self):
        if self.sparsity is not None:
            if extra := sorted(self.model_fields_set - {"sparsity", "seed"}):
                raise ValueError(f"{extra[0]}: not beside sparsity, which cuts the teacher's own shape; remove one")
            return self
        for key in ("layers", "hidden"):
            if getattr(self, key) is None:
                raise ValueError(f"{key}: missing; a student has layers and hidden, or sparsity")
        if self.hidden % self.heads:
            raise ValueError(f"hidden: expected a multiple of heads {self.heads}, got {self.hidden}")
        if isinstance(self.start, list) and len(self.start) != self.layers:
            raise ValueError(f"start: expected {self.layers} layers of the teacher, one for each; got {self.start}")
        self.__dict__["neurons"] = self.neurons or 4 * self.hidden  # past the check that forbids assignment
        self._check_experts()
        return self

    def _check_experts(self) -> None:
        active, shared = self.experts.active, self.experts.shared
        if shared >= self.neurons:
            raise ValueError(f"experts.shared: expected fewer than neurons {self.neurons}, got {shared}")
        if (self.neurons - shared) % active:
            raise ValueError(
                f"experts.active: expected a divisor of {self.neurons - shared}, the neurons that are not shared; "
                f"got {active}"
            )
        if active > 1 and self.start != "random":
            raise ValueError(
                f"start: expected random with experts.active {active}, as experts are then too narrow to be copies of "
                f"the teacher's layers; got {self.start}"
            )

    @property
    def dense(self) -> "Student":
        """The same with one expert in each place."""
        return self.model_copy(update={"experts": Experts()})

    @property
    def size(self) -> "Student":
        """The same with one expert in each place, from random weights of any seed."""
        return self.dense.model_copy(update={"start": "random", "seed": None})

    def __str__(self) -> str:
        size = f"{self.layers}L-{self.hidden}H" if self.sparsity is None else f"{self.sparsity} % sparse"
        if self.experts != Experts():
            size += f", experts {self.experts.attention},{self.experts.ffn}"
            size += self.experts.form
        size += "" if self.start == "random" else ", from its teacher"
        return size if self.seed is None else f"{size}, seed {self.seed}"


class OnceForAll(Section):
    """One set of weights that holds a student for each of `layers` and each width of `hidden`, as leading slices."""

    layers: Entries[Layers]
    hidden: Entries[Width]
    heads: Few = 12
    own_dropout: bool = False
    idle_norms: bool = False

    @model_validator(mode="after")
    def _whole_heads(self):
        size, rest = divmod(max(self.hidden), self.heads)
        if rest:
            raise ValueError(f"hidden: expected the widest to be a multiple of heads {self.heads}, got {self.hidden}")
        for width in self.hidden:
            if width % size:
                raise ValueError(f"hidden: expected multiples of {size}, the size of a head, got {width}")
        return self

    @property
    def students(self) -> dict[str, Student]:
        """Every student by its name, the largest last; all have heads of one size, narrower ones fewer of them."""
        size = max(self.hidden) // self.heads
        shapes = [(layers, hidden) for layers in sorted(self.layers) for hidden in sorted(self.hidden)]
        return {
            f"{layers}L-{hidden}H": Student(layers=layers, hidden=hidden, heads=hidden // size)
            for layers, hidden in shapes
        }

    @property
    def widths(self) -> list[tuple[str, ...]]:
        """Names of the students of each width, the deepest last; the widest last."""
        students = self.students.items()
        return [tuple(name for name, own in students if own.hidden == width) for width in sorted(self.hidden)]


class Distill(Section):
    """Distillation, for every round that does not say otherwise."""

    epochs: Count
    batch: Positive
    learning_rate: Rate
    warmup: Share
    schedule: Literal["linear", "cosine"]
    weight_decay: Share
    gradient_norm: Annotated[float, Field(gt=0)]
    adam_epsilon: Annotated[float, Field(gt=0)]
    dropout: Annotated[float, Field(ge=0, lt=1)]
    precision: Literal["fp32", "bf16", "fp16"]
    objective: Literal["minilm", "tinybert", "embedding"]
    teacher_layer: Positive | Literal["last"]
    extra_projection: Literal["published", "always"]
    further_layers: Annotated[list[Layers], AfterValidator(distinct), AfterValidator(sorted)]
    relation_heads: Positive
    relation_sequences: Few
    relation_dropout: Annotated[float, Field(ge=0, lt=1)]
    log_epsilon: Annotated[float, Field(ge=0, le=1e-3)]
    relation_weights: Annotated[list[Weight], Field(min_length=3, max_length=3), AfterValidator(_some_weight)]
    tinybert_weights: Annotated[list[Weight], Field(min_length=2, max_length=2), AfterValidator(_some_weight)]
    embedding_distance: Literal["cosine", "l2"]
    load_balance: Annotated[float, Field(ge=0)]
    balance_padding: bool
    router_z_loss: Annotated[float, Field(ge=0)]
    expert_learning_rate: Annotated[float, Field(gt=0, le=1000)]
    assistant_tradeoff: Share
    heldout: Positive
    evaluate_every: Positive

    @property
    def beside(self) -> list[int]:
        """The teacher's layers that are imitated beside `teacher_layer`; none where no relations are trained on."""
        return self.further_layers if self.objective == "minilm" and self.epochs else []

    @property
    def projected(self) -> bool:
        """Whether the relations of every student are those of an extra projection of its output."""
        return self.objective == "minilm" and self.extra_projection == "always"

    @property
    def together(self) -> int:
        """Sequences whose tokens are related to each other in training; 1 where no relations are compared."""
        return self.relation_sequences if self.objective == "minilm" else 1


DistillOverrides = overrides_of("DistillOverrides", Distill)


class Round(DistillOverrides):
    """One teacher, one pass over the corpus, one or more students; with `then` another pass, under other settings."""

    teacher: Annotated[str, Field(pattern=rf"^models/(teacher|{PART}/{PART})$")]
    students: dict[Name, Student] = Field(default_factory=dict)
    once_for_all: OnceForAll | None = None
    assistant: Literal["auto"] | None = None
    then: DistillOverrides | None = None  # what the second phase changes, in which the same students go on

    @model_validator(mode="after")
    def _students_make_sense(self):
        shapes = self.students
        if not self.models:
            raise ValueError("students: expected at least one entry, or once_for_all")
        for name in shapes:
            if self.models.count(name) > 1:
                raise ValueError(f"students.{name}: the round makes a model of this name itself; choose another")
        if self.teacher != SPARSIFIED:
            for name, student in shapes.items():
                if student.sparsity is not None:
                    raise ValueError(
                        f"students.{name}.sparsity: expected teacher {SPARSIFIED}, whose importances are known; "
                        f"got {self.teacher}"
                    )
        if self.assistant and (not shapes or any(student.sparsity is None for student in shapes.values())):
            raise ValueError("assistant: expected students with a sparsity and no others, as it is cut like them")
        if self.assistant and self.then:
            raise ValueError("then: not beside assistant, which teaches a round of one phase; remove one")
        if self.then and self.then.heldout is not None:
            raise ValueError("then.heldout: not here, as no phase may train on what another is measured on; remove it")
        return self

    def phases(self, distill: Distill) -> list[Distill]:
        """The settings of each phase; `distill` has those that the round does not say."""
        first = self.over(distill)
        return [first, self.then.over(first)] if self.then else [first]

    @property
    def models(self) -> list[str]:
        """Names of all that the round makes."""
        once_for_all = list(self.once_for_all.students) if self.once_for_all else []
        return [*self.students, *once_for_all, *([ASSISTANT] if self.assistant else [])]

    def shape(self, model: str) -> dict:
        """What params say of the shape of one of `models`, by key."""
        if model in self.students:
            return self.students[model].model_dump(exclude_none=True)
        if model == ASSISTANT:
            return {"assistant": self.assistant}
        return self.once_for_all.students[model].model_dump(exclude_none=True) | {"once_for_all": True}
