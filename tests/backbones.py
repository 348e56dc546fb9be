"""The kinds of encoder that can teach, as tiny random models, each with a tokenizer of its own kind.

BERT, ELECTRA and MegatronBERT: WordPiece, two segments. RoBERTa: byte-level BPE. XLM-R: Unigram. The latter two have
`<s> A </s></s> B </s>`, no segments, and positions that begin behind the padding id.
"""

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoModel,
    BertConfig,
    BertTokenizer,
    ElectraConfig,
    MegatronBertConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaTokenizer,
    XLMRobertaConfig,
    XLMRobertaTokenizer,
)

TEXT = """ann eats the good film . bob sees a bad play .
the film is in paris and the play is in rome .
bob sees ann in paris , and ann sees the film .
"""
ROBERTA_SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]
TOKENS = 24  # the most that a model here can take
SMALL = {
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "initializer_range": 0.3,
    "max_position_embeddings": TOKENS,
}
ROBERTA = {
    "max_position_embeddings": TOKENS + 2,
    "type_vocab_size": 1,
    "bos_token_id": 0,
    "pad_token_id": 1,
    "eos_token_id": 2,
}
CONFIGS = {
    "bert": (BertConfig, {}),
    "bert-24-layers": (BertConfig, {"num_hidden_layers": 24, "initializer_range": 0.1}),
    "electra": (ElectraConfig, {"embedding_size": 24}),
    "electra-narrow": (ElectraConfig, {"embedding_size": 16}),
    "megatron-bert": (MegatronBertConfig, {}),
    "roberta": (RobertaConfig, ROBERTA),
    "xlm-roberta": (XLMRobertaConfig, ROBERTA),
}


def without_segments(kind: str) -> bool:
    return kind in {"roberta", "xlm-roberta"}


def make_tokenizer(kind: str, text: str = TEXT) -> PreTrainedTokenizerFast:
    """A tokenizer of the kind's own class, trained on `text`."""
    if kind == "roberta":
        return _byte_pairs(text)
    return _unigram(text) if kind == "xlm-roberta" else _word_piece(text)


def make_model(kind: str, vocabulary: int, auto=AutoModel, **changes) -> PreTrainedModel:
    """A random model in eval mode; `auto` is the Auto class of its head."""
    config_class, values = CONFIGS[kind]
    torch.manual_seed(0)
    return auto.from_config(config_class(vocab_size=vocabulary, **SMALL | values | changes)).eval()


def save(kind: str, folder: Path, text: str = TEXT, auto=AutoModel, **changes) -> Path:
    """Write model and tokenizer as the folder of a published encoder is."""
    tokenizer = make_tokenizer(kind, text)
    make_model(kind, len(tokenizer), auto, **changes).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _word_piece(text: str) -> BertTokenizer:
    letters = sorted(set(text) - {" ", "\n"})
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    words = sorted({word for word in text.split() if len(word) > 1})
    return BertTokenizer(vocab={piece: i for i, piece in enumerate([*pieces, *words])}, model_max_length=TOKENS)


def _byte_pairs(text: str) -> RobertaTokenizer:
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=len(ROBERTA_SPECIAL) + len(alphabet) + 80,
        special_tokens=ROBERTA_SPECIAL,
        initial_alphabet=alphabet,
        show_progress=False,
    )
    backend.train_from_iterator(text.splitlines(), trainer)
    trained = json.loads(backend.to_str())["model"]
    vocabulary = trained["vocab"] | {"<mask>": len(trained["vocab"])}
    merges = [tuple(pair) for pair in trained["merges"]]
    return RobertaTokenizer(vocab=vocabulary, merges=merges, model_max_length=TOKENS)


def _unigram(text: str) -> XLMRobertaTokenizer:
    words = [(f"▁{word}", -1.0) for word in sorted(set(text.split()))]
    letters = [(letter, -5.0) for letter in ["▁", *sorted(set(text) - {" ", "\n"})]]
    special = [(name, 0.0) for name in ROBERTA_SPECIAL]
    return XLMRobertaTokenizer(vocab=[*special, *words, *letters, ("<mask>", 0.0)], model_max_length=TOKENS)
