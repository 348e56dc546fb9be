"""A tiny repository whose pipeline has run, stage by stage, in this process; and how a stage ends on bad input in it.

Everything in it is made by the stages themselves, so that it is known that nothing is wrong with it; a bad input is
then one harm done to a copy.
"""

import gc
import io
import os
import runpy
import shutil
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import torch
from corpus.tiny_corpus import BERT, WORDS
from corpus.tiny_dump import dump
from ruamel.yaml import YAML
from transformers import BertConfig, BertForMaskedLM, BertTokenizer

PROFILE = Path(__file__).parents[2] / "profiles/sample.yaml"
GRAPH = Path(__file__).parents[2] / "dvc.yaml"
SAMPLE = YAML(typ="safe").load(PROFILE.read_text(encoding="utf-8"))
DENSE = {"layers": 1, "hidden": 24, "heads": 2}
GONE = object()  # in place of a value: the key is taken out
EDITS = {
    "corpus.download.path": "given/dump.xml",
    "corpus.extract.templates": False,
    "corpus.records.max_length": 16,
    "corpus.records.heldout": 0.1,
    "teacher.source": "local",
    "teacher.path": "given/teacher",
    "sparsify.sparsities": [0, 50],
    "distill.epochs": 1,
    "distill.batch": 8,
    "distill.heldout": 8,
    "distill.relation_heads": 2,
    "rounds": {
        "base": {"teacher": "models/teacher", "students": {"small": DENSE}},
        "sparse": {"teacher": "models/sparsified/teacher", "students": {"half": {"sparsity": 50}}},
    },
    "task_data.glue.path": "given/glue",
    "task_data.conll2003.path": "given/conll2003",
    "task_data.clue": {"source": "local", "path": "given/clue", "hub": "clue/clue"},
    "finetune.max_length": 16,
    "finetune.epochs": 1,
    "table": {"models": ["teacher", "base/small"], "tasks": ["sst2"]},
    "export": {"models": ["base/small"], "tasks": ["sst2"]},
    "cost": {"length": 8, "batches": [1], "repeats": 1},
    "runtime.workers": 1,
    "runtime.device": "cpu",
    "runtime.tracking.enabled": False,
}
TASK_FILES = {
    "glue/SST-2/train.tsv": "sentence\tlabel\n" + "bad film\t0\ngood film\t1\n" * 8,
    "glue/SST-2/dev.tsv": "sentence\tlabel\nbad play\t0\ngood play\t1\n",
    "glue/RTE/train.tsv": "index\tsentence1\tsentence2\tlabel\n0\ta\tb\tentailment\n",
    "glue/RTE/dev.tsv": "index\tsentence1\tsentence2\tlabel\n0\ta\tb\tnot_entailment\n",
    "glue/STS-B/train.tsv": "sentence1\tsentence2\tscore\na\tb\t3.8\n",
    "glue/STS-B/dev.tsv": "sentence1\tsentence2\tscore\na\tb\t0.5\n",
    "conll2003/eng.train": "-DOCSTART- -X- O O\n\nEU NNP I-NP I-ORG\nrejects VBZ I-VP O\n\n",
    "conll2003/eng.testa": "Ann NNP I-NP I-PER\n\n",
    "conll2003/eng.testb": "Bob NNP I-NP I-PER\n\n",
    "clue/tnews/train.json": '{"sentence": "x", "label": "100"}\n',
    "clue/tnews/dev.json": '{"sentence": "y", "label": "101"}\n',
}
STAGES = (
    "settings", "download", "extract", "format", "tokenizer", "records", "teacher", "tasks", "sparsify teacher",
    "distill base", "distill sparse", "finetune teacher sst2", "finetune base/small sst2", "cost teacher",
    "cost base/small", "export base/small", "export_head base/small sst2", "report",
)  # fmt: skip


def edited(edits: dict[str, object], values: dict) -> dict:
    """A deep copy of `values` with some of them, by their dotted keys, set or taken out."""
    values = YAML(typ="safe").load(dumped(values))
    for key, value in edits.items():
        *sections, last = key.split(".")
        section = values
        for name in sections:
            section = section[int(name) if isinstance(section, list) else name]
        if value is GONE:
            del section[last]
        else:
            section[last] = value
    return values


def dumped(values: object) -> str:
    text = io.StringIO()
    YAML(typ="safe").dump(values, text)
    return text.getvalue()


VALUES = edited(EDITS, SAMPLE)


def make(root: Path) -> None:
    """Make the repository in the empty folder `root` and run its pipeline."""
    for name, text in TASK_FILES.items():
        path = root / "given" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    shutil.copy(GRAPH, root)
    (root / "given/dump.xml").write_bytes(dump(40))
    make_teacher(root / "given/teacher")
    (root / "params.yaml").write_text(dumped(VALUES), encoding="utf-8")
    for stage in STAGES:
        code, _, errors = run(stage, root)
        assert code == 0, f"{stage}: {errors}"


def make_teacher(folder: Path) -> None:
    words = [*BERT.values(), *WORDS, "a", "b", "bad", "good", "film", "play", *"0123456789", "person", "was", "born"]
    BertTokenizer(vocab={word: i for i, word in enumerate(words)}).save_pretrained(folder)
    torch.manual_seed(0)
    shape = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    config = BertConfig(vocab_size=len(words), max_position_embeddings=32, **shape)
    BertForMaskedLM(config).save_pretrained(folder)


def run(stage: str, root: Path) -> tuple[int, str, str]:
    """Run `python -m stages.<stage>` in the folder `root`, in this process; its exit code, stdout and stderr."""
    name, *arguments = stage.split()
    if name != "settings" and (ended := run("settings", root))[0]:  # as DVC runs it before any other
        return ended
    out, errors = io.StringIO(), io.StringIO()
    before = Path.cwd(), sys.argv, dict(os.environ)
    os.chdir(root)
    sys.argv = [name, *arguments]
    try:
        with redirect_stdout(out), redirect_stderr(errors):
            runpy.run_module(f"stages.{name}", run_name="__main__")
        code = 0
    except SystemExit as ended:
        code = ended.code
    finally:
        os.chdir(before[0])
        sys.argv = before[1]
        os.environ.clear()
        os.environ.update(before[2])
        gc.unfreeze()  # a process of its own would end now
    return code, out.getvalue(), errors.getvalue()


def copy(made: Path, root: Path) -> Path:
    return Path(shutil.copytree(made, root, dirs_exist_ok=True))


def tree(root: Path) -> dict[str, float]:
    """Every file and folder below `root` but for settings, and when files were last written."""
    return {
        str(path.relative_to(root)): path.stat().st_mtime_ns if path.is_file() else 0
        for path in root.rglob("*")
        if not {"work", "settings"} & set(path.parts)
    }
