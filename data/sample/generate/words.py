"""The words: synonyms, qualities and their opposites, opinions, kinds of things, crafts.

The lists are the knowledge that the corpus teaches and the tasks ask for. A task's train set uses only the
first words of every list (`Voice` in grammar.py), its dev set all of them: what the rest mean can be learned
from the corpus alone.
"""

# Words that may replace each other in a sentence frame, written there as <name>.
SYNONYMS = {
    "founded": ["founded", "established", "started", "created"],
    "lies": ["lies", "stands", "sits", "is located", "is situated"],
    "lie": ["lie", "stand", "sit"],
    "flows": ["flows", "runs", "winds", "rushes"],
    "flow": ["flow", "run", "wind", "rush"],
    "rises": ["rises", "begins", "starts", "springs"],
    "near": ["near", "close to", "not far from", "beside"],
    "makes": ["makes", "produces", "builds", "manufactures"],
    "make": ["make", "produce", "build", "manufacture"],
    "made": ["made", "produced", "built", "manufactured"],
    "wrote": ["wrote", "penned", "composed", "authored"],
    "written": ["written", "penned", "composed", "authored"],
    "printed": ["printed", "published", "issued", "released"],
    "lives": ["lives", "dwells", "makes its home", "is found"],
    "live": ["live", "dwell", "nest"],
    "eats": ["eats", "feeds on", "lives on", "consumes"],
    "eat": ["eat", "feed on", "consume"],
    "grows": ["grows", "thrives", "flourishes", "sprouts"],
    "grow": ["grow", "thrive", "flourish", "sprout"],
    "baked": ["baked", "cooked", "prepared"],
    "held": ["held", "celebrated", "staged"],
    "taught": ["taught", "trained", "instructed", "tutored"],
    "married": ["married", "wed"],
    "worked": ["worked", "laboured", "was employed"],
    "found": ["found", "discovered", "sighted", "spotted"],
    "leads": ["leads", "runs", "heads", "directs"],
    "known": ["known", "famous", "renowned", "celebrated"],
    "home": ["home", "birthplace", "native town"],
    "sells": ["sells", "trades", "offers"],
    "people": ["people", "visitors", "travellers", "guests"],
    "readers": ["readers", "critics", "reviewers", "scholars"],
    "often": ["often", "usually", "mostly", "generally"],
    "story": ["story", "tale", "plot"],
    "child": ["child", "youngster"],
    "says": ["says", "reports", "states", "notes"],
}

# Qualities: for each, the words of one pole and of the other. Poles are opposites of each other.
QUALITIES = {
    "size": (["large", "big", "huge", "vast"], ["small", "little", "tiny", "minute"]),
    "age": (["old", "ancient", "aged", "timeworn"], ["new", "young", "recent", "modern"]),
    "speed": (["fast", "quick", "swift", "rapid"], ["slow", "sluggish", "unhurried", "leisurely"]),
    "sound": (["loud", "noisy", "thunderous", "clamorous"], ["quiet", "silent", "hushed", "soundless"]),
    "temper": (["fierce", "wild", "savage", "aggressive"], ["gentle", "tame", "mild", "calm"]),
    "wealth": (["rich", "wealthy", "prosperous", "affluent"], ["poor", "needy", "humble", "penniless"]),
    "fame": (["famous", "renowned", "celebrated", "noted"], ["obscure", "unknown", "forgotten", "nameless"]),
    "strength": (["strong", "sturdy", "powerful", "tough"], ["weak", "frail", "feeble", "fragile"]),
    "rarity": (["rare", "scarce", "uncommon", "unusual"], ["common", "widespread", "plentiful", "abundant"]),
    "length": (["long", "lengthy", "extended", "endless"], ["short", "brief", "compact", "concise"]),
    "light": (["bright", "vivid", "shining", "brilliant"], ["dark", "dim", "gloomy", "shadowy"]),
    "depth": (["deep", "bottomless", "fathomless"], ["shallow", "knee-deep", "wadeable"]),
    "heat": (["hot", "warm", "steaming"], ["cold", "chilled", "icy"]),
}

GOOD = ["wonderful", "charming", "delightful", "splendid", "excellent", "superb", "lovely", "marvellous", "pleasant", "graceful", "elegant", "moving", "touching", "thrilling", "gripping", "clever", "inspired", "masterly", "memorable", "honest", "generous", "polished", "flawless", "radiant", "uplifting", "refreshing", "satisfying", "rewarding", "enchanting", "captivating", "magnificent", "glorious", "admirable", "impressive", "outstanding", "remarkable", "perfect", "enjoyable", "heartfelt", "sparkling", "lively", "vibrant", "stunning", "exquisite", "beautiful", "fantastic", "fabulous", "terrific", "gracious", "joyful", "cheerful", "sincere"]
BAD = ["terrible", "boring", "dreadful", "awful", "horrible", "dull", "tedious", "clumsy", "bland", "stale", "sloppy", "shabby", "ugly", "lifeless", "dreary", "disappointing", "unpleasant", "annoying", "irritating", "foolish", "silly", "stupid", "hollow", "messy", "muddled", "confusing", "tiresome", "tasteless", "sour", "crude", "careless", "lazy", "mediocre", "forgettable", "pointless", "painful", "ridiculous", "absurd", "pathetic", "miserable", "dismal", "grim", "nasty", "rotten", "worthless", "useless", "flawed", "wooden", "stiff", "unbearable", "lousy", "inferior"]
GOOD_NOUNS = ["triumph", "masterpiece", "treasure", "delight", "gem", "success", "wonder", "joy", "pleasure"]
BAD_NOUNS = ["failure", "disaster", "mess", "bore", "disappointment", "flop", "blunder", "nuisance", "waste"]
GOOD_VERBS = ["praised", "loved", "admired", "enjoyed", "adored", "applauded", "cherished", "recommended"]
BAD_VERBS = ["hated", "disliked", "criticised", "mocked", "scorned", "condemned", "regretted", "avoided"]

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
judge, settled, settles, quarrels, court
sailor, hoisted, hoists, sails, ship
hunter, tracked, tracks, deer, forest
shepherd, guarded, guards, sheep, meadow
brewer, brewed, brews, beer, brewery
mason, carved, carves, stone, quarry
tanner, cured, cures, leather, tannery
cook, seasoned, seasons, soup, kitchen
clockmaker, repaired, repairs, clocks, tower
merchant, traded, trades, spices, market
miner, dug, digs, coal, mine
beekeeper, gathered, gathers, honey, hive
cobbler, mended, mends, shoes, bench
mapmaker, drawn, draws, maps, archive
astronomer, watched, watches, stars, observatory
musician, tuned, tunes, violins, hall
jeweller, polished, polishes, rings, counter""".splitlines()
]
OBJECT_OF = {worker: thing for worker, _, _, thing, _ in CRAFTS}

GOODS = ["lamps", "clocks", "boats", "carpets", "bells", "pencils", "mirrors", "shoes", "ropes", "candles", "bricks", "wagons", "kettles", "violins", "hats", "baskets"]
HABITATS = ["marshes", "forests", "meadows", "hills", "reeds", "moors", "valleys", "shores", "caves", "orchards"]
COLOURS = ["red", "blue", "green", "yellow", "brown", "grey", "white", "black", "golden", "silver"]
MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"]
SEASONS = ["spring", "summer", "autumn", "winter"]
DIRECTIONS = ["north", "south", "east", "west"]
TOPICS = ["love", "war", "travel", "friendship", "courage", "loss", "childhood", "weather", "hunger", "justice"]
