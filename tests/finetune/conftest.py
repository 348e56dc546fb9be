import json

import pytest
import torch
from transformers import BertConfig, BertModel, BertTokenizer

WORDS = ["ann", "bob", "paris", "rome", "eats", "sees", "good", "bad", "film", "play", "a", "the", "b", "##b"]
TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
SHAPE = {
    "vocab_size": len(TOKENS),
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 32,
}


@pytest.fixture
def tokenizer():
    return BertTokenizer(vocab={token: i for i, token in enumerate(TOKENS)}, model_max_length=32)


@pytest.fixture
def model(tmp_path, tokenizer):
    """The folder of an encoder without a head, as a student's is."""
    torch.manual_seed(0)
    BertModel(BertConfig(**SHAPE), add_pooling_layer=False).save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def sentiment(count):
    return [
        {"text": f"the {('bad', 'good')[i % 2]} {('film', 'play')[i // 2 % 2]}", "pair": None, "label": i % 2}
        for i in range(count)
    ]


def pairs(count, labels):
    """The first sentence names the label."""
    words = ["ann", "bob", "paris"]
    return [
        {"text": f"{words[i % len(labels)]} eats", "pair": "the film", "label": labels[i % len(labels)]}
        for i in range(count)
    ]


def tagged(count):
    names = [("ann", "B-PER"), ("paris", "B-LOC"), ("bob", "B-PER"), ("rome", "B-LOC")]
    return [{"words": [names[i % 4][0], "sees", "a"], "tags": [names[i % 4][1], "O", "O"]} for i in range(count)]


FILES = {
    "sst2": {"train": sentiment(64), "dev": sentiment(16)},
    "stsb": {"train": pairs(60, [0.0, 2.5, 5.0]), "dev": pairs(12, [0.0, 2.5, 5.0])},
    "mnli": {
        "train": pairs(60, [0, 1, 2]),
        "dev": pairs(12, [0, 1, 2]),
        "dev_mismatched": pairs(12, [1, 0, 2]),
    },
    "conll2003": {"train": tagged(64), "dev": tagged(8), "test": tagged(4)},
}


@pytest.fixture
def data(tmp_path):
    for task, splits in FILES.items():
        for split, examples in splits.items():
            path = tmp_path / "tasks" / task / f"{split}.jsonl"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(json.dumps(example) + "\n" for example in examples))
    return tmp_path / "tasks"
