"""Sentences as token ids, every word tokenized once.

Text repeats its words. BERT's tokenizer cleans a text character by character; cuts it at spaces and around every
punctuation mark and Chinese character; and cuts each word into pieces by itself. So what it makes of a sentence is
what it makes of the words, marks and Chinese characters in it, one after another. The ids of each are kept, and what
is not known yet goes to the `tokenizers` library. Where a word ends must be certain, not every end be known: a rare
mark stays with its word, at no loss but of time.

Special tokens are found in the text as it stands, before all that: they must hold no space, and no character that is
in one of them counts as a mark. A tokenizer that is built in another way, or has tokens added that hold a space, stand
as whole words only or are looked for in the cleaned text, gets whole sentences.
"""

import re
from itertools import chain

import numpy as np
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

MARKS = ",.\"()-'/:;“”’，。、：；！？（）《》"
CHINESE = "\u4e00-\u9fff"
LIMIT = 1 << 18  # words that are kept, some 40 MB; when there are more, all are forgotten


class Encoder:
    """From sentences to ids, exactly as `tokenizer` has them without special tokens.

    Args:
        tokenizer: it neither truncates nor pads.
        dtype: of the ids, as NumPy writes it.
    """

    def __init__(self, tokenizer: Tokenizer, dtype: str) -> None:
        self.tokenizer, self.dtype = tokenizer, dtype
        self.pattern = words(tokenizer)
        self.known: dict[str, bytes] = {}

    def __call__(self, sentences: list[str]) -> list[bytes]:
        """The ids of each sentence, as the bytes of an array."""
        if not self.pattern:
            return self._encode(sentences)
        if len(self.known) > LIMIT:
            self.known.clear()
        parts = [self.pattern.findall(sentence) for sentence in sentences]
        new = list(set(chain.from_iterable(parts)).difference(self.known))
        self.known.update(zip(new, self._encode(new), strict=True))
        return [b"".join(map(self.known.__getitem__, part)) for part in parts]

    def _encode(self, texts: list[str]) -> list[bytes]:
        encodings = self.tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        return [np.array(encoding.ids, self.dtype).tobytes() for encoding in encodings]


def words(tokenizer: Tokenizer) -> re.Pattern | None:
    """What matches the parts of a sentence that `tokenizer` treats each by itself; None where that is not certain."""
    normalizer, added = tokenizer.normalizer, tokenizer.get_added_tokens_decoder().values()
    parts = (normalizer, BertNormalizer), (tokenizer.pre_tokenizer, BertPreTokenizer), (tokenizer.model, WordPiece)
    if not all(isinstance(part, kind) for part, kind in parts):
        return None
    if any(token.normalized or token.single_word or len(token.content.split()) != 1 for token in added):
        return None
    special = "".join(token.content for token in added)
    marks = "".join(re.escape(mark) for mark in MARKS if mark not in special)
    if normalizer.handle_chinese_chars and not re.search(f"[{CHINESE}]", special):
        marks += CHINESE
    return re.compile(f"[^{marks} ]+|[^ ]")
