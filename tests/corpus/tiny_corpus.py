"""A tiny corpus of made-up words, and tokenizers for it."""

import random

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

WORDS = [f"{first}{last}" for first in "bdfgkl" for last in ("a", "en", "irt", "o", "um")]
BERT = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"}
ROBERTA = {"cls_token": "<s>", "pad_token": "<pad>", "sep_token": "</s>", "unk_token": "<unk>", "mask_token": "<mask>"}


def sentences(seed=0, documents=60):
    """A formatted corpus: random sentences, one a line, a blank line after every document."""
    rng = random.Random(seed)
    text = ""
    for _ in range(documents):
        for _ in range(rng.randint(1, 9)):
            text += " ".join(rng.choices(WORDS, k=rng.randint(1, 30))) + "\n"
        text += "\n"
    return text


def make_tokenizer(folder, special, pair, vocabulary=()):
    """Save a tokenizer of whole words that joins a pair of texts by the template `pair`; returns its folder."""
    names = [*special.values(), "a", "b", *WORDS, *vocabulary]
    backend = Tokenizer(models.WordLevel(dict(zip(names, range(len(names)), strict=True)), special["unk_token"]))
    backend.normalizer = normalizers.Lowercase()
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    ends = [(name, names.index(name)) for name in (special["cls_token"], special["sep_token"])]
    backend.post_processor = processors.TemplateProcessing(pair=pair, special_tokens=ends)
    backend.enable_truncation(7)  # which some published tokenizers ask for, and records must not do
    backend.enable_padding(length=9)
    PreTrainedTokenizerFast(tokenizer_object=backend, **special).save_pretrained(folder)
    return folder


def flip(path):
    """Damage a file by one bit."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
