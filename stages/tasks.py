"""tasks: GLUE, CoNLL-2003 and CLUE, from official files or from the hub, in one normal form."""

from minimoe.params import load
from minimoe.tasks.prepare import prepare_tasks
from stages import run


def main() -> None:
    """Run the stage."""
    params = load()
    families = dict(params.task_data)
    prepare_tasks(
        params.table.tasks,
        folders={name: family.path if family.source == "local" else None for name, family in families.items()},
        hubs={name: family.hub for name, family in families.items()},
        out="data/tasks",
    )


if __name__ == "__main__":
    run(main)
