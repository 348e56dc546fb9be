"""tasks: GLUE and CoNLL-2003, from official files or from the hub, in one normal form."""

from minimoe.errors import exit_cleanly
from minimoe.params import load
from minimoe.tasks.prepare import prepare_tasks


def main() -> None:
    """Run the stage."""
    params = load()
    families = {"glue": params.task_data.glue, "conll2003": params.task_data.conll2003}
    prepare_tasks(
        params.table.tasks,
        folders={name: family.path if family.source == "local" else None for name, family in families.items()},
        hubs={name: family.hub for name, family in families.items()},
        out="data/tasks",
    )


if __name__ == "__main__":
    exit_cleanly(main)
