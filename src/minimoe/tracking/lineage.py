"""Where a run comes from, as tags: user, source, commit, DVC's stage and experiment, hashes of what it reads.

MLflow's client adds none of it to a run that it makes. Hashes are DVC's, as dvc.lock has them when the stage has
ended. Until then dvc.lock says of the stage what it read the last time; but what it reads now was written by stages
before it, so their outputs' hashes are the right ones, and no file is hashed again for it.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from configparser import ConfigParser
from configparser import Error as ConfigError
from contextlib import suppress
from pathlib import Path, PurePath

from minimoe.system.git import head

LOCK = "dvc.lock"
INPUT = "dvc.input."  # of the tags that hold hashes
ENVIRONMENT = {"dvc.stage": "DVC_STAGE", "dvc.experiment": "DVC_EXP_NAME"}  # as DVC sets it for a stage
LONGEST = 250  # characters of a tag's name


def tags(inputs: Mapping[str, str]) -> dict[str, str]:
    """The tags of a run that begins now and reads `inputs`: DVC's hashes by their paths."""
    from mlflow.tracking.context.git_context import GitRunContext
    from mlflow.tracking.context.registry import resolve_tags

    # user, source, and what a plugin of MLflow adds; for a commit it would import GitPython, ten times as slow as git
    known = resolve_tags(ignore=[GitRunContext])
    if found := head(LOCK):
        known |= {"mlflow.source.git.commit": found.commit, "mlflow.source.git.dirty": str(found.changed).lower()}
    known |= {tag: os.environ[variable] for tag, variable in ENVIRONMENT.items() if os.environ.get(variable)}
    return known | input_tags(inputs)


def input_tags(inputs: Mapping[str, str]) -> dict[str, str]:
    """The tags that hold DVC's hashes of what a run reads."""
    return {f"{INPUT}{path}"[:LONGEST]: digest for path, digest in inputs.items()}


def hashes(paths: Iterable[str]) -> dict[str, str]:
    """DVC's hash of each file or folder, by its path.

    A folder in a stage's output goes by its own hash where DVC's cache lists the output's files, otherwise by the
    output's path and hash. What no stage has made is left out, unless it is a file: those that stages read besides
    folders are small, and hashed here.
    """
    made, found = dict(_outputs()), {}
    for path in map(PurePath, paths):
        if Path(path).is_file():
            found[str(path)] = hashlib.md5(Path(path).read_bytes(), usedforsecurity=False).hexdigest()
            continue
        output = next((parent for parent in [path, *path.parents] if str(parent) in made), None)
        if output == path:
            found[str(path)] = made[str(path)]
        elif output and (own := _within(made[str(output)], path.relative_to(output))):
            found[str(path)] = own
        elif output:
            found[str(output)] = made[str(output)]
    return found


def _outputs() -> Iterator[tuple[str, str]]:
    """Path and hash of all stages' outputs. A YAML parser takes as long over a large dvc.lock as the rest of a cell."""
    with suppress(OSError, UnicodeDecodeError):
        for stage in re.split(r"(?m)^  (?=\S)", Path(LOCK).read_text(encoding="utf-8")):
            outs = stage.partition("\n    outs:\n")[2]
            yield from re.findall(r"(?m)^    - path: (.+)\n      hash: md5\n      md5: (\w+(?:\.dir)?)$", outs)


def _within(digest: str, folder: PurePath) -> str | None:
    """The hash of a folder in an output, as DVC makes it: of the list of its files, sorted, as JSON."""
    try:
        listed = json.loads((_cache() / "files/md5" / digest[:2] / digest[2:]).read_bytes())
        files = {PurePath(entry["relpath"]): entry["md5"] for entry in listed}
    except (OSError, ValueError, LookupError, TypeError, ConfigError):
        return None
    below = {str(path.relative_to(folder)): md5 for path, md5 in files.items() if path.is_relative_to(folder)}
    own = [{"md5": below[path], "relpath": path} for path in sorted(below)]
    return hashlib.md5(json.dumps(own, sort_keys=True).encode(), usedforsecurity=False).hexdigest() + ".dir"


def _cache() -> Path:
    """DVC's cache; that of a temporary workspace is the project's, which the workspace's config names."""
    config = ConfigParser(interpolation=None, strict=False)
    config.read([".dvc/config", ".dvc/config.local"], encoding="utf-8")
    return Path(".dvc", config.get("cache", "dir", fallback="cache"))
