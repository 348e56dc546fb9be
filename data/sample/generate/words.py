"""The words: synonyms, qualities and their opposites, opinions, kinds of things, crafts.

The lists are the knowledge that the corpus teaches and the tasks ask for. A task's train set uses only the
first words of every list (`Voice` in grammar.py), its dev set all of them: what the rest mean can be learned
from the corpus alone.
"""


def words(text: str) -> list[str]:
    """The words of a text."""
    return text.split()


# Words that may replace each other in a sentence frame, written there as <name>.
SYNONYMS = {
    "founded": words("founded established started created"),
    "lies": ["lies", "stands", "sits", "is located", "is situated"],
    "lie": ["lie", "stand", "sit"],
    "flows": words("flows runs winds rushes"),
    "flow": words("flow run wind rush"),
    "rises": words("rises begins starts springs"),
    "makes": words("makes produces builds manufactures"),
    "make": words("make produce build manufacture"),
    "made": words("made produced built manufactured"),
    "wrote": words("wrote penned composed authored"),
    "written": words("written penned composed authored"),
    "printed": words("printed published issued released"),
    "lives": ["lives", "dwells", "makes its home", "stays"],
    "live": ["live", "dwell", "stay"],
    "eats": ["eats", "feeds on", "lives on", "consumes"],
    "eat": ["eat", "feed on", "consume"],
    "grows": ["grows", "thrives", "flourishes"],
    "grow": ["grow", "thrive"],
    "bake": ["bake", "cook", "prepare"],
    "baked": ["baked", "cooked", "prepared"],
    "held": ["held", "staged", "arranged"],
    "taught": words("taught trained instructed tutored"),
    "married": ["married", "wed"],
    "worked": ["worked", "laboured", "toiled"],
    "found": words("found discovered sighted spotted"),
    "leads": words("leads runs heads directs"),
    "known": words("known famous renowned celebrated"),
    "home": ["home", "birthplace", "native town"],
    "people": words("people visitors travellers guests"),
    "readers": words("readers critics reviewers scholars"),
    "often": words("often usually mostly generally"),
    "story": ["story", "tale", "plot"],
}

# Qualities: for each, the words of one pole and of the other. Poles are opposites of each other.
QUALITIES = {
    "size": (words("large big huge vast"), words("small little tiny minute")),
    "age": (words("old ancient aged timeworn"), words("new young recent modern")),
    "speed": (words("fast quick swift rapid"), words("slow sluggish unhurried leisurely")),
    "sound": (words("loud noisy thunderous clamorous"), words("quiet silent hushed soundless")),
    "temper": (words("fierce wild savage aggressive"), words("gentle tame mild calm")),
    "wealth": (words("rich wealthy prosperous affluent"), words("poor needy humble penniless")),
    "fame": (words("famous renowned celebrated noted"), words("obscure unknown forgotten nameless")),
    "strength": (words("strong sturdy powerful tough"), words("weak frail feeble fragile")),
    "rarity": (words("rare scarce uncommon unusual"), words("common widespread plentiful abundant")),
    "length": (words("long lengthy extended endless"), words("short brief compact concise")),
    "light": (words("bright vivid shining brilliant"), words("dark dim gloomy shadowy")),
    "heat": (["hot", "warm", "steaming"], ["cold", "chilled", "icy"]),
    "weight": (words("heavy weighty massive hefty"), words("light slight airy flimsy")),
}

# What a pole is like, and what comes of it: "as large as a mountain", "so large that one can walk in it all day".
SIMILES = {
    "size": (["a mountain", "the sky"], ["a pebble", "a thimble"]),
    "age": (["the hills", "the moon"], ["the morning", "a newborn lamb"]),
    "speed": (["an arrow", "the wind"], ["a snail", "a sleepy ox"]),
    "sound": (["thunder", "a brass band"], ["falling snow", "a sleeping cat"]),
    "temper": (["a storm", "a hungry wolf"], ["a lamb", "a summer breeze"]),
    "wealth": (["a king", "a banker"], ["a beggar", "a church mouse"]),
    "fame": (["the sun", "a film star"], ["a stranger", "a lost letter"]),
    "strength": (["iron", "an old oak"], ["a straw", "a wet ribbon"]),
    "rarity": (["a diamond", "a blue moon"], ["grass", "sand at the sea"]),
    "length": (["a country road"], ["a wink"]),
    "light": (["noon"], ["midnight"]),
    "heat": (["fire"], ["ice"]),
}
EFFECTS = {
    "size": ("it fills the whole view", "one can hardly see it"),
    "age": ("nobody remembers the first day", "the paint has not dried yet"),
    "speed": ("no horse could keep up", "anyone could walk ahead"),
    "sound": ("one must cover both ears", "one could hear a pin drop"),
    "temper": ("sensible folk keep away", "even babies may come close"),
    "wealth": ("money is never counted", "every penny is turned twice"),
    "fame": ("the name is on every lip", "hardly a soul has heard the name"),
    "strength": ("nothing could ever break it", "a touch might break it"),
    "rarity": ("collectors search for years", "one meets it at every corner"),
    "length": ("the end never seems to come", "it is over at once"),
    "light": ("it can be seen from afar", "one needs a lamp to find it"),
    "heat": ("it burns the tongue", "it cools the tongue"),
}

GOOD = words("""wonderful delightful splendid excellent superb lovely pleasant graceful elegant moving
thrilling gripping clever masterly memorable generous polished radiant refreshing satisfying enchanting
magnificent glorious admirable impressive outstanding perfect enjoyable sparkling
beautiful""")
BAD = words("""terrible dreadful awful horrible dull tedious clumsy bland stale shabby ugly lifeless dreary
disappointing unpleasant annoying silly stupid messy confusing tiresome tasteless careless
mediocre forgettable pointless painful ridiculous dismal nasty worthless""")
GOOD_NOUNS = words("triumph masterpiece treasure delight gem wonder")
BAD_NOUNS = words("failure disaster mess bore flop nuisance")
GOOD_VERBS = words("praised loved admired enjoyed adored applauded")
BAD_VERBS = words("hated disliked criticised mocked scorned condemned")

# Kinds of things, and the more general words for them.
HYPERNYMS = {
    "bird": ["animal", "creature"], "fish": ["animal", "creature"], "mammal": ["animal", "creature"],
    "insect": ["animal", "creature"], "tree": ["plant"], "flower": ["plant"], "herb": ["plant"],
    "shrub": ["plant"], "bread": ["food", "dish"], "soup": ["food", "dish"], "cake": ["food", "dish"],
    "pie": ["food", "dish"], "stew": ["food", "dish"], "tea": ["drink"], "town": ["place", "settlement"],
    "village": ["place", "settlement"], "city": ["place", "settlement"], "novel": ["book", "work"],
    "poem": ["book", "work"], "history": ["book", "work"], "play": ["book", "work"], "river": ["stream"],
    "company": ["business", "firm"], "factory": ["business", "firm"], "festival": ["event", "celebration"],
    "fair": ["event", "celebration"],
}  # fmt: skip

# Crafts: worker, what they do (participle and present), to what, where. They make WNLI and the articles on crafts.
CRAFTS = [
    line.split(", ")
    for line in """\
baker, baked, bakes, bread, bakery
miller, ground, grinds, flour, mill
weaver, woven, weaves, cloth, loom
potter, shaped, shapes, clay, kiln
smith, forged, forges, iron, forge
carpenter, sawed, saws, timber, workshop
tailor, sewed, sews, coats, shop
fisher, caught, catches, trout, harbour
farmer, planted, plants, wheat, farm
gardener, watered, waters, roses, garden
painter, painted, paints, portraits, studio
singer, sung, sings, songs, stage
poet, recited, recites, verses, library
teacher, marked, marks, lessons, school
doctor, treated, treats, fevers, hospital
sailor, hoisted, hoists, sails, ship
hunter, tracked, tracks, deer, forest
shepherd, guarded, guards, sheep, meadow
cook, seasoned, seasons, soup, kitchen
clockmaker, repaired, repairs, clocks, tower
miner, dug, digs, coal, mine
cobbler, mended, mends, shoes, bench
mapmaker, drawn, draws, maps, archive
musician, tuned, tunes, violins, hall""".splitlines()
]
OBJECT_OF = {worker: thing for worker, _, _, thing, _ in CRAFTS}

# Winograd's schemas: what is too big for what, and who is too weak for what.
BOXES = words("box bag basket chest drawer suitcase jar cupboard crate purse barrel tin")
THINGS = words("trophy harp statue globe drum kite mirror vase cello wheel anchor piano")
CARRIERS = words("donkey pony goat mule ox camel dog horse llama cart sledge barrow")
LOADS = words("sack log anvil boulder trunk bale beam millstone cannon keg slab stove")

GOODS = words("""lamps clocks boats carpets bells pencils mirrors shoes ropes candles bricks wagons kettles violins
hats baskets""")
HABITATS = words("marshes forests meadows hills reeds moors valleys shores caves orchards")
COLOURS = words("red blue green yellow brown grey white black golden silver")
MONTHS = words("March May June August October December")
SEASONS = words("spring summer autumn winter")
DIRECTIONS = words("north south east west")
TOPICS = words("love war travel friendship courage loss childhood weather hunger justice")
