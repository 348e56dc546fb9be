"""Words that are tokenized once: the ids are exactly the tokenizer's, whatever the text."""

import random

import backbones
import numpy as np
import pytest
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers

from minimoe.corpus import tokenize as module
from minimoe.corpus.tokenize import CachedTokenizer, words

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
PIECES = ("the", "un", "##ing", "##un", "中", "文", "한", "U", "u", "é", "##\u0301", "\u0301", "ς", "σ", "ss", "ß", "i")
ODD = (
    *SPECIAL,
    *("[mask]", "[ MASK ]", "[MASK", "MASK]", "##ing", "don't", "U.S.", "3.5", "a" * 101, "u" * 99, "theing", "Theun"),
    *(
        "é",
        "e\u0301",
        "İ",
        "ß",
        "Σ",
        "ς",
        "\u0301",
        "\u0338",
        "ﬁ",
        "²",
        "中",
        "文字",
        "㐀",
        "\U00020000",
        "한국",
        "\u1112\u1161",
    ),
    *("。", "，", "“", "…", "——", "·", "💩", "\x00", "\x01", "\x1c", "\x85", "\xa0", "\xad", "\u200b", "\u200d"),
    *("\u2028", "\u3000", "\t", "\r", "\ufeff", "\ufffd", "\u0903", "$", "+", "^", "`", "|", "_", "x_y", "é.b", "..."),
)


def tokenizer(clean=True, chinese=True, accents=None, lowercase=True, added=()):
    """WordPiece with BERT's cleaning, of pieces for all of printable ASCII."""
    letters = [chr(code) for code in range(33, 127)]
    pieces = [*SPECIAL, *letters, *(f"##{letter}" for letter in letters), *module.MARKS, *PIECES]
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    made = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=100))
    made.normalizer = normalizers.BertNormalizer(clean, chinese, accents, lowercase)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.add_special_tokens(list(SPECIAL))
    made.add_tokens(list(added))
    return made


def expected(made, sentences):
    return [encoding.ids for encoding in made.encode_batch(sentences, add_special_tokens=False)]


def encoded(encoder, sentences):
    return [np.frombuffer(ids, encoder.dtype).tolist() for ids in encoder(sentences)]


def odd_sentences(seed, count):
    """Random sequences of what could be treated otherwise beside this than beside that."""
    rng = random.Random(seed)
    pool = [*ODD, *module.MARKS, *PIECES, *" " * 40]
    return ["".join(rng.choices(pool, k=rng.randint(0, 20))) for _ in range(count)]


KINDS = {
    "lowercase": {},
    "cased": {"lowercase": False},
    "cased without accents": {"lowercase": False, "accents": True},
    "lowercase with accents": {"accents": False},
    "Chinese in words": {"chinese": False},
    "not cleaned": {"clean": False},
    "tokens of marks": {"added": [AddedToken("...", normalized=False), AddedToken("é.b", normalized=False)]},
    "a Chinese token": {"added": [AddedToken("文字", normalized=False, lstrip=True, rstrip=True)]},
}


@pytest.mark.parametrize("kind", KINDS)
def test_odd_text_is_encoded_as_the_tokenizer_does(kind):
    made = tokenizer(**KINDS[kind])
    encoder = CachedTokenizer(made, "<u2")
    assert encoder.pattern
    for seed in range(6):
        sentences = odd_sentences(seed, 100)
        assert encoded(encoder, sentences) == expected(made, sentences)


@pytest.mark.slow
def test_every_character_beside_words_marks_and_spaces():
    made = tokenizer()
    encoder = CachedTokenizer(made, "<u2")
    characters = [chr(code) for code in [*range(0x3100), *range(0x3100, 0x30000, 53)] if not 0xD800 <= code < 0xE000]
    sentences = [f"the{c}ing .{c},{c} {c}e{c}{c}'s 中{c}文{c}" for c in characters]
    assert encoded(encoder, sentences) == expected(made, sentences)


def test_a_word_is_tokenized_once():
    encoder = CachedTokenizer(tokenizer(), "<u2")
    asked = []

    class Spy:
        def encode_batch_fast(self, texts, **options):
            asked.extend(texts)
            return made.encode_batch_fast(texts, **options)

    made, encoder.tokenizer = encoder.tokenizer, Spy()
    first = encoder(["the un, the end.", "中文 the (un)"])
    assert sorted(asked) == sorted(["the", "un", ",", "end", ".", "中", "文", "(", ")"])
    assert encoder(["中文 the (un)", "the un, the end."]) == first[::-1] and len(asked) == 9


def test_when_too_many_words_are_kept_they_are_forgotten(monkeypatch):
    monkeypatch.setattr(module, "LIMIT", 50)
    made = tokenizer()
    encoder = CachedTokenizer(made, "<u4")
    kept = []
    for batch in range(40):
        sentences = [f"w{batch}x{number} the" for number in range(20)]
        assert encoded(encoder, sentences) == expected(made, sentences)
        kept.append(len(encoder.known))
    assert 50 < max(kept) <= 50 + 21 and min(kept[5:]) < 50


def test_no_sentences_and_empty_ones():
    encoder = CachedTokenizer(tokenizer(), "<u2")
    assert encoder([]) == [] and encoder(["", " ", "\x00"]) == [b"", b"", b""]


OTHERS = {
    "a token with a space": tokenizer(added=[AddedToken("the un", normalized=False)]),
    "a token of cleaned text": tokenizer(added=[AddedToken("un.the", normalized=True)]),
    "a token that is a whole word": tokenizer(added=[AddedToken("un", normalized=False, single_word=True)]),
    "byte-level BPE": backbones.make_tokenizer("roberta").backend_tokenizer,
    "Unigram": backbones.make_tokenizer("xlm-roberta").backend_tokenizer,
}


@pytest.mark.parametrize("kind", OTHERS)
def test_other_tokenizers_get_whole_sentences(kind):
    made = OTHERS[kind]
    assert words(made) is None
    sentences = [*odd_sentences(7, 100), "the un UN.the un文字", "bob sees the film"]
    assert encoded(CachedTokenizer(made, "<u4"), sentences) == expected(made, sentences)
