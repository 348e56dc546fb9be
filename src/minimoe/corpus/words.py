"""Sentences as token ids, every word tokenized once.

Text repeats its words. BERT's tokenizer cleans a text character by character, cuts it at white space and around every
punctuation mark, and cuts each word into pieces by itself; so what it makes of a sentence is what it makes of the
parts between spaces, one after another, and spaces around a punctuation mark change nothing. The ids of a part are
kept, and a part that is not known yet goes to the `tokenizers` library.

Special tokens in the text are found before that, as they stand: they hold no space, and spaces are put only around
marks that are in none of them. A tokenizer that is built in another way, or has tokens added that hold a space or are
looked for in the cleaned text, gets whole sentences.
"""

from itertools import chain

import numpy as np
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

MARKS = ",.\"()-'/:;"  # the common ones, off words that are then known; any others stay, at no loss but of time
LIMIT = 1 << 18  # parts that are kept, some 40 MB; when there are more, all are forgotten


class Encoder:
    """From sentences to ids, exactly as `tokenizer` has them without special tokens.

    Args:
        tokenizer: it neither truncates nor pads.
        dtype: of the ids, as NumPy writes it.
    """

    def __init__(self, tokenizer: Tokenizer, dtype: str) -> None:
        self.tokenizer, self.dtype = tokenizer, dtype
        self.by_words = is_by_words(tokenizer)
        added = "".join(token.content for token in tokenizer.get_added_tokens_decoder().values())
        self.marks = [mark for mark in MARKS if mark not in added]
        self.known: dict[str, bytes] = {}

    def __call__(self, sentences: list[str]) -> list[bytes]:
        """The ids of each sentence, as the bytes of an array; no sentence holds a line break."""
        if not (self.by_words and sentences):
            return self._encode(sentences)
        text = "\n".join(sentences)
        for mark in self.marks:
            text = text.replace(mark, f" {mark} ")
        parts = [sentence.split(" ") for sentence in text.split("\n")]
        if len(self.known) > LIMIT:
            self.known.clear()
        new = list(set(chain.from_iterable(parts)).difference(self.known))
        self.known.update(zip(new, self._encode(new), strict=True))
        return [b"".join(map(self.known.__getitem__, words)) for words in parts]

    def _encode(self, texts: list[str]) -> list[bytes]:
        encodings = self.tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        return [np.array(encoding.ids, self.dtype).tobytes() for encoding in encodings]


def is_by_words(tokenizer: Tokenizer) -> bool:
    """Whether it makes of every part between spaces the same as of the part alone."""
    parts = (tokenizer.normalizer, BertNormalizer), (tokenizer.pre_tokenizer, BertPreTokenizer)
    return all(isinstance(part, kind) for part, kind in (*parts, (tokenizer.model, WordPiece))) and not any(
        token.normalized or len(token.content.split()) != 1 for token in tokenizer.get_added_tokens_decoder().values()
    )
