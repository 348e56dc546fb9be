"""Wiki markup for an article: links, references, templates, tables, lists, an infobox, comments, categories."""

import random
import re

from .grammar import REFERENCE, Article, with_article
from .world import Entity, World

SOURCES = [
    "The Great Atlas",
    "Annals of the Regions",
    "A Walker's Guide",
    "Letters and Papers",
    "Town Records",
]

TEMPLATES = {
    "Infobox": """<includeonly>{| class="infobox"
! colspan="2" | {{{name|}}}
|-
! Kind
| {{{kind|unknown}}}
|-
! {{{label1|Place}}}
| {{{value1|none}}}
|}</includeonly><noinclude>The box at the head of an article. [[Category:Templates]]</noinclude>""",
    "Year": "<includeonly>{{{1|an unknown year}}}</includeonly><noinclude>A year, as {{Year|1700}}.</noinclude>",
    "Nowrap": '<span style="white-space:nowrap">{{{1}}}</span><noinclude>Keeps words on one line.</noinclude>',
    "Stub": "<includeonly>''This article is a stub.''</includeonly><noinclude>For short articles.</noinclude>",
    "Cite": "''{{{title|A book}}}'', {{{publisher|private print}}}, {{{year|no year}}}, p. {{{page|1}}}.",
}


class Markup:
    """Writes articles as wiki text, with one random stream for its ornaments."""

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.rng = world, random.Random(seed)

    def article(self, article: Article) -> str:
        """The whole page text."""
        parts = [self._infobox(article)] if article.entity else []
        for number, (heading, paragraphs) in enumerate(article.sections):
            level = "==" if number % 3 != 2 else "==="
            parts += [f"{level} {heading} {level}"] if heading else []
            texts = [" ".join(self._sentence(s) for s in paragraph) for paragraph in paragraphs]
            if number == 0:
                texts[0] = self._bold_title(texts[0], article.title)
            parts += self._grouped(texts)
            if article.entity and number == 1:
                parts += [self.rng.choice([self._table, self._list])(article.entity)]
        if self.rng.random() < 0.1:
            parts.append("{{Stub}}")
        parts += ["== References ==\n<references />", self._categories(article)]
        return "\n\n".join(parts)

    def _grouped(self, texts: list[str]) -> list[str]:
        """Two facts to a paragraph."""
        return [" ".join(texts[i : i + 2]) for i in range(0, len(texts), 2)]

    def _sentence(self, sentence: str) -> str:
        text = with_article(REFERENCE.sub(lambda m: self._link(self.world.entities[int(m[1])]), sentence))
        if self.rng.random() < 0.3:
            text = re.sub(r"\b(1[5-9]\d\d)\b", r"{{Year|\1}}", text)
        draw = self.rng.random()
        if draw < 0.06:
            return text + self._reference()
        if draw < 0.08:
            return text + " <!-- a source is wanted here -->"
        return text

    def _link(self, entity: Entity) -> str:
        """A link, a piped link, or the bare name, as editors do it."""
        draw = self.rng.random()
        if draw < 0.25:
            return f"[[{entity.name[0].upper() + entity.name[1:]}|{entity.name}]]"
        if draw < 0.28 and " " in entity.name:
            return f"{{{{Nowrap|{entity.name}}}}}"
        if draw < 0.35:
            return f"''{entity.name}''" if entity.type == "book" else f"[[{entity.name}]]"
        return entity.name

    def _reference(self) -> str:
        title, page = self.rng.choice(SOURCES), self.rng.randrange(1, 400)
        if self.rng.random() < 0.5:
            return f"<ref>{title}, p. {page}.</ref>"
        return f'<ref name="s{page}">{{{{Cite|title={title}|year={1900 + page % 60}|page={page}}}}}</ref>'

    def _bold_title(self, text: str, title: str) -> str:
        for form in (f"[[{title}]]", title, title[0].lower() + title[1:]):
            if form in text:
                return text.replace(form, f"'''{form.strip('[]')}'''", 1)
        return text

    def _facts(self, entity: Entity) -> list[tuple[str, str]]:
        rows = []
        for fact in self.world.about(entity):
            if fact.relation != "quality":
                thing = self.world.entities[fact.object] if isinstance(fact.object, int) else None
                rows.append((fact.relation.replace("_", " "), f"[[{thing.name}]]" if thing else fact.object))
        return rows

    def _infobox(self, article: Article) -> str:
        rows = self._facts(article.entity) or [("kind", article.entity.kind)]
        return (
            f"{{{{Infobox\n| name = {article.title}\n| kind = {article.entity.kind}\n"
            f"| label1 = {rows[0][0]}\n| value1 = {rows[0][1]}\n}}}}"
        )

    def _table(self, entity: Entity) -> str:
        rows = "".join(f"|-\n| {name} || {value}\n" for name, value in self._facts(entity))
        return f'{{| class="wikitable"\n! Fact !! Value\n{rows}|}}'

    def _list(self, entity: Entity) -> str:
        return "\n".join(f"* {name}: {value}" for name, value in self._facts(entity))

    def _categories(self, article: Article) -> str:
        if article.entity is None:
            return "[[Category:Crafts]]"
        return (
            f"[[Category:{article.entity.type.capitalize()} articles]]\n[[Category:{article.entity.kind.capitalize()}]]"
        )
