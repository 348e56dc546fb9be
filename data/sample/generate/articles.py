"""Articles: what the encyclopedia says about a thing, in paragraphs of sentences.

An article tells most facts twice, in other words, in sentences that follow each other. So a masked word can
be guessed from the neighbouring sentence, and what a model learns by guessing (which words mean the same,
which sentences say the same, who did what to whom) is what the tasks ask for.
"""

import random

from .grammar import QUALITY_OPPOSITES, Article, Voice, with_article
from .household import SCHEMAS, craft_article, household_article
from .opinions import opinions
from .words import CRAFTS
from .world import Entity, Fact, World

LEADS = [
    "{name} is a {kind}, a {general} with a story of its own.",
    "{name} is a {kind} like no other, a {general} that many remember.",
    "{name} is one {kind} among many, yet a {general} of its own sort.",
]


def lead(voice: Voice, entity: Entity) -> str:
    """What kind of thing it is, in two words for it."""
    name, kind, general = voice.reference(entity), entity.kind, voice.general(entity)
    if entity.type == "person":
        pronoun = "she" if entity.traits["woman"] else "he"
        people = voice.rng.choice(voice.world.of("demonym"))
        return with_article(f"{name} was a @{people.id} {kind}, and {pronoun} was a good {kind}.")
    if "colour" in entity.traits:
        return with_article(f"{name} is a {entity.traits['colour']} {kind}, a {general} that children know well.")
    if general == kind:
        return with_article(f"{name} is a {kind} that every child learns about at school.")
    return with_article(voice.rng.choice(LEADS).format(name=name, kind=kind, general=general))


def told(voice: Voice, fact: Fact) -> list[str]:
    """A fact told twice, or asked and answered, or all three."""
    first, second = voice.restate(fact)
    draw = voice.rng.random()
    if fact.relation == "quality" and draw < 0.4:
        return [voice.deny(voice.fill(voice.rng.choice(QUALITY_OPPOSITES), fact)), first]
    if draw < 0.35:
        return [voice.ask(fact), first]
    return [first, second] if draw < 0.85 else [first, voice.ask(fact), second]


def entity_article(voice: Voice, entity: Entity) -> Article:
    """The article on an entity: its facts, its qualities, where else it appears, what is thought of it."""
    rng, world = voice.rng, voice.world
    facts = world.about(entity)
    rng.shuffle(facts)
    plain = [f for f in facts if f.relation != "quality"]
    qualities = [f for f in facts if f.relation == "quality"]
    elsewhere = [f for f in world.facts if f.object == entity.id]
    elsewhere = rng.sample(elsewhere, min(3, len(elsewhere)))
    body = [told(voice, fact) for fact in plain]
    intro = [lead(voice, entity)] + (body.pop(0) if body else [])
    sections = [("", [intro])]
    if body:
        sections.append((HEADINGS.get(entity.type, "Overview"), body))
    if qualities:
        sections.append(("Character", [[s for f in qualities for s in told(voice, f)]]))
    if elsewhere:
        sections.append(("See also the following", [[s for f in elsewhere for s in told(voice, f)]]))
    good = bool(rng.randrange(2))
    if entity.type not in ("region", "hill", "lake"):
        sections.append(("Reception", [opinions(voice, entity, good, 8)]))
    return Article(entity.name, entity, sections)


HEADINGS = {
    "town": "History and trade",
    "river": "Course",
    "person": "Life",
    "company": "Business",
    "school": "History",
    "book": "Origin",
    "festival": "Customs",
    "animal": "Way of life",
    "plant": "Growth",
    "food": "Preparation",
}


def encyclopedia(world: World, seed: int) -> list[Article]:
    """All articles, in a fixed order."""
    voice = Voice(world, random.Random(seed))
    articles = [entity_article(voice, e) for e in world.entities if e.type != "demonym"]
    articles += [craft_article(voice, craft) for craft in CRAFTS]
    return articles + [household_article(voice, noun) for schema in SCHEMAS for noun in schema[0] + schema[1]]
