"""Articles: what the encyclopedia says about a thing, in paragraphs of sentences.

An article tells most facts twice, in other words, in sentences that follow each other. So a masked word can
be guessed from the neighbouring sentence, and what a model learns by guessing (which words mean the same,
which sentences say the same, who did what to whom) is what the tasks ask for.
"""

import random
from dataclasses import dataclass

from .grammar import Voice, with_article
from .words import CRAFTS
from .world import Entity, Fact, World

OPINIONS = [
    "Many {people} {v} {s} and spoke of its {a} charm.",
    "{s} was called {a}, {a2} and {a3} by all who came.",
    "One guest wrote that {s} was {a} and {a2} from first to last.",
    "{Readers} {v} {s}, which they found {a} and {a2}.",
    "To most {people} {s} was a {n}, and a {a} one.",
    "A {a} and {a2} {n}, that is what the newspapers said about {s}.",
    "What a {a} {n} it was, wrote one of the {people}.",
]
CRAFT_SENTENCES = [
    "The {w} {present} the {o} in the {place} every morning.",
    "It is the {w} who {present} the {o}, and nobody else.",
    "A town that needs {o} sends for the {w} at once.",
    "When the {o} was done, people thanked the {w} for it.",
    "A good {w} {present} {o} better than a {w2} does.",
    "The {w2} met the {w}, who had {past} the {o}.",
    "The {w} of the town had {past} the {o} before the {w2} came.",
    "The {w2} needed {o}, so the {w} came to help.",
    "The {w} showed the {w2} how one {present} {o}.",
    "In the {place} one can see how the {w} {present} the {o}.",
    "Without the {w} there would be no {o} in the town.",
    "The {w} knows more about {o} than the {w2} knows.",
    "The {w} asked the {w2} for {o2} and paid with {o}.",
    "The {w} talked about {o} while the {w2} talked about {o2}.",
]


@dataclass
class Article:
    """A title, its entity if it has one, and headed sections of paragraphs of sentences."""

    title: str
    entity: Entity | None
    sections: list[tuple[str, list[list[str]]]]


def opinions(voice: Voice, entity: Entity, good: bool, count: int) -> list[str]:
    """Sentences of one polarity on an entity."""
    frames = voice.rng.sample(OPINIONS, count)
    return [with_article(opinion(voice, frame, voice.reference(entity), good)) for frame in frames]


def opinion(voice: Voice, frame: str, subject: str, good: bool) -> str:
    """A frame filled with opinion words of one polarity."""
    adjectives: list[str] = []
    while len(adjectives) < 3:
        word = voice.opinion("adjective", good)
        if word not in adjectives:
            adjectives.append(word)
    readers = voice.word("readers")
    return frame.format(
        s=subject,
        a=adjectives[0],
        a2=adjectives[1],
        a3=adjectives[2],
        n=voice.opinion("noun", good),
        v=voice.opinion("verb", good),
        people=voice.word("people"),
        Readers=readers.capitalize(),
    )


def lead(voice: Voice, entity: Entity) -> str:
    """What kind of thing it is, in two words for it."""
    name, kind, general = voice.reference(entity), entity.kind, voice.general(entity)
    if entity.type == "person":
        pronoun = "she" if entity.traits["woman"] else "he"
        people = voice.rng.choice(voice.world.of("demonym"))
        return with_article(f"{name} was a @{people.id} {kind}, and {pronoun} was a good {kind}.")
    if "colour" in entity.traits:
        return with_article(
            f"{name} is a {entity.traits['colour']} {kind}, a {general} that children know well."
        )
    if general == kind:
        return with_article(f"{name} is a {kind} that every child learns about at school.")
    return with_article(f"{name} is a {kind}, a {general} with a story of its own.")


def told(voice: Voice, fact: Fact) -> list[str]:
    """A fact told twice, or asked and answered, or all three."""
    first, second = voice.restate(fact)
    draw = voice.rng.random()
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
        sections.append(("Reception", [opinions(voice, entity, good, 4)]))
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


def craft_article(voice: Voice, craft: list[str]) -> Article:
    """The article on a craft: what its workers do, and what others do."""
    worker, past, present, thing, place = craft
    sentences = []
    for frame in voice.rng.sample(CRAFT_SENTENCES, len(CRAFT_SENTENCES)) + CRAFT_SENTENCES[3:9]:
        other = voice.rng.choice([c for c in CRAFTS if c[0] != worker])
        sentences.append(
            frame.format(w=worker, past=past, present=present, o=thing, place=place, w2=other[0], o2=other[3])
        )
    sections = [("", [sentences[:4]]), ("Work", [sentences[4:12]]), ("In the town", [sentences[12:]])]
    return Article(worker.capitalize(), None, sections)


def encyclopedia(world: World, seed: int) -> list[Article]:
    """All articles, in a fixed order."""
    voice = Voice(world, random.Random(seed))
    things = [e for e in world.entities if e.type != "demonym"]
    return [entity_article(voice, e) for e in things] + [craft_article(voice, c) for c in CRAFTS]
