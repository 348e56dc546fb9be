"""Push a student and its card to the Hugging Face hub: `minimoe push ROUND/STUDENT REPOSITORY`.

All files come in one commit, so the repository is as it was or has all of them. What an earlier push left there, as the
title of a file's last commit says, is replaced or removed; all else stays. A repository with a model that came in
another way is refused: the push would overwrite that model, or be read with files of it.
"""

from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path

from minimoe.hub.transfer import answer, transfer
from minimoe.params import load
from minimoe.system.errors import UserError

CARD = "README.md"
BY = ", by minimoe"  # what the title of a push's commit ends with
MODEL = (  # what libraries read of a model's folder, whatever else is in it
    "*.safetensors", "*.bin", "*.index.json", "*.h5", "*.msgpack", "config.json", "adapter_config.json", "modules.json",
    "tokenizer*", "vocab.*", "merges.txt", "added_tokens.json", "special_tokens_map.json",
)  # fmt: skip
NAMED = 3  # files that a message names


def push(student: str, repository: str, license: str | None = None, public: bool = False) -> str:
    """Upload a student's folder and its card, and return the address of the commit.

    Args:
        student: ROUND/STUDENT of this run, which is up to date.
        repository: NAMESPACE/NAME on the hub; made if it is not there.
        license: an identifier of the hub, such as apache-2.0, in place of the card's.
        public: a repository that is made now can be seen by everyone; one that is there stays as it is.

    Raises:
        UserError: no such student, one that is out of date, no token, another model in the repository, or what the
            hub or the network answered.
    """
    from huggingface_hub import get_token
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    folder, card = _made(student)
    try:
        validate_repo_id(repository)
    except HFValidationError as error:
        raise UserError(f"{repository!r}: not a repository of the hub ({error})") from None
    if "/" not in repository:
        raise UserError(f"{repository!r}: expected NAMESPACE/NAME, such as your-name/{student.rpartition('/')[2]}")
    if not get_token():
        raise UserError("no token of the hub here: `hf auth login`, or set HF_TOKEN, with one that may write")
    text = card_of(card.read_text(encoding="utf-8"), student, repository, license)
    url = upload(folder, text, repository, f"{student}{BY}", public)
    print(f"{student}: {url}")
    return url


def _made(student: str) -> tuple[Path, Path]:
    """The student's folder and card, as the present params and code make them."""
    from minimoe.pipeline.repro import look

    students = [f"{name}/{each}" for name, round_ in load().rounds.items() for each in round_.models]
    if student not in students:
        raise UserError(f"{student!r}: expected one of {', '.join(students)}")
    folder, card = Path("models", student), Path("reports/cards", student, CARD)
    stale = look().all & {f"distill@{student.partition('/')[0]}", "report"}
    for path in (folder, card):
        if stale or not path.exists():
            why = f"{' and '.join(sorted(stale))} out of date" if stale else f"{path} is missing"
            raise UserError(f"{student}: {why}; `minimoe repro` first, so that the card is that of the model")
    return folder, card


def card_of(text: str, student: str, repository: str, license: str | None) -> str:
    """The card with the lines that load the student from the hub, and with another license if one is given."""
    from huggingface_hub import ModelCard

    card = ModelCard(text.replace(f'"models/{student}"', f'"{repository}"'))
    if license:
        card.data.license, card.data.license_name = license, None
        head, heading, _ = card.text.rpartition("## License\n")
        card.text = f"{head}{heading}\n`{license}`, by whoever published it.\n"
    return str(card)


def upload(folder: Path, card: str, repository: str, message: str, public: bool) -> str:
    """Upload a folder with a card as one commit; returns its address. Raises `UserError`."""
    what = f"{repository}: cannot be pushed to"
    request = {"folder": str(folder), "card": card, "repository": repository, "message": message, "public": public}
    return transfer("minimoe.publish.push", request, what)


def _commit(folder: str, card: str, repository: str, message: str, public: bool) -> str:
    """Of the transferring process: make the commit; returns its address."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

    api, root = HfApi(), Path(folder)
    files = {path.relative_to(root).as_posix(): path for path in sorted(root.rglob("*")) if path.is_file()}
    api.create_repo(repository, private=not public, exist_ok=True)
    left = _left(api, repository, files)
    changes = [CommitOperationDelete(name) for name in left if name not in files]
    changes += [CommitOperationAdd(name, path) for name, path in files.items() if name != CARD]
    changes.append(CommitOperationAdd(CARD, card.encode()))
    return api.create_commit(repository, changes, commit_message=message).commit_url


def _left(api, repository: str, files: Iterable[str]) -> list[str]:
    """What earlier pushes left in a repository; `UserError` where `files` would overwrite or mix with another model."""
    from huggingface_hub.hf_api import RepoFile

    left, others = [], []
    for file in api.list_repo_tree(repository, recursive=True, expand=True):
        if not isinstance(file, RepoFile) or file.path in (CARD, ".gitattributes"):  # the hub itself writes the latter
            continue
        if file.last_commit and file.last_commit.title.endswith(BY):
            left.append(file.path)
        elif file.path in files or ("/" not in file.path and any(fnmatch(file.path, form) for form in MODEL)):
            others.append(file.path)
    if others:
        named = ", ".join(others[:NAMED]) + (f" and {len(others) - NAMED} more" if len(others) > NAMED else "")
        raise UserError(
            f"it holds a model that no push of this program made there: {named}; "
            "push to another repository, or delete that first"
        )
    return left


if __name__ == "__main__":
    answer(_commit)
