"""The world: its things and the facts about them, drawn from one seed."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from .words import WORDS

NAMES, OBJECTS = WORDS["names"], WORDS["objects"]
SCHOOL_KINDS = ["university", "college", "museum", "team"]  # of the names of schools in words.yaml


@dataclass(eq=False)
class Entity:
    """A thing with an article."""

    id: int
    type: str  # town, river, person …: which relations it can have
    kind: str  # the noun for it: village, bird, novel …
    name: str
    tag: str  # PER, LOC, ORG, MISC, or "" for a common noun
    qualities: dict[str, int]  # quality: pole
    familiar: bool  # may appear in the train set of a task
    year: int = 0  # of its beginning
    traits: dict[str, str] = field(default_factory=dict)  # words that its sentences use: direction, craft …


@dataclass(frozen=True)
class Fact:
    """`relation(subject, object)`; relation "quality" has (quality, pole) as its object."""

    relation: str
    subject: Entity
    object: Entity | str | tuple[str, int]
    year: int = 0


class World:
    """All entities and facts. The same seed makes the same world."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.entities: list[Entity] = []
        self.facts: list[Fact] = []
        self._places()
        self._nature()
        self._society()
        self._relate()

    def of(self, type_: str) -> list[Entity]:
        """All entities of one type or kind."""
        return [e for e in self.entities if type_ in (e.type, e.kind)]

    def about(self, entity: Entity) -> list[Fact]:
        """The facts that have the entity as subject."""
        return [fact for fact in self.facts if fact.subject is entity]

    def _add(self, type_: str, kind: str, name: str, tag: str = "", year: int = 0, **traits: str) -> Entity:
        qualities = {quality: self.rng.randrange(2) for quality in WORDS["qualities_of"].get(type_, [])}
        familiar = self.rng.random() < 0.45
        self.entities.append(Entity(len(self.entities), type_, kind, name, tag, qualities, familiar, year, traits))
        return self.entities[-1]

    def _draw(self, objects: str) -> str:
        return self.rng.choice(OBJECTS[objects])

    def _compounds(self, stems: str, endings: list[str], count: int) -> list[str]:
        """`count` different names of a stem and an ending, no letter three times in a row."""
        names = [stem + ending for stem in NAMES[stems] for ending in endings]
        names = [n for n in names if all(n.lower()[i : i + 3] != n.lower()[i] * 3 for i in range(len(n) - 2))]
        return self.rng.sample(names, count)

    def _places(self) -> None:
        for name in NAMES["regions"]:
            self._add("region", "region", name, "LOC")
            self._add("demonym", "demonym", name.removesuffix("y").removesuffix("ia") + "ian", "MISC")
        for name in self._compounds("stems", NAMES["town_endings"], 56):
            kind = self.rng.choice(["town", "town", "village", "city"])
            self._add("town", kind, name, "LOC", direction=self._draw("direction"))
        for type_ in ("river", "hill", "lake"):
            for name in NAMES[f"{type_}s"]:
                self._add(type_, type_, name, "LOC")

    def _nature(self) -> None:
        for type_, each in (("animal", 12), ("plant", 7)):
            for kind, endings in NAMES[type_].items():
                for name in self._compounds("wild_stems", endings, each):
                    self._add(type_, kind, name, colour=self._draw("colour"))
        plants, names = self.of("plant"), set()
        while len(names) < 30:
            plant, kind = self.rng.choice(plants), self.rng.choice(["bread", "soup", "cake", "pie", "stew", "tea"])
            name = f"{plant.name} {kind}"
            if name not in names:
                names.add(name)
                self.facts.append(Fact("made_of", self._add("food", kind, name), plant))

    def _society(self) -> None:
        for name, woman in self._people(90):
            craft = self.rng.choice(list(WORDS["crafts"]))
            year = self.rng.randrange(1500, 1900)
            self._add("person", craft, name, "PER", year, craft=craft, pronoun="she" if woman else "he")
        firms = [f"{stem} {ending}" for stem in NAMES["firm_stems"] for ending in NAMES["firm_endings"]]
        for name in self.rng.sample(firms, 32):
            self._add("company", self.rng.choice(["company", "factory"]), name, "ORG")
        for town in self.rng.sample(self.of("town"), 20):
            number = self.rng.choice(range(4))
            school = self._add("school", SCHOOL_KINDS[number], NAMES["schools"][number].format(town.name), "ORG")
            self.facts.append(Fact("based", school, town))
        titles = [f"The {first} {last}" for first in NAMES["title_first"] for last in NAMES["title_last"]]
        for name in self.rng.sample(titles, 40):
            kind = self.rng.choice(["novel", "poem", "history", "play"])
            self._add("book", kind, name, "MISC", topic=self._draw("topic"))
        for name in NAMES["festivals"]:
            for ending in ("Festival", "Fair"):
                self._add("festival", ending.lower(), f"{name} {ending}", "MISC")

    def _people(self, count: int) -> Iterator[tuple[str, bool]]:
        """`count` different full names, each with whether it is a woman's."""
        surnames = [stem + ending for stem in NAMES["person_stems"] for ending in NAMES["person_endings"]]
        seen: set[str] = set()
        while len(seen) < count:
            woman = self.rng.random() < 0.5
            name = f"{self.rng.choice(NAMES['women' if woman else 'men'])} {self.rng.choice(surnames)}"
            if name not in seen:
                seen.add(name)
                yield name, woman

    def _relate(self) -> None:
        """For every entity one fact of each relation that its type has, and its qualities."""
        for type_, relations in WORDS["facts_of"].items():
            for relation, wanted in (text.split() for text in relations):
                for entity in self.of(type_):
                    candidates = OBJECTS.get(wanted) or self.of(wanted)
                    other = self.rng.choice(candidates)
                    while not _can_meet(entity, other):
                        other = self.rng.choice(candidates)
                    self.facts.append(Fact(relation, entity, other, self._when(relation, entity, other)))
        for entity in self.entities:
            self.facts += [Fact("quality", entity, quality) for quality in entity.qualities.items()]

    def _when(self, relation: str, entity: Entity, other: Entity | str) -> int:
        """The year of a fact: of a birth, of somebody's best years, or of the thing's beginning."""
        if relation == "born":
            return entity.year
        person = next((e for e in (entity, other) if isinstance(e, Entity) and e.type == "person"), None)
        begun = person.year + self.rng.randrange(20, 50) if person else self.rng.randrange(1500, 1900)
        entity.year = entity.year or begun
        return entity.year + self.rng.randrange(20, 50) if entity is person else entity.year


def _can_meet(one: Entity, other: Entity | str) -> bool:
    """Whether they can be in one fact: not the same, and people of one time."""
    people = isinstance(other, Entity) and one.type == other.type == "person"
    return one is not other and (not people or abs(one.year - other.year) < 40)
