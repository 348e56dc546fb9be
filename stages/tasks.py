"""tasks: GLUE, CoNLL-2003 and CLUE, from official files or from the hub, and the user's own, in one normal form."""

from minimoe.hub.origin import record
from minimoe.params import load
from minimoe.params.settings import settings
from minimoe.tasks.prepare import prepare_tasks
from minimoe.tasks.task import from_settings
from stages import run


def main() -> None:
    """Run the stage."""
    chosen = settings("tasks")
    sources = chosen["sources"].items()
    commits = prepare_tasks(
        chosen["tasks"],
        folders={family: source["path"] for family, source in sources if source["source"] == "local"},
        hubs={family: source["hub"] for family, source in sources if source["source"] == "hub"},
        out="data/tasks",
        own={name: from_settings(task) for name, task in chosen["own"].items()},
    )
    hubs = {family: chosen["sources"][family]["hub"] for family in commits}
    read = {family: {"hub": hubs[family], "commit": commit} for family, commit in commits.items()}
    record("tasks", "tasks", read, load().runtime.tracking)


if __name__ == "__main__":
    run(main)
