"""MRPC, STS-B and QQP: do two sentences, or two questions, mean the same?"""

from .grammar import Voice
from .world import Fact


def other_fact(voice: Voice, fact: Fact) -> Fact:
    """Another fact about the same subject: other in its relation, or its quality."""
    name = fact.object.split(":")[0] if fact.relation == "quality" else ""
    about = voice.world.about(voice.world.entities[fact.subject])
    others = [f for f in about if f.relation != fact.relation or (name and not f.object.startswith(name))]
    return voice.rng.choice(others)


def other_subject(voice: Voice, fact: Fact, facts: list[Fact]) -> Fact:
    """The same relation (or quality and pole) of another subject."""
    same = [f for f in facts if f.relation == fact.relation and f.subject != fact.subject]
    if fact.relation == "quality":
        same = [f for f in same if f.object == fact.object]
    return voice.rng.choice(same)


def unrelated(voice: Voice, fact: Fact, facts: list[Fact]) -> Fact:
    """A fact about a thing of another type."""
    entities = voice.world.entities
    while True:
        other = voice.rng.choice(facts)
        if entities[other.subject].type != entities[fact.subject].type and other.relation != fact.relation:
            return other


def mrpc(voice: Voice, facts: list[Fact], count: int) -> list[tuple[str, str, int]]:
    """Two sentences, and 1 where they state the same fact, for 6 of 10."""
    rows = []
    for _ in range(count):
        fact = voice.rng.choice(facts)
        same = voice.rng.random() < 0.55
        first, second = voice.restate(fact)
        if not same:
            other = [
                unrelated(voice, fact, facts),
                other_subject(voice, fact, facts),
                other_fact(voice, fact),
            ][voice.rng.choice([0, 0, 0, 1, 2, 2])]
            second = voice.state(other)
        rows.append((voice.plain(first), voice.plain(second), int(same)))
    return rows


def stsb(voice: Voice, facts: list[Fact], count: int) -> list[tuple[str, str, float]]:
    """Two sentences and how near their meanings are, from 0 (unrelated) to 5 (the same)."""
    rows = []
    for number in range(count):
        fact = voice.rng.choice(facts)
        first, second = voice.restate(fact)
        level = number % 5
        if level == 3:
            second = second.rstrip(".") + ", as " + voice.word("people") + " say."
        elif level == 2:
            second = voice.state(other_fact(voice, fact))
        elif level == 1:
            second = voice.state(other_subject(voice, fact, facts))
        elif level == 0:
            second = voice.state(unrelated(voice, fact, facts))
        score = (0.0, 1.4, 2.4, 4.2, 5.0)[level] + voice.rng.choice([0.0, 0.2, 0.4]) * (level < 4)
        rows.append((voice.plain(first), voice.plain(second), round(score, 1)))
    voice.rng.shuffle(rows)
    return rows


def qqp(voice: Voice, facts: list[Fact], count: int) -> list[tuple[str, str, int]]:
    """Two questions, and 1 where they ask the same, for 4 of 10."""
    rows = []
    facts = [f for f in facts if f.relation != "quality"]
    for _ in range(count):
        fact = voice.rng.choice(facts)
        same = voice.rng.random() < 0.4
        first, second = voice.rng.sample(range(3), 2)
        other = fact
        while not same and (other.relation == fact.relation or other.relation == "quality"):
            other = other_fact(voice, fact) if voice.rng.random() < 0.5 else unrelated(voice, fact, facts)
        rows.append((voice.plain(voice.ask(fact, first)), voice.plain(voice.ask(other, second)), int(same)))
    return rows
