"""tokenizer: the teacher's own, or WordPiece trained on the sentences."""

from minimoe.hub.origin import record
from minimoe.params import load
from minimoe.params.settings import settings
from minimoe.teacher.tokenizer import copy_tokenizer, train_tokenizer
from stages import run

OUT = "data/tokenizer"


def main() -> None:
    """Run the stage."""
    teacher, read = settings("tokenizer"), {}
    match teacher["source"]:
        case "pretrain":
            train_tokenizer("data/formatted", OUT, **teacher["tokenizer"])
        case "local":
            copy_tokenizer(teacher["path"], OUT)
        case "hub":
            commit = copy_tokenizer(teacher["hub"], OUT, revision=teacher["revision"])
            read["tokenizer"] = {"hub": teacher["hub"], "revision": teacher["revision"], "commit": commit}
    record("tokenizer", "tokenizer", read, load().runtime.tracking)


if __name__ == "__main__":
    run(main)
