"""The official file forms of GLUE and CoNLL-2003 hold."""

import pytest
from sample.official import SAMPLE, rows

MNLI = (
    "index promptID pairID genre sentence1_binary_parse sentence2_binary_parse sentence1_parse sentence2_parse "
    "sentence1 sentence2 "
)
VOTES = "label1 label2 label3 label4 label5 "
ENTAILS = {"entailment", "not_entailment"}
THREE = {"entailment", "neutral", "contradiction"}
FORMS = [  # file, header, the label's column, its values
    ("SST-2/train", "sentence label", 1, {"0", "1"}),
    ("SST-2/dev", "sentence label", 1, {"0", "1"}),
    ("STS-B/train", "index genre filename year old_index source1 source2 sentence1 sentence2 score", 9, None),
    ("STS-B/dev", "index genre filename year old_index source1 source2 sentence1 sentence2 score", 9, None),
    ("QQP/train", "id qid1 qid2 question1 question2 is_duplicate", 5, {"0", "1"}),
    ("QQP/dev", "id qid1 qid2 question1 question2 is_duplicate", 5, {"0", "1"}),
    ("MNLI/train", MNLI + "label1 gold_label", 11, THREE),
    ("MNLI/dev_matched", MNLI + VOTES + "gold_label", 15, THREE),
    ("MNLI/dev_mismatched", MNLI + VOTES + "gold_label", 15, THREE),
    ("QNLI/train", "index question sentence label", 3, ENTAILS),
    ("QNLI/dev", "index question sentence label", 3, ENTAILS),
    ("RTE/train", "index sentence1 sentence2 label", 3, ENTAILS),
    ("RTE/dev", "index sentence1 sentence2 label", 3, ENTAILS),
    ("WNLI/train", "index sentence1 sentence2 label", 3, {"0", "1"}),
    ("WNLI/dev", "index sentence1 sentence2 label", 3, {"0", "1"}),
]


@pytest.mark.parametrize(("file", "header", "label", "values"), FORMS, ids=[form[0] for form in FORMS])
def test_header_columns_and_labels(file, header, label, values):
    head, *body = rows(SAMPLE / "glue" / f"{file}.tsv")
    assert head == header.split()
    assert {len(row) for row in body} == {len(head)}
    if values is None:
        assert all(0 <= float(row[label]) <= 5 for row in body)
    else:
        assert {row[label] for row in body} == values


@pytest.mark.parametrize("part", ["train", "dev"])
def test_mrpc_begins_with_a_byte_order_mark(part):
    assert (SAMPLE / "glue" / "MRPC" / f"{part}.tsv").read_bytes().startswith(b"\xef\xbb\xbfQuality\t#1 ID\t")
    body = rows(SAMPLE / "glue" / "MRPC" / f"{part}.tsv")[1:]
    assert {len(row) for row in body} == {5}
    assert {row[0] for row in body} == {"0", "1"}


@pytest.mark.parametrize("part", ["train", "dev"])
def test_cola_has_no_header(part):
    body = rows(SAMPLE / "glue" / "CoLA" / f"{part}.tsv")
    assert {(row[1], row[2]) for row in body} == {("1", ""), ("0", "*")}
    assert {len(row) for row in body} == {4}


def test_no_quoting():
    for path in sorted((SAMPLE / "glue").rglob("*.tsv")):
        assert '"' not in path.read_text(encoding="utf-8"), path


def test_mismatched_genres_are_not_trained_on():
    genres = [{row[3] for row in rows(SAMPLE / "glue" / "MNLI" / f"{part}.tsv")[1:]} for part in
              ("train", "dev_matched", "dev_mismatched")]  # fmt: skip
    assert genres[0] == genres[1]
    assert not genres[0] & genres[2]


@pytest.mark.parametrize("part", ["train", "testa", "testb"])
def test_conll_is_iob1(part):
    blocks = (SAMPLE / "conll2003" / f"eng.{part}").read_text(encoding="utf-8").strip().split("\n\n")
    assert blocks[0] == "-DOCSTART- -X- O O"
    begins, classes = 0, set()
    for block in blocks:
        previous = "O"
        for line in block.split("\n"):
            word, part_of_speech, chunk, tag = line.split(" ")
            assert word and part_of_speech
            assert chunk == "O" or chunk.startswith(("I-", "B-"))
            if tag.startswith("B-"):  # IOB1: only where a name follows another of its class
                assert previous[2:] == tag[2:]
                begins += 1
            classes.add(tag[2:])
            previous = tag
    assert begins > 0
    assert classes == {"", "PER", "LOC", "ORG", "MISC"}
