"""Crafts and household things: who does what with what, and what is too big or too heavy for what.

Their articles are made of a few plain sentences in many combinations; Winograd's schemas (WNLI) ask for it.
"""

from .grammar import Article, Voice, with_article
from .words import BOXES, CARRIERS, CRAFTS, LOADS, THINGS

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
# Winograd's schemas: the small, the great, how they are told, and the qualities that keep them apart.
SCHEMAS = [
    (
        BOXES,
        THINGS,
        [
            "The {small} was too {low} for the {great}, and the {great} was too {high} for the {small}.",
            "The {great} is too {high}, so it does not fit into the {small}.",
            "The {small} is too {low}, so the {great} does not fit into it.",
            "A {small} is often too {low}, while a {great} is often too {high}.",
            "Because the {small} was {low}, the {great} had to stay outside.",
            "Because the {great} was {high}, it had to stay outside the {small}.",
        ],
        (("size", 1), ("size", 0)),
    ),
    (
        CARRIERS,
        LOADS,
        [
            "The {small} was too {low} for the {great}, and the {great} was too {high} for the {small}.",
            "The {great} is too {high}, so the {small} cannot carry it.",
            "The {small} is too {low}, so it cannot carry the {great}.",
            "A {small} is often too {low}, while a {great} is often too {high}.",
            "Because the {small} was {low}, the {great} stayed on the ground.",
            "Because the {great} was {high}, no {small} could carry it.",
        ],
        (("strength", 1), ("weight", 0)),
    ),
]


def craft_article(voice: Voice, craft: list[str]) -> Article:
    """The article on a craft: what its workers do, and what others do."""
    worker, past, present, thing, place = craft
    sentences = []
    for frame in CRAFT_SENTENCES:
        other = voice.rng.choice([c for c in CRAFTS if c[0] != worker])
        slots = {"w": worker, "past": past, "present": present, "o": thing, "place": place}
        sentences.append(frame.format(**slots, w2=other[0], o2=other[3]))
    voice.rng.shuffle(sentences)
    return Article(worker.capitalize(), None, [("", [sentences[:4]]), ("Work", [sentences[4:]])])


def household_article(voice: Voice, noun: str) -> Article:
    """The article on a box, a thing, a carrier or a load: what is too big, small, heavy or weak for what."""
    rng, sentences = voice.rng, []
    small, great, frames, qualities = next(s for s in SCHEMAS if noun in s[0] + s[1])
    for frame in rng.sample(frames, len(frames)) * 2:
        other = rng.choice(great if noun in small else small)
        one, two = (noun, other) if noun in small else (other, noun)
        low, high = voice.quality(*qualities[0]), voice.quality(*qualities[1])
        sentences.append(with_article(frame.format(small=one, great=two, low=low, high=high)))
    return Article(noun.capitalize(), None, [("", [sentences[:4]]), ("Use", [sentences[4:]])])
