"""Record which commit of the hub a stage has read, and the license found: in `data/origin/<name>.json` and in MLflow.

Not in the folder that the stage makes: a commit that changes nothing but a repository's README would rerun whatever
depends on that folder.
"""

from minimoe import tracking
from minimoe.system.files import write_json

FOLDER = "data/origin"


def record(name: str, stage: str, read: dict[str, dict[str, str | None]], settings) -> None:
    """Write down the commits that were read; `read` is empty where nothing came from the hub.

    Args:
        name: of the file, such as `teachers/large`.
        read: `hub`, `revision` and `commit`, by what they are of, such as `teacher`.
        settings: `runtime.tracking` of the params.
    """
    write_json(f"{FOLDER}/{name}.json", read)
    if read:
        with tracking.run(settings, name, {"stage": stage}, read):
            pass
