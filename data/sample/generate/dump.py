"""The export: pages of several namespaces in MediaWiki's XML form, compressed with bzip2."""

import bz2
import hashlib
import random
from collections.abc import Iterator
from xml.sax.saxutils import escape

from .articles import encyclopedia
from .markup import Markup
from .words import WIKI
from .world import World

DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
REDIRECT = "#REDIRECT "


def export(world: World, seed: int) -> bytes:
    """The whole compressed dump."""
    namespaces = "\n".join(
        f'      <namespace key="{key}" case="first-letter"' + (f">{name}</namespace>" if name else " />")
        for key, name in WIKI["namespaces"].items()
    )
    pages = [_page(number, *page) for number, page in enumerate(_pages(world, seed), start=1)]
    site = WIKI["site"].format(schema=WIKI["schema"], namespaces=namespaces)
    return bz2.compress("".join([site, *pages, "</mediawiki>\n"]).encode(), 9)


def _pages(world: World, seed: int) -> Iterator[tuple[str, int, str]]:
    """Title, namespace and text of every page."""
    rng, markup = random.Random(seed), Markup(world, seed)
    yield "Main Page", 4, "Welcome to the '''Lantern Encyclopedia''', which anyone may invent."
    for name, text in WIKI["templates"].items():
        yield f"Template:{name}", 10, text
    for article in encyclopedia(world, seed):
        title = article.title[0].upper() + article.title[1:]
        yield title, 0, markup.article(article)
        if rng.random() < 0.15:
            yield f"{title} (article)", 0, f"{REDIRECT}[[{title}]]"
        if rng.random() < 0.1:
            yield f"Talk:{title}", 1, f"Is [[{title}]] not the best article of all? ~~~~"
        if article.entity and article.entity.type == "town" and rng.random() < 0.2:
            yield f"File:{title}.jpg", 6, f"A view of [[{title}]] from the north.\n[[Category:Pictures]]"
    firms = [firm.name for firm in world.of("company")]
    for stem in sorted({name.split()[0] for name in firms}):
        shared = [f"* [[{name}]]" for name in firms if name.startswith(stem)]
        if len(shared) > 1:
            yield stem, 0, f"'''{stem}''' may refer to:\n\n" + "\n".join(shared)
    for user in WIKI["users"]:
        yield f"User:{user}", 2, f"I am {user}, and I mend commas."
        yield f"User talk:{user}", 3, "Thank you for the commas!"
    for category in ("Town articles", "Person articles", "Crafts", "Templates"):
        yield f"Category:{category}", 14, "Pages of one kind."


def _page(number: int, title: str, namespace: int, text: str) -> str:
    """A page in XML; its number decides who wrote it, and when."""
    target = text.removeprefix(REDIRECT).strip("[]") if text.startswith(REDIRECT) else ""
    return WIKI["page"].format(
        title=escape(title),
        ns=namespace,
        id=number,
        redirect=f'    <redirect title="{escape(target)}" />\n' if target else "",
        revision=5000 + 3 * number,
        parent=4999 + 3 * number,
        time=f"20{10 + number % 14}-{1 + number % 12:02d}-{1 + number % 28:02d}T12:{number % 60:02d}:00Z",
        user=WIKI["users"][number % 5],
        user_id=number % 5 + 1,
        comment=WIKI["comments"][number % 5],
        bytes=len(text.encode()),
        text=escape(text),
        sha1=_sha1(text),
    )


def _sha1(text: str) -> str:
    """The text's SHA-1 in base 36, 31 digits, as MediaWiki writes it."""
    number, digits = int(hashlib.sha1(text.encode()).hexdigest(), 16), ""
    while number:
        number, digit = divmod(number, 36)
        digits = DIGITS[digit] + digits
    return digits.rjust(31, "0")
