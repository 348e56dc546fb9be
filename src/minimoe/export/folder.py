"""The folder of an exported model: all files of the model's own folder but PyTorch's weights and code, and the graphs.

Tokenizer, config and what sentence-transformers reads stay where they are, so what loads the model's own folder finds
them in this one too. The config names no code: a library that sees some asks whether to run it.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path

from minimoe.export.graph import FP32, INT8, REMEDY
from minimoe.export.session import OnnxModel
from minimoe.system.errors import readable
from minimoe.system.files import whole_folder, write_json

WEIGHTS = ("*.safetensors", "*.safetensors.index.json", "*.bin")
UNUSED = (*WEIGHTS, "*.py")
FORMS = {"fp32": FP32, "int8": INT8}


@contextmanager
def exported(source: str | Path, out: str | Path) -> Iterator[Path]:
    """A folder for the graphs of the model in `source`, which is at `out` when all of it is written."""
    source = Path(source)

    def unused(folder: str, names: list[str]) -> set[str]:
        return {name for name in names if Path(folder) == source and any(fnmatch(name, form) for form in UNUSED)}

    with whole_folder(out) as temporary:
        shutil.copytree(source, temporary, ignore=unused, dirs_exist_ok=True)
        config = json.loads((source / "config.json").read_text(encoding="utf-8"))
        config.pop("auto_map", None)
        write_json(temporary / "config.json", config)
        yield temporary


def sessions(source: str | Path, folder: Path, threads: int) -> dict[str, OnnxModel]:
    """The graphs in `folder`, of the model in `source`, by form; `UserError` where onnxruntime cannot load one."""
    found = {}
    for form, graph in FORMS.items():
        with readable(f"{source}: onnxruntime cannot load its graph in {form}", REMEDY):
            found[form] = OnnxModel(folder, graph, threads)
    return found


def megabytes(source: str | Path, folder: Path) -> dict[str, float]:
    """The size of the weights in each form, in MB of 10⁶ bytes."""
    files = {"pytorch": [path for form in WEIGHTS for path in Path(source).glob(form)]}
    files |= {form: list(folder.glob(f"{graph}*")) for form, graph in FORMS.items()}
    return {f"mb_{form}": round(sum(one.stat().st_size for one in paths) / 1e6, 2) for form, paths in files.items()}
