"""Articles: what the encyclopedia says about a thing, in paragraphs of sentences.

An article tells most facts twice, in other words, in sentences that follow each other. So a masked word can
be guessed from the neighbouring sentence, and what a model learns by guessing (which words mean the same,
which sentences say the same, who did what to whom) is what the tasks ask for.

All opinions on a thing agree with each other, and the words around an opinion (the guests come back, or leave
early) show which kind it is: that is how a corpus teaches which adjectives are kind ones.
"""

import random

from .language import Article, Voice, with_article
from .words import SENTENCES, WORDS
from .world import Entity, Fact, World

HEADINGS = {
    "town": "History and trade", "river": "Course", "person": "Life", "company": "Business", "school": "History",
    "book": "Origin", "festival": "Customs", "animal": "Way of life", "plant": "Growth", "food": "Preparation",
}  # fmt: skip
# Winograd's schemas: the small, the great, how they are told, and the qualities that keep them apart.
HOUSEHOLD = WORDS["household"]
SCHEMAS = [
    (HOUSEHOLD["boxes"], HOUSEHOLD["things"], SENTENCES["boxes"], (("size", 1), ("size", 0))),
    (HOUSEHOLD["carriers"], HOUSEHOLD["loads"], SENTENCES["carriers"], (("strength", 1), ("weight", 0))),
]


def encyclopedia(world: World, seed: int) -> list[Article]:
    """All articles, in a fixed order."""
    voice = Voice(world, random.Random(seed))
    articles = [_entity(voice, entity) for entity in world.entities if entity.type != "demonym"]
    articles += [_craft(voice, worker, *craft) for worker, craft in WORDS["crafts"].items()]
    return articles + [_household(voice, noun, *schema) for schema in SCHEMAS for noun in schema[0] + schema[1]]


def _entity(voice: Voice, entity: Entity) -> Article:
    """The article on an entity: its facts, its qualities, where else it appears, what is thought of it."""
    rng, world = voice.rng, voice.world
    facts = world.about(entity)
    rng.shuffle(facts)
    elsewhere = [fact for fact in world.facts if fact.object is entity]
    elsewhere = rng.sample(elsewhere, min(3, len(elsewhere)))
    body = [_told(voice, fact) for fact in facts if fact.relation != "quality"]
    sections = [("", [_lead(voice, entity) + (body.pop(0) if body else [])])]
    if body:
        sections.append((HEADINGS.get(entity.type, "Overview"), body))
    for heading, told in (
        ("Character", [fact for fact in facts if fact.relation == "quality"]),
        ("See also the following", elsewhere),
    ):
        if told:
            sections.append((heading, [[sentence for fact in told for sentence in _told(voice, fact)]]))
    frames = SENTENCES["good" if (good := bool(rng.randrange(2))) else "bad"]
    if entity.type not in ("region", "hill", "lake"):
        sections.append(("Reception", [_opinions(voice, entity, frames, good)]))
    return Article(entity.name, entity, sections)


def _lead(voice: Voice, entity: Entity) -> list[str]:
    """What kind of thing it is, in two words for it."""
    name, kind, general = voice.reference(entity), entity.kind, voice.general(entity)
    if entity.type == "person":
        people = voice.rng.choice(voice.world.of("demonym"))
        text = f"{name} was a @{people.id} {kind}, and {entity.traits['pronoun']} was a good {kind}."
    elif "colour" in entity.traits:
        text = f"{name} is a {entity.traits['colour']} {kind}, a {general} that children know well."
    elif general == kind:
        text = f"{name} is a {kind} that every child learns about at school."
    else:
        text = voice.rng.choice(SENTENCES["lead"]).format(name=name, kind=kind, general=general)
    return [with_article(text)]


def _told(voice: Voice, fact: Fact) -> list[str]:
    """A fact told twice, or asked and answered, or all three."""
    first, second = voice.restate(fact)
    draw = voice.rng.random()
    if fact.relation == "quality" and draw < 0.4:
        return [voice.deny(voice.oppose(fact)), first]
    if draw < 0.35:
        return [voice.ask(fact), first]
    return [first, second] if draw < 0.85 else [first, voice.ask(fact), second]


def _opinions(voice: Voice, entity: Entity, frames: list[str], good: bool) -> list[str]:
    """Sentences of one polarity on an entity; of a person it is the work that is judged."""
    frames = voice.rng.sample(frames, len(frames))
    person = entity.type == "person"
    subject, kind = (f"the work of @{entity.id}", "work") if person else (voice.reference(entity), entity.kind)
    return [with_article(voice.opinion(frame.replace("{k}", kind), subject, good)) for frame in frames]


def _craft(voice: Voice, worker: str, past: str, present: str, thing: str, place: str) -> Article:
    """The article on a craft: what its workers do, and what others do."""
    sentences, slots = [], {"w": worker, "past": past, "present": present, "o": thing, "place": place}
    for frame in SENTENCES["craft"]:
        other = voice.rng.choice([other for other in WORDS["crafts"] if other != worker])
        sentences.append(frame.format(**slots, w2=other, o2=WORDS["crafts"][other][2]))
    voice.rng.shuffle(sentences)
    return Article(worker.capitalize(), None, [("", [sentences[:4]]), ("Work", [sentences[4:]])])


def _household(voice: Voice, noun: str, small: list, great: list, frames: list, poles: tuple) -> Article:
    """The article on a box, a thing, a carrier or a load: what is too big, small, heavy or weak for what."""
    rng, sentences = voice.rng, []
    for frame in rng.sample(frames, len(frames)) * 2:
        other = rng.choice(great if noun in small else small)
        pair = dict(zip(("small", "great"), (noun, other) if noun in small else (other, noun), strict=True))
        low, high = (voice.quality(*pole) for pole in poles)
        sentences.append(with_article(frame.format(**pair, low=low, high=high)))
    return Article(noun.capitalize(), None, [("", [sentences[:4]]), ("Use", [sentences[4:]])])
