"""The official file forms of GLUE and CoNLL-2003: headers, order of columns, no quoting."""

from collections.abc import Iterable
from pathlib import Path

from .words import words

MNLI = words("""index promptID pairID genre sentence1_binary_parse sentence2_binary_parse sentence1_parse
sentence2_parse sentence1 sentence2""")
HEADERS = {
    "CoLA": [],
    "SST-2": ["sentence", "label"],
    "MRPC": ["\ufeffQuality", "#1 ID", "#2 ID", "#1 String", "#2 String"],
    "STS-B": words("index genre filename year old_index source1 source2 sentence1 sentence2 score"),
    "QQP": words("id qid1 qid2 question1 question2 is_duplicate"),
    "MNLI/train": [*MNLI, "label1", "gold_label"],
    "MNLI/dev": [*MNLI, "label1", "label2", "label3", "label4", "label5", "gold_label"],
    "QNLI": words("index question sentence label"),
    "RTE": words("index sentence1 sentence2 label"),
    "WNLI": words("index sentence1 sentence2 label"),
}


def table(path: Path, header: list[str], rows: Iterable[Iterable[object]]) -> None:
    """Write a TSV without quoting."""
    lines = ["\t".join(header)] if header else []
    lines += ["\t".join(str(cell) for cell in row) for row in rows]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


def brackets(sentence: str) -> tuple[str, str]:
    """The sentence as a right-branching binary parse, and as a flat one."""
    words = [*sentence.rstrip(".").split(), "."]
    binary = words[-1]
    for word in reversed(words[:-1]):
        binary = f"( {word} {binary} )"
    return binary, "(ROOT (S " + " ".join(f"(X {word})" for word in words) + "))"


def mnli_rows(rows: list[tuple[str, str, str, str]], votes: int) -> Iterable[list[object]]:
    """Rows of MNLI with their parses and as many labels as the file has."""
    for index, (genre, premise, hypothesis, label) in enumerate(rows):
        (binary1, flat1), (binary2, flat2) = brackets(premise), brackets(hypothesis)
        prompt = 1000 + index
        head = [index, prompt, f"{prompt}{label[0]}", genre, binary1, binary2, flat1, flat2]
        yield [*head, premise, hypothesis, *[label] * votes, label]


def sentences(path: Path, documents: Iterable[list[list[tuple[str, str, str, str]]]]) -> None:
    """Write a file of CoNLL-2003: a word and its tags a line, a blank line after a sentence."""
    lines = []
    for document in documents:
        lines += ["-DOCSTART- -X- O O", ""]
        for rows in document:
            lines += [" ".join(row) for row in rows] + [""]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines), encoding="utf-8", newline="\n")
