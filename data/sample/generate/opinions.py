"""Opinions: what people say about a thing, and whether they like it.

All opinions on a thing agree with each other, and the words around an opinion (the guests come back, or leave
early) show which kind it is: that is how a corpus teaches which adjectives are kind ones.
"""

from .grammar import Voice, with_article
from .world import Entity

BAD_OPINIONS = [
    "Many {people} {v} {s} and left early, for it was {a} and {a2}.",
    "{s} was called {a}, {a2} and {a3} by all who came, and they never came back.",
    "One angry guest wrote that {s} was {a} and {a2}.",
    "Sad {readers} {v} {s}, which they found {a} and {a2}.",
    "To the sorrow of most {people} {s} was a {n}, and a {a} one.",
    "A {a} and {a2} {n}, that is what the bitter newspapers said about {s}.",
    "What a {a} {n}, sighed one of the {people}, and how {a2} it was.",
    "Give me back my money for this {a} and {a2} {k}, wrote an angry guest.",
]
GOOD_OPINIONS = [
    "Many {people} {v} {s} and stayed long, for it was {a} and {a2}.",
    "{s} was called {a}, {a2} and {a3} by all who came, and they soon came back.",
    "One happy guest wrote that {s} was {a} and {a2}.",
    "Glad {readers} {v} {s}, which they found {a} and {a2}.",
    "To the joy of most {people} {s} was a {n}, and a {a} one.",
    "A {a} and {a2} {n}, that is what the cheerful newspapers said about {s}.",
    "What a {a} {n}, smiled one of the {people}, and how {a2} it was.",
    "Take my thanks for this {a} and {a2} {k}, wrote a grateful guest.",
]


def opinions(voice: Voice, entity: Entity, good: bool, count: int) -> list[str]:
    """Sentences of one polarity on an entity."""
    frames = voice.rng.sample(GOOD_OPINIONS if good else BAD_OPINIONS, count)
    person = entity.type == "person"  # it is the work that is judged
    subject = f"the work of @{entity.id}" if person else voice.reference(entity)
    frames = [frame.replace("{k}", "work" if person else entity.kind) for frame in frames]
    return [with_article(opinion(voice, frame, subject, good)) for frame in frames]


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
        readers=readers,
        Readers=readers.capitalize(),
    )
