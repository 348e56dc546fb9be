"""Wiki markup for an article: links, references, templates, tables, lists, an infobox, comments, categories."""

import random
import re

from .language import REFERENCE, Article, with_article
from .words import WIKI
from .world import Entity, World


class Markup:
    """Writes articles as wiki text, with one random stream for its ornaments."""

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.rng = world, random.Random(seed)

    def article(self, article: Article) -> str:
        """The whole page text."""
        entity, rows = article.entity, self._facts(article.entity)
        parts = []
        if entity:
            label, value = (rows or [("kind", entity.kind)])[0]
            box = {"name": article.title, "kind": entity.kind, "label1": label, "value1": value}
            parts.append("{{Infobox\n" + "".join(f"| {key} = {text}\n" for key, text in box.items()) + "}}")
        for number, (heading, paragraphs) in enumerate(article.sections):
            level = "==" if number % 3 != 2 else "==="
            parts += [f"{level} {heading} {level}"] if heading else []
            texts = [" ".join(self._sentence(s) for s in paragraph) for paragraph in paragraphs]
            if number == 0:
                texts[0] = _bold_title(texts[0], article.title)
            parts += [" ".join(texts[i : i + 2]) for i in range(0, len(texts), 2)]
            if entity and number == 1:
                parts.append(self.rng.choice([_table, _list])(rows))
        if self.rng.random() < 0.1:
            parts.append("{{Stub}}")
        kinds = [f"{entity.type.capitalize()} articles", entity.kind.capitalize()] if entity else ["Crafts"]
        categories = "\n".join(f"[[Category:{kind}]]" for kind in kinds)
        return "\n\n".join([*parts, "== References ==\n<references />", categories])

    def _sentence(self, sentence: str) -> str:
        text = with_article(REFERENCE.sub(lambda match: self._link(self.world.entities[int(match[1])]), sentence))
        if self.rng.random() < 0.3:
            text = re.sub(r"\b(1[5-9]\d\d)\b", r"{{Year|\1}}", text)
        draw = self.rng.random()
        if draw < 0.06:
            return text + self._reference()
        return text + " <!-- a source is wanted here -->" if draw < 0.08 else text

    def _link(self, entity: Entity) -> str:
        """A link, a piped link, or the bare name, as editors do it."""
        name, draw = entity.name, self.rng.random()
        if draw < 0.25:
            return f"[[{name[0].upper() + name[1:]}|{name}]]"
        if draw < 0.28 and " " in name:
            return f"{{{{Nowrap|{name}}}}}"
        if draw < 0.35:
            return f"''{name}''" if entity.type == "book" else f"[[{name}]]"
        return name

    def _reference(self) -> str:
        title, page = self.rng.choice(WIKI["sources"]), self.rng.randrange(1, 400)
        if self.rng.random() < 0.5:
            return f"<ref>{title}, p. {page}.</ref>"
        return f'<ref name="s{page}">{{{{Cite|title={title}|year={1900 + page % 60}|page={page}}}}}</ref>'

    def _facts(self, entity: Entity | None) -> list[tuple[str, str]]:
        """The names and objects of an entity's relations."""
        facts = [fact for fact in self.world.about(entity) if fact.relation != "quality"]
        objects = [f"[[{f.object.name}]]" if isinstance(f.object, Entity) else f.object for f in facts]
        return [(fact.relation.replace("_", " "), text) for fact, text in zip(facts, objects, strict=True)]


def _bold_title(text: str, title: str) -> str:
    for form in (f"[[{title}]]", title, title[0].lower() + title[1:]):
        if form in text:
            return text.replace(form, f"'''{form.strip('[]')}'''", 1)
    return text


def _table(rows: list[tuple[str, str]]) -> str:
    lines = "".join(f"|-\n| {name} || {value}\n" for name, value in rows)
    return f'{{| class="wikitable"\n! Fact !! Value\n{lines}|}}'


def _list(rows: list[tuple[str, str]]) -> str:
    return "\n".join(f"* {name}: {value}" for name, value in rows)
