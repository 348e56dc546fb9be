"""Names: every class has its own endings, so that a name's class shows in its form as well as in its use."""

import random
from collections.abc import Iterator

from .words import words

STEMS = words("""Ash Bren Cald Dor Elm Fal Gar Hol Kel Lang Mar Nor Pel Ram Sel Thorn Vel""")
TOWN_ENDINGS = words("ford wick ton ham bury mouth stead bridge")
REGIONS = words("Belvany Corvany Dalmia Estria Galdia Jorvany Karlia Norvia")
RIVERS = words("""Avra Bessa Corra Delva Essa Farra Isna Jolva Kessa Lurra Mossa Nerra Orla Pella Rissa Sarra""")
HILLS = words("Brantor Cragtor Dartor Fentor Haytor Kestor Lintor Montor")
LAKES = words("Almere Bolmere Colmere Dunmere Gosmere Hawmere Lynmere Windmere")
MEN = words("""Tomas Anton Bruno Casper Dario Edmund Felix Gustav Hugo Ivan Jonas Konrad Lukas Oskar
Pavel Stefan Viktor""")
WOMEN = words("""Anna Berta Clara Dora Elena Frida Greta Hanna Ida Julia Lena Maria Nora Olga Rosa Sofia
Vera""")
PERSON_STEMS = words("""Alder Brand Dahl Falk Grim Hart Jens Lind Mort Nord Pett Rask Vang Wolf""")
PERSON_ENDINGS = ["sen", "mann", "ling"]
FIRM_STEMS = words("""Arvex Bolvex Cantrex Dornex Fortex Galtex Hydrex Lumex Mantex Quintex Rolvex Zentrex""")
FIRM_ENDINGS = words("Company Works Brothers Mills")
SCHOOLS = ["University of {}", "{} College", "{} Museum", "{} United"]
TITLE_FIRST = words("Silent Broken Golden Hidden Lost Midnight Scarlet Winter")
TITLE_LAST = words("Lantern Orchard Mirror Harbour Feather Bridge Garden Letter Crown Journey")
FESTIVALS = words("Lantern Harvest Salt Candle Kite Apple Snow Barley")
WILD_STEMS = words("marsh reed stone dusk frost moss ember thorn silver copper mist amber")
ANIMAL_ENDINGS = {
    "bird": ["wing", "beak"],
    "fish": ["fin", "gill"],
    "mammal": ["paw", "tail"],
    "insect": ["moth", "hopper"],
}
PLANT_ENDINGS = {"tree": ["oak"], "flower": ["bloom", "bell"], "herb": ["wort", "root"], "shrub": ["berry"]}


def demonym(region: str) -> str:
    """Belvany: Belvanian; Dalmia: Dalmian."""
    return region.removesuffix("y").removesuffix("ia") + ("ian")


def compounds(rng: random.Random, stems: list[str], endings: list[str], count: int) -> list[str]:
    """`count` different names of a stem and an ending, no letter three times in a row."""
    names = [stem + ending for stem in stems for ending in endings]
    names = [n for n in names if all(n.lower()[i : i + 3] != n.lower()[i] * 3 for i in range(len(n) - 2))]
    return rng.sample(names, count)


def people(rng: random.Random, count: int) -> Iterator[tuple[str, bool]]:
    """`count` different full names, each with whether it is a woman's."""
    surnames = [stem + ending for stem in PERSON_STEMS for ending in PERSON_ENDINGS]
    seen: set[str] = set()
    while len(seen) < count:
        woman = rng.random() < 0.5
        name = f"{rng.choice(WOMEN if woman else MEN)} {rng.choice(surnames)}"
        if name not in seen:
            seen.add(name)
            yield name, woman


def titles(rng: random.Random, count: int) -> list[str]:
    """`count` different book titles."""
    every = [f"The {first} {last}" for first in TITLE_FIRST for last in TITLE_LAST]
    return rng.sample(every, count)
