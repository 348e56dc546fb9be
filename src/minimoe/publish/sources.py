"""Where teachers, corpus and tasks came from, as the stages that read them wrote it down."""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from minimoe.hub.origin import FOLDER
from minimoe.report.metrics import Metrics


def read_sources(root: str | Path, chosen: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    """What the report's settings say of each source, with the commit and the license that its stage has read.

    Args:
        chosen: by `corpus`, the name of a teacher, or `tasks/FAMILY`: its source, and what names it there.
    """
    return {name: {**values, **_origin(Path(root), name)} for name, values in chosen.items()}


def _origin(root: Path, name: str) -> dict[str, str]:
    kind, _, short = name.partition("/")
    if kind == "tasks":
        file, stage, key = "tasks", "tasks", short
    elif kind == "corpus":
        file, stage, key = "corpus", "download", "corpus"
    else:
        file, stage, key = name, f"teachers@{short}" if short else "teacher", "teacher"
    read = Metrics.read(root / f"{FOLDER}/{file}.json", stage)
    part = read.part(key) if read.has(key) else None
    return {key: part.text(key) for key in ("commit", "license", "license_name") if part and part.has(key)}


def teacher_words(source: Mapping[str, str]) -> str:
    """Where a teacher came from, for the sentence "Its teacher is …"."""
    match source:
        case {"source": "hub", "hub": hub}:
            return f"[{hub}](https://huggingface.co/{hub}){_commit(source)}"
        case {"source": "pretrain"}:
            return "a BERT that was pretrained for it, by masked language modeling on the same corpus"
        case _:
            return "a model from a folder, whose origin was not recorded"


def corpus_words(source: Mapping[str, str]) -> str:
    """Where the corpus came from. No path and no query of an address, which are the author's own."""
    match source:
        case {"source": "hub", "hub": hub}:
            return f"[{hub}](https://huggingface.co/datasets/{hub}){_commit(source)}"
        case {"source": "wikipedia", "wiki": wiki, "date": date}:
            return f"the dump `{wiki}` of dumps.wikimedia.org, {date}"
        case {"source": "local"}:
            return "files whose origin was not recorded"
        case {"source": address}:
            return f"a file from {urlsplit(address).hostname or 'a folder'}"


def license_words(source: Mapping[str, str]) -> str:
    """What is known of the license of a student of this teacher."""
    if "license" in source:
        name = source.get("license_name", source["license"])
        return f"The teacher's card says `{name}`, and so does this one."
    if source["source"] == "pretrain":
        return "None was recorded: the teacher was pretrained for this student, and the corpus names no license."
    return "Not known: what came with the teacher names no license."


def _commit(source: Mapping[str, str]) -> str:
    return f" at commit `{source['commit'][:10]}`" if "commit" in source else ""
