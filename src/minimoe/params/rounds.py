"""What a distillation round and its students may say."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from minimoe.params.base import Count, Name, Positive, Rate, Section, Share, overrides_of


class Experts(Section):
    """Experts per layer; 1 is an ordinary layer."""

    attention: Positive = 1
    ffn: Positive = 1


class Student(Section):
    """The shape of a student encoder."""

    layers: Positive
    hidden: Positive
    heads: Positive = 12
    neurons: Positive | None = None
    experts: Experts = Experts()

    @model_validator(mode="after")
    def _heads_divide_hidden(self):
        if self.hidden % self.heads:
            raise ValueError(f"hidden: expected a multiple of heads {self.heads}, got {self.hidden}")
        return self


class Distill(Section):
    """Distillation, for every round that does not say otherwise."""

    epochs: Count
    batch: Positive
    learning_rate: Rate
    warmup: Share
    weight_decay: Share
    gradient_norm: Annotated[float, Field(gt=0)]
    adam_epsilon: Annotated[float, Field(gt=0)]
    dropout: Annotated[float, Field(ge=0, lt=1)]
    precision: Literal["fp32", "bf16", "fp16"]
    teacher_layer: Positive | Literal["last"]
    relation_heads: Positive
    relation_dropout: Annotated[float, Field(ge=0, lt=1)]
    log_epsilon: Annotated[float, Field(ge=0, le=1e-3)]
    load_balance: Annotated[float, Field(ge=0)]
    balance_padding: bool
    heldout: Positive
    evaluate_every: Positive


class Round(overrides_of("DistillOverrides", Distill)):
    """One teacher, one pass over the corpus, one or more students."""

    teacher: Annotated[str, Field(pattern=r"^models/(teacher|[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)$")]
    students: Annotated[dict[Name, Student], Field(min_length=1)]
