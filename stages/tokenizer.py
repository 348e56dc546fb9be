"""tokenizer: the teacher's own, or WordPiece trained on the sentences."""

from minimoe.params.settings import settings
from minimoe.teacher.tokenizer import copy_tokenizer, train_tokenizer
from stages import run

OUT = "data/tokenizer"


def main() -> None:
    """Run the stage."""
    teacher = settings("tokenizer")
    match teacher["source"]:
        case "pretrain":
            train_tokenizer("data/formatted", OUT, **teacher["tokenizer"])
        case "local":
            copy_tokenizer(teacher["path"], OUT)
        case "hub":
            copy_tokenizer(teacher["hub"], OUT, revision=teacher["revision"])


if __name__ == "__main__":
    run(main)
