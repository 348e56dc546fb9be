"""Stands in for every stage: writes outputs that are a function of what the real stage's outputs depend on.

A student's folder depends on its own shape, the round's settings and its teacher, as in a real round; so the tests of
the graph see which stages an edit reruns, in seconds.
"""

import hashlib
import json
import sys
from pathlib import Path

ARGUMENTS = sys.argv[1:]


def digest(*parts) -> str:
    """A hash of values, and of files and folders given as paths."""
    return hashlib.sha256(repr([_content(p) if isinstance(p, Path) else p for p in parts]).encode()).hexdigest()


def _content(path: Path) -> list:
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    return [(file.name, file.read_bytes()) for file in files if file.is_file()]


def write(path: str, *parts) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(f'{{"value": "{digest(*parts)}"}}\n')


def settings(name: str) -> dict:
    return json.loads(Path(f"data/settings/{name}.json").read_text())


def main(stage: str) -> None:
    match stage:
        case "download":
            write("data/dump/dump", settings("download"), Path("data/inputs/corpus.json"))
            write("data/origin/corpus.json")
        case "extract":
            write("data/extracted/AA/wiki_00", settings("extract"), Path("data/dump"))
        case "format":
            write("data/formatted/00.txt", settings("format"), Path("data/extracted"))
        case "tokenizer":
            write("data/tokenizer/tokenizer.json", settings("tokenizer"), Path("data/formatted"))
            write("data/origin/tokenizer.json")
        case "records":
            write("data/records/00", settings("records"), Path("data/formatted"), Path("data/tokenizer"))
        case "teacher":
            write("models/teacher/model", settings("teacher"), Path("data/records"), Path("data/inputs/teacher.json"))
            write("data/origin/teacher.json")
        case "teachers":
            write(f"models/teachers/{ARGUMENTS[0]}/model", settings(f"teachers/{ARGUMENTS[0]}"), Path("data/tokenizer"))
            write(f"data/origin/teachers/{ARGUMENTS[0]}.json")
        case "sparsify":
            chosen = settings(f"sparsify/{ARGUMENTS[0]}")
            write(f"models/sparsified/{ARGUMENTS[0]}/model", chosen, Path("data/records"), Path("models/teacher"))
        case "tasks":
            for task in settings("tasks")["tasks"]:
                read = Path(f"data/inputs/tasks/own/{task}.json")
                write(f"data/tasks/{task}/train.jsonl", task, *([read] if read.is_file() else []))
            write("data/origin/tasks.json")
        case "distill":
            (name,) = ARGUMENTS
            chosen = settings(f"rounds/{name}")
            students = chosen.pop("students")
            for student, shape in students.items():
                made = (chosen, shape, Path(chosen["teacher"]), Path("data/records"))
                write(f"models/{name}/{student}/model", *made)
            loss = int(digest(Path(f"models/{name}"))[:8], 16) / 2**32
            write(f"metrics/distill/{name}.json", Path(f"models/{name}"))
            Path("curves").mkdir(exist_ok=True)
            Path(f"curves/{name}.csv").write_text(f"student,step,train_loss,heldout_loss\nminilm,0,,{loss}\n")
        case "finetune":
            model, task = ARGUMENTS
            made = (settings(f"finetune/{task}"), Path(f"models/{model}"), Path(f"data/tasks/{task}"))
            write(f"finetuned/{model}/{task}/model", *made)
            write(f"metrics/finetune/{model}/{task}.json", *made)
            write(f"predictions/{model}/{task}.parquet", *made)
        case "cost":
            write(f"metrics/cost/{ARGUMENTS[0]}.json", settings("cost"), Path(f"models/{ARGUMENTS[0]}"))
        case "export":
            (model,) = ARGUMENTS
            made = (settings("cost"), Path(f"models/{model}"), Path("data/records"))
            write(f"exported/{model}/encoder/model.onnx", *made)
            write(f"metrics/export/{model}/encoder.json", *made)
        case "export_head":
            model, task = ARGUMENTS
            made = (settings(f"finetune/{task}"), Path(f"finetuned/{model}/{task}"), Path(f"data/tasks/{task}"))
            write(f"exported/{model}/{task}/model.onnx", *made)
            write(f"metrics/export/{model}/{task}.json", *made)
        case "report":
            for name in ("index.html", "results.txt"):
                write(f"reports/{name}", Path("metrics"), Path("curves"), Path("predictions"), settings("report"))
