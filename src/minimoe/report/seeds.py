"""Put students together that differ by the seed of their distillation alone: what they share is the method's."""

import re
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from statistics import mean

from scipy import stats

from minimoe.bootstrap.differences import LEVEL, Interval
from minimoe.params.rounds import Student
from minimoe.report.models import Model, differences


@dataclass(frozen=True)
class SeedGroup:
    """Students that differ by their seed alone, or one that stands by itself."""

    name: str
    members: tuple[Model, ...]

    @property
    def first(self) -> Model:
        """The one that says what all have in common."""
        return self.members[0]

    @property
    def names(self) -> tuple[str, ...]:
        """Those of the members."""
        return tuple(model.name for model in self.members)

    @property
    def heldout_loss(self) -> float:
        """The mean over members."""
        return mean(model.heldout_loss for model in self.members)

    @property
    def several(self) -> bool:
        """Whether it tells how much is luck."""
        return len(self.members) > 1


def seed_groups(models: Iterable[Model]) -> list[SeedGroup]:
    """All students in groups, in the order of their first members."""
    groups: list[list[Model]] = []
    alike: dict[tuple, list[list[Model]]] = {}  # those that may be one group, so that not all are held against all
    for model in (model for model in models if model.shape):
        near = alike.setdefault((model.taught_by, model.task_teacher, model.shape.size, model.experts), [])
        own = next((own for own in near if all(differences(one, model) == {"seed"} for one in own)), None)
        if own is None:
            own = []
            near.append(own)
            groups.append(own)
        own.append(model)
    names = [_name([model.name for model in own]) for own in groups]
    return [
        SeedGroup(name if names.count(name) == 1 else f"{own[0].name} ({len(own)} seeds)", tuple(own))
        for name, own in zip(names, groups, strict=True)
    ]


def apart(first: SeedGroup, second: SeedGroup) -> set[str]:
    """In what they differ; beside a group of several seeds, the seed is nothing."""
    found = differences(first.first, second.first)
    return found - {"seed"} if first.several or second.several else found


def alike(groups: Sequence[SeedGroup], key: Callable[[Model], Hashable]) -> Iterable[list[SeedGroup]]:
    """Those of one key together, in their order; of students with a single seed only those with the same."""
    found: dict[Hashable, list[SeedGroup]] = {}
    for one in groups:
        found.setdefault(key(one.first), []).append(one)
    for own in found.values():
        for seed in dict.fromkeys(one.first.seed for one in own if not one.several) or [None]:
            yield [one for one in own if one.several or one.first.seed == seed]


def seedless(shape: Student) -> Student:
    """The shape that students of several seeds have in common."""
    return shape.model_copy(update={"seed": None})


def _name(members: list[str]) -> str:
    """`round/dense (3 seeds)` of round/dense-s1, round/dense-s2 and round/dense-s3."""
    if len(members) == 1:
        return members[0]
    without = {re.sub(r"[-_.](s|seed)?[-_.]?\d+$", "", name) for name in members}
    return f"{without.pop() if len(without) == 1 else members[0]} ({len(members)} seeds)"


def heldout_by_seed(first: SeedGroup, second: SeedGroup) -> tuple[int, Interval | None]:
    """How many seeds two groups share, and by how much the first's held-out loss is higher, with a t interval.

    Students of one seed have the same batches, so their losses are compared seed by seed. None with fewer than two.
    """
    one, other = ({model.seed: model.heldout_loss for model in group.members} for group in (first, second))
    shared = [seed for seed in one if seed in other]
    if len(shared) < 2:
        return len(shared), None
    apart = [one[seed] - other[seed] for seed in shared]
    middle = mean(apart)
    reach = stats.t.ppf(1 - LEVEL / 2, len(apart) - 1) * stats.sem(apart)
    return len(apart), Interval(middle, middle - reach, middle + reach)
