import pytest
import torch
from transformers import BertTokenizer


@pytest.fixture
def tokenizer(tmp_path):
    """A folder with a tokenizer of 40 tokens."""
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"w{i}" for i in range(35))]
    BertTokenizer(vocab={token: i for i, token in enumerate(tokens)}).save_pretrained(tmp_path / "tokenizer")
    return tmp_path / "tokenizer"


class Records:
    """72 sequences of 18 words, of which there are four, always in the same order; the last 8 are held out."""

    training, heldout = range(64), range(64, 72)

    def batch(self, indices):
        words = 5 + (torch.tensor(list(indices))[:, None] + torch.arange(18)) % 4
        ends = torch.ones(len(words), 1, dtype=torch.int64)
        ids = torch.cat([2 * ends, words, 3 * ends], 1)
        return {
            "input_ids": ids,
            "attention_mask": torch.ones_like(ids),
            "token_type_ids": torch.zeros_like(ids),
        }


@pytest.fixture
def records():
    return Records()
