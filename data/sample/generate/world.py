"""The world: its things and the facts about them, drawn from one seed.

An `Entity` is a thing with an article; a `Fact` says that a relation of relations.py holds between a subject
and an object (another entity, or a plain word), or that the subject has a quality.
"""

import random
from dataclasses import dataclass, field

from . import names
from .words import COLOURS, CRAFTS, DIRECTIONS, GOODS, HABITATS, MONTHS, QUALITIES, SEASONS, TOPICS, words


@dataclass
class Entity:
    """A thing with an article."""

    id: int
    type: str  # town, river, person …: which relations it can have
    kind: str  # the noun for it: village, bird, novel …
    name: str
    tag: str  # PER, LOC, ORG, MISC, or "" for a common noun
    familiar: bool  # may appear in the train set of a task
    traits: dict[str, str] = field(default_factory=dict)  # words that its sentences use: direction, craft …
    qualities: dict[str, int] = field(default_factory=dict)  # quality: pole


@dataclass(frozen=True)
class Fact:
    """`relation(subject, object)`; `object` is an entity's id, or a word. A year where there is one."""

    relation: str
    subject: int
    object: int | str
    year: int = 0


QUALITIES_OF = {
    "town": words("size age fame wealth"),
    "river": ["length", "speed", "size"],
    "person": ["fame", "wealth", "strength"],
    "company": ["size", "age", "wealth"],
    "school": ["age", "fame", "size"],
    "book": ["length", "fame", "age"],
    "festival": ["sound", "age", "size"],
    "animal": words("size speed temper rarity sound"),
    "plant": words("size rarity light strength"),
    "food": ["heat", "rarity", "fame"],
}
COUNTS = {"town": 56, "person": 90, "company": 32, "school": 20, "book": 40, "animal": 48, "plant": 28, "food": 30}


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
        """All entities of one type."""
        return [e for e in self.entities if e.type == type_]

    def about(self, entity: Entity) -> list[Fact]:
        """The facts that have the entity as subject."""
        return [f for f in self.facts if f.subject == entity.id]

    def _add(self, type_: str, kind: str, name: str, tag: str = "", **traits: str) -> Entity:
        qualities = {q: self.rng.randrange(2) for q in QUALITIES_OF.get(type_, [])}
        familiar = self.rng.random() < 0.45
        self.entities.append(Entity(len(self.entities), type_, kind, name, tag, familiar, traits, qualities))
        return self.entities[-1]

    def _places(self) -> None:
        for name in names.REGIONS:
            self._add("region", "region", name, "LOC")
            self._add("demonym", "demonym", names.demonym(name), "MISC")
        for name in names.compounds(self.rng, names.STEMS, names.TOWN_ENDINGS, COUNTS["town"]):
            kind = self.rng.choice(words("town town village city"))
            self._add("town", kind, name, "LOC", direction=self.rng.choice(DIRECTIONS))
        for type_, list_ in (("river", names.RIVERS), ("hill", names.HILLS), ("lake", names.LAKES)):
            for name in list_:
                self._add(type_, type_, name, "LOC")

    def _nature(self) -> None:
        for kind, endings in names.ANIMAL_ENDINGS.items():
            for name in names.compounds(self.rng, names.WILD_STEMS, endings, COUNTS["animal"] // 4):
                self._add("animal", kind, name, colour=self.rng.choice(COLOURS))
        for kind, endings in names.PLANT_ENDINGS.items():
            for name in names.compounds(self.rng, names.WILD_STEMS, endings, COUNTS["plant"] // 4):
                self._add("plant", kind, name, colour=self.rng.choice(COLOURS))
        plants = self.of("plant")
        while len(self.of("food")) < COUNTS["food"]:
            plant, kind = self.rng.choice(plants), self.rng.choice(words("bread soup cake pie stew tea"))
            name = f"{plant.name} {kind}"
            if name not in {e.name for e in self.of("food")}:
                food = self._add("food", kind, name)
                self.facts.append(Fact("made_of", food.id, plant.id))

    def _society(self) -> None:
        for name, woman in names.people(self.rng, COUNTS["person"]):
            craft = self.rng.choice(CRAFTS)[0]
            self._add("person", craft, name, "PER", craft=craft, woman="yes" if woman else "", year=self._year())
        firms = [f"{stem} {ending}" for stem in names.FIRM_STEMS for ending in names.FIRM_ENDINGS]
        for name in self.rng.sample(firms, COUNTS["company"]):
            self._add("company", self.rng.choice(["company", "factory"]), name, "ORG")
        for town in self.rng.sample(self.of("town"), COUNTS["school"]):
            pattern = self.rng.choice(names.SCHOOLS)
            kind = {"United": "team", "College": "college", "Museum": "museum"}.get(pattern[3:], "university")
            school = self._add("school", kind, pattern.format(town.name), "ORG")
            self.facts.append(Fact("based", school.id, town.id))
        for name in names.titles(self.rng, COUNTS["book"]):
            kind = self.rng.choice(words("novel poem history play"))
            self._add("book", kind, name, "MISC", topic=self.rng.choice(TOPICS))
        for name in names.FESTIVALS:
            for ending in ("Festival", "Fair"):
                self._add("festival", ending.lower(), f"{name} {ending}", "MISC")

    def _year(self) -> str:
        return str(self.rng.randrange(1500, 1900))

    def _together(self, one: Entity, other: Entity) -> bool:
        """Whether they can be in one fact: not the same, and people of one time."""
        both = one.type == other.type == "person"
        return one is not other and (not both or abs(int(one.traits["year"]) - int(other.traits["year"])) < 40)

    def _when(self, relation: str, entity: Entity, other: int | str) -> int:
        """The year of a fact: of a birth, of somebody's best years, or of the thing's beginning."""
        thing = self.entities[other] if isinstance(other, int) else entity
        person = next((e for e in (entity, thing) if e.type == "person"), None)
        if relation == "born":
            return int(entity.traits["year"])
        if person:
            entity.traits.setdefault("year", str(int(person.traits["year"]) + self.rng.randrange(20, 50)))
            return (
                int(person.traits["year"]) + self.rng.randrange(20, 50)
                if entity is person
                else int(entity.traits["year"])
            )
        return int(entity.traits.setdefault("year", self._year()))

    def _relate(self) -> None:
        """For every entity one fact of each relation that its type has, and its qualities."""
        pick = {
            "region": lambda: self.rng.choice(self.of("region")).id,
            "fish": lambda: self.rng.choice([e for e in self.of("animal") if e.kind == "fish"]).id,
            "word:habitat": lambda: self.rng.choice(HABITATS),
            "word:goods": lambda: self.rng.choice(GOODS),
            "word:month": lambda: self.rng.choice(MONTHS),
            "word:season": lambda: self.rng.choice(SEASONS),
        }
        for relation, subject_type, object_type in SCHEMA:
            choose = pick.get(object_type, lambda t=object_type: self.rng.choice(self.of(t)).id)
            for entity in self.of(subject_type):
                other = choose()
                while isinstance(other, int) and not self._together(entity, self.entities[other]):
                    other = choose()
                self.facts.append(Fact(relation, entity.id, other, self._when(relation, entity, other)))
        for entity in self.entities:
            for quality, pole in entity.qualities.items():
                self.facts.append(Fact("quality", entity.id, f"{quality}:{pole}"))


# relation, type of its subject, type of its object
SCHEMA = [
    ("in_region", "town", "region"), ("founder", "town", "person"), ("on_river", "town", "river"),
    ("known_for", "town", "word:goods"), ("emblem", "town", "animal"),
    ("rises", "river", "hill"), ("flows_into", "river", "lake"), ("river_fish", "river", "fish"),
    ("born", "person", "town"), ("worked_for", "person", "company"), ("taught_by", "person", "person"),
    ("discovered", "person", "animal"), ("married", "person", "person"),
    ("based", "company", "town"), ("makes", "company", "word:goods"), ("led_by", "company", "person"),
    ("led_by", "school", "person"), ("founder", "school", "person"),
    ("author", "book", "person"), ("publisher", "book", "company"), ("set_in", "book", "town"),
    ("held_in", "festival", "town"), ("month", "festival", "word:month"), ("served_at", "festival", "food"),
    ("habitat", "animal", "word:habitat"), ("eats", "animal", "plant"), ("seen_in", "animal", "region"),
    ("grows_in", "plant", "word:habitat"), ("blooms", "plant", "word:season"), ("grows_region", "plant", "region"),
    ("food_of", "food", "town"), ("eaten_in", "food", "word:season"),
]  # fmt: skip
assert {q for list_ in QUALITIES_OF.values() for q in list_} <= set(QUALITIES)
