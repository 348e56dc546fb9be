"""The kinds of encoder that can teach, as tiny random models, each with a tokenizer of its own kind.

BERT, ELECTRA, ERNIE, MegatronBERT and NomicBERT have WordPiece and two segments. RoBERTa has byte-level BPE, XLM-R and
CamemBERT have Unigram, MPNet has WordPiece; these four have `<s> A </s></s> B </s>`, no segments, and positions that
begin behind the padding id. DeBERTa has Unigram, and two segments, for which its model has no embedding. ModernBERT has
byte-level BPE and no segments. EuroBERT too; it marks the beginning of a text alone, and names no [CLS] and [SEP].
"""

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    AutoModel,
    BertConfig,
    BertTokenizer,
    CamembertConfig,
    CamembertTokenizer,
    DebertaV2Config,
    DebertaV2Tokenizer,
    ElectraConfig,
    ErnieConfig,
    EuroBertConfig,
    MegatronBertConfig,
    ModernBertConfig,
    MPNetConfig,
    MPNetTokenizer,
    NomicBertConfig,
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
MODERN_SPECIAL = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")}
EURO_SPECIAL = {"pad_token": "<|pad|>", "bos_token": "<|begin|>", "eos_token": "<|end|>", "mask_token": "<|mask|>"}
CONFIGS = {
    "bert": (BertConfig, {}),
    "bert-24-layers": (BertConfig, {"num_hidden_layers": 24, "initializer_range": 0.1}),
    "camembert": (CamembertConfig, ROBERTA),
    "deberta-v2": (
        DebertaV2Config,
        {
            "relative_attention": True, "position_buckets": 4, "norm_rel_ebd": "layer_norm", "share_att_key": True,
            "pos_att_type": ["p2c", "c2p"], "position_biased_input": False, "type_vocab_size": 0, "pad_token_id": 0,
            "conv_kernel_size": 3,
        },
    ),
    "electra": (ElectraConfig, {"embedding_size": 24}),
    "electra-narrow": (ElectraConfig, {"embedding_size": 16}),
    "ernie": (ErnieConfig, {"use_task_id": True}),
    "eurobert": (
        EuroBertConfig,
        {"num_key_value_heads": 2, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "mask_token_id": 3},
    ),
    "megatron-bert": (MegatronBertConfig, {}),
    "modernbert": (
        ModernBertConfig,
        {
            "local_attention": 8, "pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3, "cls_token_id": 2,
            "sep_token_id": 3,
        },
    ),
    "mpnet": (MPNetConfig, {key: value for key, value in ROBERTA.items() if key != "type_vocab_size"}),
    "nomic_bert": (NomicBertConfig, {}),
    "roberta": (RobertaConfig, ROBERTA),
    "xlm-roberta": (XLMRobertaConfig, ROBERTA),
}  # fmt: skip
# the published ones' tokenizers, whose kinds of pairs these are
LIKE_ROBERTA = ("camembert", "mpnet", "roberta", "xlm-roberta")
SEGMENTS = ("bert", "bert-24-layers", "electra", "electra-narrow", "ernie", "megatron-bert", "nomic_bert")


def make_tokenizer(kind: str, text: str = TEXT) -> PreTrainedTokenizerFast:
    """A tokenizer of the kind's own class, trained on `text`."""
    return {
        "camembert": _camembert,
        "deberta-v2": _deberta,
        "eurobert": _eurobert,
        "modernbert": _modernbert,
        "mpnet": _mpnet,
        "roberta": _roberta,
        "xlm-roberta": _xlm_roberta,
    }.get(kind, _word_piece)(text)


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
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *_pieces(text)]
    return BertTokenizer(vocab={piece: i for i, piece in enumerate(pieces)}, model_max_length=TOKENS)


def _mpnet(text: str) -> MPNetTokenizer:
    pieces = [*ROBERTA_SPECIAL[:3], "[UNK]", *_pieces(text), "<mask>"]
    return MPNetTokenizer(vocab={piece: i for i, piece in enumerate(pieces)}, model_max_length=TOKENS)


def _pieces(text: str) -> list[str]:
    letters = sorted(set(text) - {" ", "\n"})
    return [*letters, *(f"##{letter}" for letter in letters), *sorted({w for w in text.split() if len(w) > 1})]


def _roberta(text: str) -> RobertaTokenizer:
    trained = json.loads(_byte_pairs(text, ROBERTA_SPECIAL).to_str())["model"]
    vocabulary = trained["vocab"] | {"<mask>": len(trained["vocab"])}
    merges = [tuple(pair) for pair in trained["merges"]]
    return RobertaTokenizer(vocab=vocabulary, merges=merges, model_max_length=TOKENS)


def _modernbert(text: str) -> PreTrainedTokenizerFast:
    backend = _byte_pairs(text, list(MODERN_SPECIAL.values()))
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return _fast(backend, MODERN_SPECIAL)


def _eurobert(text: str) -> PreTrainedTokenizerFast:
    backend = _byte_pairs(text, list(EURO_SPECIAL.values()))
    backend.post_processor = processors.TemplateProcessing(
        single="<|begin|> $A", pair="<|begin|> $A <|begin|>:1 $B:1", special_tokens=[("<|begin|>", 1)]
    )
    return _fast(backend, EURO_SPECIAL)


def _fast(backend: Tokenizer, special: dict[str, str]) -> PreTrainedTokenizerFast:
    names = ["input_ids", "attention_mask"]
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, model_max_length=TOKENS, model_input_names=names, **special
    )


def _byte_pairs(text: str, special: list[str]) -> Tokenizer:
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=len(special) + len(alphabet) + 80,
        special_tokens=special,
        initial_alphabet=alphabet,
        show_progress=False,
    )
    backend.train_from_iterator(text.splitlines(), trainer)
    return backend


def _xlm_roberta(text: str) -> XLMRobertaTokenizer:
    return XLMRobertaTokenizer(vocab=_unigram(text, ROBERTA_SPECIAL, "<mask>"), model_max_length=TOKENS)


def _camembert(text: str) -> CamembertTokenizer:
    return CamembertTokenizer(
        vocab=_unigram(text, ROBERTA_SPECIAL, "<mask>"), additional_special_tokens=[], model_max_length=TOKENS
    )


def _deberta(text: str) -> DebertaV2Tokenizer:
    special = ["[PAD]", "[CLS]", "[SEP]", "[UNK]"]
    return DebertaV2Tokenizer(vocab=_unigram(text, special, "[MASK]"), unk_id=3, model_max_length=TOKENS)


def _unigram(text: str, special: list[str], mask: str) -> list[tuple[str, float]]:
    words = [(f"▁{word}", -1.0) for word in sorted(set(text.split()))]
    letters = [(letter, -5.0) for letter in ["▁", *sorted(set(text) - {" ", "\n"})]]
    return [*((name, 0.0) for name in special), *words, *letters, (mask, 0.0)]
