import pytest

from minimoe.system.errors import UserError
from minimoe.tasks.readers import iob2, read_official
from minimoe.tasks.table import TASKS


def read(tmp_path, task, text):
    path = tmp_path / "file"
    path.write_bytes(text.encode())
    return list(read_official(path, TASKS[task]))


def pair(text, second, label):
    return {"text": text, "pair": second, "label": label}


def test_quotes_are_characters(tmp_path):
    rows = read(tmp_path, "sst2", 'sentence\tlabel\n"one \t1\ntwo"\t0\n')
    assert rows == [pair('"one ', None, 1), pair('two"', None, 0)]


def test_mrpc_with_byte_order_mark(tmp_path):
    rows = read(tmp_path, "mrpc", "\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\n1\t7\t8\ta\tb\n")
    assert rows == [pair("a", "b", 1)]


def test_cola_has_no_header(tmp_path):
    rows = read(tmp_path, "cola", "gj04\t1\t\tIt rains.\ngj04\t0\t*\tRains it.\n")
    assert rows == [pair("It rains.", None, 1), pair("Rains it.", None, 0)]


def test_columns_are_found_by_name(tmp_path):
    rows = read(
        tmp_path,
        "mnli",
        "index\tsentence1\tsentence2\tlabel1\tgold_label\n0\ta\tb\tneutral\tcontradiction\n",
    )
    assert rows == [pair("a", "b", 2)]


def test_named_and_written_labels(tmp_path):
    header = "index\tsentence1\tsentence2\tlabel\n"
    assert read(tmp_path, "rte", header + "0\ta\tb\tnot_entailment\n")[0]["label"] == 1
    assert read(tmp_path, "wnli", header + "0\ta\tb\t1\n")[0]["label"] == 1
    assert read(tmp_path, "stsb", "sentence1\tsentence2\tscore\na\tb\t3.800\n")[0]["label"] == 3.8


def test_line_ends_and_empty_lines(tmp_path):
    rows = read(tmp_path, "sst2", "sentence\tlabel\r\none\rtwo\t1\r\n\r\n")
    assert rows == [pair("one\rtwo", None, 1)]


@pytest.mark.parametrize(
    ("task", "text", "line", "expected"),
    [
        ("rte", "index\tsentence1\tlabel\n", 1, "no column 'sentence2'"),
        ("rte", "index\tsentence1\tsentence2\tlabel\n0\ta\tb\n", 2, "expected column 'label'"),
        (
            "rte",
            "index\tsentence1\tsentence2\tlabel\n0\ta\tb\t1\n",
            2,
            "of entailment, not_entailment; got '1'",
        ),
        ("stsb", "sentence1\tsentence2\tscore\na\tb\t5.1\n", 2, "from 0 to 5, got '5.1'"),
        ("stsb", "sentence1\tsentence2\tscore\na\tb\tx\n", 2, "from 0 to 5, got 'x'"),
        ("csl", '{"abst": "x", "keyword": null, "label": "0"}\n', 1, "expected text under keyword, abst, got '{"),
        ("tnews", '{"sentence": "x", "label": "105"}\n', 1, "expected a label of 100, 101"),
        ("tnews", '{"sentence": "x"}\n', 1, "116; got 'None'"),
        ("tnews", '\n{"sentence": "x"\n', 2, "expected a JSON object"),
        ("tnews", "[1]\n", 1, "expected text under sentence"),
        ("conll2003", "EU NNP I-NP I-ORG\nx y z\n", 2, "a tag of O, B-PER"),
        ("conll2003", "EU\n", 1, "expected a word"),
    ],
)
def test_a_bad_file_is_one_line_that_names_the_place(tmp_path, task, text, line, expected):
    with pytest.raises(UserError, match=f"file:{line}: ") as error:
        read(tmp_path, task, text)
    assert expected in str(error.value)
    assert "\n" not in str(error.value)


def test_no_file_and_no_utf8(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        list(read_official(tmp_path / "none", TASKS["rte"]))
    (tmp_path / "latin").write_bytes(b"sentence\tlabel\ncaf\xe9\t1\n")
    with pytest.raises(UserError, match="expected UTF-8"):
        list(read_official(tmp_path / "latin", TASKS["sst2"]))


def test_the_cut_rows_of_qqp_are_left_out_and_counted(tmp_path, capsys):
    header = "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n"
    rows = read(tmp_path, "qqp", header + '0\t1\t2\ta\t"b\n\tc"\t0\n1\t3\t4\td\te\t1\n')
    assert rows == [pair("d", "e", 1)]
    assert "left out 2 rows" in capsys.readouterr().out
    with pytest.raises(UserError, match="file:102: expected column"):
        read(tmp_path, "qqp", header + "0\t1\n" * 101)


def test_clue(tmp_path):
    text = '{"sentence1": "甲\\t\\"", "sentence2": "乙", "label": "%s"}\n'
    assert read(tmp_path, "ocnli", "\ufeff" + text % "neutral" + "\n" + text % "-" + text % "contradiction") == [
        pair('甲\t"', "乙", 0),
        pair('甲\t"', "乙", 2),
    ]
    assert read(tmp_path, "tnews", '{"label": "116", "label_desc": "news_game", "sentence": "甲", "keywords": ""}') == [
        pair("甲", None, 14)
    ]
    assert read(tmp_path, "iflytek", '{"label": 118, "sentence": "甲"}\r\n') == [pair("甲", None, 118)]
    assert read(tmp_path, "csl", '{"id": 1, "abst": "甲乙。", "keyword": ["甲", "乙"], "label": "0"}') == [
        pair("甲 乙", "甲乙。", 0)
    ]


def test_conll(tmp_path):
    text = (
        "-DOCSTART- -X- O O\n\nEU NNP I-NP I-ORG\nrejects VBZ I-VP O\n\n"
        "Ann NNP I-NP I-PER\nBob NNP I-NP B-PER\nParis NNP I-NP I-LOC"
    )
    assert read(tmp_path, "conll2003", text) == [
        {"words": ["EU", "rejects"], "tags": ["B-ORG", "O"]},
        {"words": ["Ann", "Bob", "Paris"], "tags": ["B-PER", "B-PER", "B-LOC"]},
    ]


def test_iob2():
    iob1 = ["I-PER", "I-PER", "B-PER", "O", "I-LOC", "I-ORG", "I-ORG"]
    tags = ["B-PER", "I-PER", "B-PER", "O", "B-LOC", "B-ORG", "I-ORG"]
    assert iob2(iob1) == tags
    assert iob2(tags) == tags


def test_one_text_of_a_pair_may_be_empty_and_a_line_may_end_with_tabs(tmp_path):
    """The first as in QQP's official files; the second says nothing."""
    header = "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n"
    assert read(tmp_path, "qqp", header + "0\t1\t2\ta\t\t0\t\t\n") == [pair("a", "", 0)]


def test_a_tab_within_a_text_would_shift_what_follows(tmp_path):
    """Of MNLI's training set the label before the last is the same, so nothing else tells."""
    header = "index\tsentence1\tsentence2\tlabel1\tgold_label\n"
    with pytest.raises(UserError, match="file:2: expected 5 separated by tabs; got 6"):
        read(tmp_path, "mnli", header + "0\ta\tb\tc\tneutral\tneutral\n")
