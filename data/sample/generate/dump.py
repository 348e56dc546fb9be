"""The export: pages of several namespaces in MediaWiki's XML form, compressed with bzip2."""

import bz2
import hashlib
import random
from collections.abc import Iterator
from xml.sax.saxutils import escape

from .articles import encyclopedia
from .markup import TEMPLATES, Markup
from .world import World

NAMESPACES = {-2: "Media", -1: "Special", 0: "", 1: "Talk", 2: "User", 3: "User talk", 4: "Lantern", 6: "File",
              10: "Template", 14: "Category"}  # fmt: skip
SITE = """<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" \
xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="http://www.mediawiki.org/xml/export-0.11/ \
http://www.mediawiki.org/xml/export-0.11.xsd" version="0.11" xml:lang="en">
  <siteinfo>
    <sitename>Lantern Encyclopedia</sitename>
    <dbname>lanternwiki</dbname>
    <base>https://lantern.example/wiki/Main_Page</base>
    <generator>data.sample.generate</generator>
    <case>first-letter</case>
    <namespaces>
{namespaces}
    </namespaces>
  </siteinfo>
"""
PAGE = """  <page>
    <title>{title}</title>
    <ns>{ns}</ns>
    <id>{id}</id>
{redirect}    <revision>
      <id>{revision}</id>
      <parentid>{parent}</parentid>
      <timestamp>{time}</timestamp>
      <contributor>
        <username>{user}</username>
        <id>{user_id}</id>
      </contributor>
      <comment>{comment}</comment>
      <model>wikitext</model>
      <format>text/x-wiki</format>
      <text bytes="{bytes}" xml:space="preserve">{text}</text>
      <sha1>{sha1}</sha1>
    </revision>
  </page>
"""
USERS = ["Inkwell", "Marginalia", "Quill", "Paperweight", "Footnote"]
COMMENTS = ["spelling", "a source", "new section", "links", "tidied the table"]
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def pages(world: World, seed: int) -> Iterator[tuple[str, int, str]]:
    """Title, namespace and text of every page; a text that starts with #REDIRECT is one."""
    rng, markup = random.Random(seed), Markup(world, seed)
    yield "Main Page", 4, "Welcome to the '''Lantern Encyclopedia''', which anyone may invent."
    for name, text in TEMPLATES.items():
        yield f"Template:{name}", 10, text
    for article in encyclopedia(world, seed):
        title = article.title[0].upper() + article.title[1:]
        yield title, 0, markup.article(article)
        if rng.random() < 0.15:
            yield f"{title} (article)", 0, f"#REDIRECT [[{title}]]"
        if rng.random() < 0.1:
            yield f"Talk:{title}", 1, f"Is [[{title}]] not the best article of all? ~~~~"
        if article.entity and article.entity.type == "town" and rng.random() < 0.2:
            yield f"File:{title}.jpg", 6, f"A view of [[{title}]] from the north.\n[[Category:Pictures]]"
    yield from disambiguations(world)
    for user in USERS:
        yield f"User:{user}", 2, f"I am {user}, and I mend commas."
        yield f"User talk:{user}", 3, "Thank you for the commas!"
    for category in ("Town articles", "Person articles", "Crafts", "Templates"):
        yield f"Category:{category}", 14, "Pages of one kind."


def disambiguations(world: World) -> Iterator[tuple[str, int, str]]:
    """A page for every first word that firms share."""
    firms = [e.name for e in world.of("company")]
    for stem in sorted({name.split()[0] for name in firms}):
        shared = [name for name in firms if name.startswith(stem)]
        if len(shared) > 1:
            yield stem, 0, f"'''{stem}''' may refer to:\n\n" + "\n".join(f"* [[{name}]]" for name in shared)


def sha1(text: str) -> str:
    """The text's SHA-1 in base 36, 31 digits, as MediaWiki writes it."""
    number, digits = int(hashlib.sha1(text.encode()).hexdigest(), 16), ""
    while number:
        number, digit = divmod(number, 36)
        digits = DIGITS[digit] + digits
    return digits.rjust(31, "0")


def export(world: World, seed: int) -> bytes:
    """The whole compressed dump."""
    namespaces = "\n".join(
        f'      <namespace key="{key}" case="first-letter">{name}</namespace>'
        if name
        else f'      <namespace key="{key}" case="first-letter" />'
        for key, name in NAMESPACES.items()
    )
    parts = [SITE.format(namespaces=namespaces)]
    for number, (title, ns, text) in enumerate(pages(world, seed), start=1):
        target = escape(text[12:-2], {'"': "&quot;"}) if text.startswith("#REDIRECT") else ""
        parts.append(
            PAGE.format(
                title=escape(title),
                ns=ns,
                id=number,
                redirect=f'    <redirect title="{target}" />\n' if target else "",
                revision=5000 + 3 * number,
                parent=4999 + 3 * number,
                time=f"20{10 + number % 14}-{1 + number % 12:02d}-{1 + number % 28:02d}T12:{number % 60:02d}:00Z",
                user=USERS[number % 5],
                user_id=number % 5 + 1,
                comment=COMMENTS[number % 5],
                bytes=len(text.encode()),
                text=escape(text),
                sha1=sha1(text),
            )
        )
    return bz2.compress("".join([*parts, "</mediawiki>\n"]).encode(), 9)
