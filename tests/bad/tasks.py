"""Official task files: bad input of the stage tasks, and of finetuning that reads what it wrote."""

from bad.harm import Case, both, cut, drop, emptied, folder, params, write

SST2, RTE, STSB = (f"given/glue/{name}/train.tsv" for name in ("SST-2", "RTE", "STS-B"))
TRAIN, TNEWS = "given/conll2003/eng.train", "given/clue/tnews/train.json"
RTE_HEAD = "index\tsentence1\tsentence2\tlabel\n"
MADE = "data/tasks/sst2/train.jsonl"


def of(task: str, *harms) -> Case:
    """Harms done to the files of a task other than SST-2."""
    return both(params({"table.tasks": [task], "export.tasks": []}), *harms)


def hub(family: str, name: str, task: str):
    table = {"table.tasks": [task], "export.tasks": []}
    return params({f"task_data.{family}.source": "hub", f"task_data.{family}.hub": name} | table)


CASES = {
    # GLUE
    "no folder": Case("tasks", drop("given/glue"), SST2, "put the official file there or set source: hub"),
    "an empty folder": Case("tasks", emptied("given/glue"), SST2, "put the official file there or set source: hub"),
    "no dev set": Case("tasks", drop("given/glue/SST-2/dev.tsv"), "SST-2/dev.tsv", "put the official file there"),
    "a folder for a file": Case("tasks", folder(SST2), SST2, "put the official file there"),
    "a file for a folder": Case("tasks", both(drop("given/glue"), write("given/glue", "x")), SST2, "put the official"),
    "an empty file": Case("tasks", write(SST2, ""), f"{SST2}:1", "expected sentence, label"),
    "a header alone": Case("tasks", write(SST2, "sentence\tlabel\n"), SST2, "expected examples"),
    "a web page": Case("tasks", write(SST2, "<html>\n<body>404</body>\n"), f"{SST2}:1", "no column 'sentence'"),
    "commas for tabs": Case("tasks", write(SST2, "sentence,label\na,1\n"), f"{SST2}:1", "no column 'sentence'"),
    "UTF-16": Case("tasks", write(SST2, "sentence\tlabel\na\t1\n".encode("utf-16")), SST2, "expected UTF-8"),
    "Latin-1": Case("tasks", write(SST2, b"sentence\tlabel\ncaf\xe9\t1\n"), SST2, "expected UTF-8"),
    "a zip archive": Case("tasks", write(SST2, b"PK\x03\x04\x14\x00\xff\xfe"), SST2, "expected"),
    "a cell too many": Case("tasks", write(SST2, "sentence\tlabel\na\t1\tb\n"), f"{SST2}:2", "expected 2 separated"),
    "a tab within a text": Case(
        "tasks",
        of("rte", write(RTE, f"{RTE_HEAD}0\ta\tb\tentailment\tentailment\n")),
        f"{RTE}:2",
        "expected 4 separated",
    ),
    "an empty sentence": Case("tasks", write(SST2, "sentence\tlabel\na\t1\n \t1\n"), f"{SST2}:3", "expected text"),
    "an empty pair": Case(
        "tasks", of("rte", write(RTE, f"{RTE_HEAD}0\t\t\tentailment\n")), f"{RTE}:2", "expected text"
    ),
    "a column too few": Case(
        "tasks", write(SST2, "sentence\tlabel\na\t1\nb\n"), f"{SST2}:3", "expected column 'label'"
    ),
    "a test set, without labels": Case(
        "tasks", write(SST2, "index\tsentence\n0\ta\n"), f"{SST2}:1", "no column 'label'"
    ),
    "a label that is none": Case(
        "tasks", write(SST2, "sentence\tlabel\na\t2\n"), f"{SST2}:2", "expected a label of 0, 1"
    ),
    "a label of another case": Case(
        "tasks", of("rte", write(RTE, f"{RTE_HEAD}0\ta\tb\tEntailment\n")), f"{RTE}:2", "expected a label of entailment"
    ),
    "an empty label": Case("tasks", write(SST2, "sentence\tlabel\na\t\n"), f"{SST2}:2", "expected a label of 0, 1"),
    "a label with a space": Case("tasks", write(SST2, "sentence\tlabel\na\t1 \n"), f"{SST2}:2", "expected a label of"),
    "a cut row": Case("tasks", of("rte", cut(RTE, 14)), f"{RTE}:2", "expected"),
    "a score out of bounds, untrained": Case(
        "tasks",
        of("stsb_cosine", write("given/glue/STS-B/dev.tsv", "sentence1\tsentence2\tscore\na\tb\t-1\n")),
        "given/glue/STS-B/dev.tsv:2",
        "from 0 to 5",
    ),
    "a score out of bounds": Case(
        "tasks", of("stsb", write(STSB, "sentence1\tsentence2\tscore\na\tb\t5.01\n")), f"{STSB}:2", "from 0 to 5"
    ),
    "a score that is no number": Case(
        "tasks", of("stsb", write(STSB, "sentence1\tsentence2\tscore\na\tb\tnan\n")), f"{STSB}:2", "from 0 to 5"
    ),
    "a score with a comma": Case(
        "tasks", of("stsb", write(STSB, "sentence1\tsentence2\tscore\na\tb\t3,8\n")), f"{STSB}:2", "from 0 to 5"
    ),
    # CoNLL-2003
    "conll: no file": Case("tasks", of("conll2003", drop(TRAIN)), TRAIN, "put the official file there"),
    "conll: no tag": Case("tasks", of("conll2003", write(TRAIN, "EU\n")), f"{TRAIN}:1", "expected a word"),
    "conll: an unknown tag": Case(
        "tasks", of("conll2003", write(TRAIN, "EU X X B-TIME\n")), f"{TRAIN}:1", "a tag of O"
    ),
    "conll: a tag in lower case": Case(
        "tasks", of("conll2003", write(TRAIN, "EU X X b-org\n")), f"{TRAIN}:1", "a tag of O"
    ),
    "conll: document marks alone": Case(
        "tasks", of("conll2003", write(TRAIN, "-DOCSTART- -X- O O\n\n")), TRAIN, "expected examples"
    ),
    "conll: empty": Case("tasks", of("conll2003", write(TRAIN, "")), TRAIN, "expected examples"),
    "conll: carriage returns for line ends": Case(
        "tasks", of("conll2003", write(TRAIN, "EU X X I-ORG\rrejects X X O\r\r")), f"{TRAIN}:1", "line feed"
    ),
    "conll: not UTF-8": Case("tasks", of("conll2003", write(TRAIN, b"\xff X X O\n")), TRAIN, "expected UTF-8"),
    # CLUE
    "clue: no file": Case("tasks", of("tnews", drop(TNEWS)), TNEWS, "put the official file there"),
    "clue: cut": Case("tasks", of("tnews", cut(TNEWS)), f"{TNEWS}:1", "expected a JSON object"),
    "clue: an array": Case("tasks", of("tnews", write(TNEWS, "[1]\n")), f"{TNEWS}:1", "expected text under sentence"),
    "clue: no text": Case(
        "tasks", of("tnews", write(TNEWS, '{"label": "100"}\n')), f"{TNEWS}:1", "expected text under"
    ),
    "clue: an empty text": Case(
        "tasks", of("tnews", write(TNEWS, '{"sentence": "", "label": "100"}\n')), f"{TNEWS}:1", "expected text"
    ),
    "clue: no label": Case("tasks", of("tnews", write(TNEWS, '{"sentence": "x"}\n')), f"{TNEWS}:1", "expected a label"),
    "clue: a label unknown": Case(
        "tasks",
        of("tnews", write(TNEWS, '{"sentence": "x", "label": "99"}\n')),
        f"{TNEWS}:1",
        "expected a label of 100",
    ),
    "clue: a list for a label": Case(
        "tasks",
        of("tnews", write(TNEWS, '{"sentence": "x", "label": ["100"]}\n')),
        f"{TNEWS}:1",
        "expected a label of 100",
    ),
    "clue: brackets without end": Case(
        "tasks", of("tnews", write(TNEWS, "[" * 99999)), f"{TNEWS}:1", "expected a JSON"
    ),
    "clue: half a character": Case(
        "tasks", of("tnews", write(TNEWS, '{"sentence": "\\ud800", "label": "100"}\n')), TNEWS, "surrogate"
    ),
    "clue: labels secret throughout": Case(
        "tasks", of("tnews", write(TNEWS, '{"sentence": "x", "label": "-"}\n')), TNEWS, "expected examples"
    ),
    # from the hub, where there is none
    "hub: a folder that is not there": Case(
        "tasks", hub("glue", "./nowhere", "sst2"), "task_data.glue.hub", "expected"
    ),
    "hub: a path": Case("tasks", hub("glue", "../../etc/passwd", "sst2"), "task_data.glue.hub", "expected"),
    "hub: an absolute path": Case("tasks", hub("glue", "/etc", "sst2"), "task_data.glue.hub", "expected"),
    "hub: an address": Case("tasks", hub("glue", "https://a/b", "sst2"), "task_data.glue.hub", "expected"),
    "hub: a command": Case("tasks", hub("glue", "a;b", "sst2"), "task_data.glue.hub", "expected"),
    # what the stage wrote, harmed afterwards
    "made: no file": Case("finetune teacher sst2", drop(MADE), MADE, "run the stage tasks"),
    "made: cut": Case("finetune teacher sst2", cut(MADE, 7), MADE, "run the stage tasks"),
    "made: not UTF-8": Case("finetune teacher sst2", write(MADE, b'{"text": "\xff"}\n'), MADE, "run the stage tasks"),
    "made: another form": Case(
        "finetune teacher sst2", write(MADE, '{"sentence": "a"}\n'), MADE, "run the stage tasks"
    ),
    "made: an array": Case("finetune teacher sst2", write(MADE, "[1]\n"), MADE, "run the stage tasks"),
    "made: an unknown label": Case(
        "finetune teacher sst2", write(MADE, '{"text": "a", "pair": null, "label": 2}\n'), MADE, "run the stage tasks"
    ),
    "made: nothing": Case("finetune teacher sst2", write(MADE, ""), MADE, "run the stage tasks"),
}
