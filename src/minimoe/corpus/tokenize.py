"""Tokenize the formatted sentences into one long row of token ids, in files that are read through memory maps.

Each distinct word is tokenized once (`CachedTokenizer`), because text repeats its words. BERT's tokenizer cleans a text
character by character, splits it at spaces and around every punctuation mark and Chinese character, and then splits
each word into pieces on its own. So the ids of a sentence are the ids of its words, marks and Chinese characters, one
after another. Those of each word are cached; new words go to the `tokenizers` library. Only the splits that are made
here must be right, not all be found: a rare mark stays with its word, which costs time alone.

Special tokens are matched in the raw text before all that, so none may contain a space, and no character of one counts
as a mark. A tokenizer that is built in another way, or whose added tokens contain a space, match whole words only or
are matched in the cleaned text, gets whole sentences.
"""

import os
import re
from contextlib import ExitStack
from functools import lru_cache, partial
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tqdm import tqdm

from minimoe.corpus.chunks import Chunk, chunks
from minimoe.corpus.parallel import in_order
from minimoe.hub.loading import load_tokenizer
from minimoe.resume.outputs import ResumableOutput
from minimoe.system.errors import UserError

SPECIAL = ("pad", "mask", "cls", "sep")  # the special tokens that an encoder's tokenizer has
MARKS = ",.\"()-'/:;“”’，。、：；！？（）《》"
CHINESE = "\u4e00-\u9fff"
LIMIT = 1 << 18  # cached words, some 40 MB; when there are more, the cache is emptied


class TokenizedCorpus(NamedTuple):
    """The tokenized corpus. Sentence s is `tokens[starts[s]:starts[s + 1]]`; none is empty.

    The sentences of document d are `documents[d]` to `documents[d + 1]`, the latter excluded.
    """

    tokens: np.ndarray  # [tokens] uint16 or uint32
    starts: np.ndarray  # [sentences + 1] int64
    documents: np.ndarray  # [documents + 1] int64

    @classmethod
    def open(cls, folder: Path, dtype: str) -> "TokenizedCorpus":
        """Memory-map the files that `tokenize` wrote."""
        dtypes = (dtype, "<i8", "<i8")
        return cls(*(np.memmap(folder / name, kind, "r") for name, kind in zip(cls._fields, dtypes, strict=True)))


class Template(NamedTuple):
    """How a tokenizer joins two texts: the ids before A, between A and B, and after B."""

    before: list[int]
    between: list[int]
    after: list[int]
    segments: bool  # B has another token type than A

    @property
    def tokens(self) -> int:
        """Special tokens in a pair."""
        return len(self.before) + len(self.between) + len(self.after)


def encoder_tokenizer(folder: str | Path):
    """The fast Hugging Face tokenizer in `folder`; `UserError` when there is none or it is not an encoder's."""
    tokenizer = load_tokenizer(folder, "run the tokenizer stage again")
    if missing := [name for name in SPECIAL if getattr(tokenizer, f"{name}_token_id") is None]:
        raise UserError(f"{folder}: the tokenizer has no {', '.join(missing)} token; expected an encoder's tokenizer")
    return tokenizer


def pair_template(backend: Tokenizer, name: str | Path) -> Template:
    """The special tokens of a pair, as the tokenizer itself places them; `name` is for the error.

    BERT: `[CLS] A [SEP] B [SEP]`, B of type 1. RoBERTa: `<s> A </s></s> B </s>`, one type.
    """
    pair = backend.encode("a", "b")
    sides = [("" if side is None else "ab"[side]) for side in pair.sequence_ids]
    a, b = sides.index("a"), sides.index("b")
    a_end, b_end = a + sides.count("a"), b + sides.count("b")
    segments = any(pair.type_ids)
    if not (a and b > a_end and len(sides) > b_end):
        raise UserError(f"{name}: expected special tokens before A, between A and B, and after B; got {pair.tokens}")
    if pair.type_ids != [int(segments and at >= b) for at in range(len(sides))]:
        raise UserError(f"{name}: expected token types 0 up to B and 1 from it on, got {pair.type_ids}")
    return Template(pair.ids[:a], pair.ids[a_end:b], pair.ids[b_end:], segments)


class CachedTokenizer:
    """Sentences as token ids, exactly as `tokenizer` encodes them without special tokens, with the words' ids cached.

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
    """A pattern of the parts of a sentence that `tokenizer` encodes independently; None where that is not certain."""
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


def tokenize(paths: list[Path], tokenizer: Path, dtype: str, output: ResumableOutput, workers: int) -> TokenizedCorpus:
    """Write the tokens of the formatted files `paths` to the output's folder; `tokenizer` is a tokenizer.json."""
    pieces = list(chunks(paths, boundary=b"\n\n"))
    done, tokens, sentences = output.values.get("done", (0, 0, 0))
    results = in_order(partial(tokenize_chunk, tokenizer=str(tokenizer), dtype=dtype), pieces[done:], workers)
    sizes = [piece.end - piece.start for piece in pieces]
    with ExitStack() as stack:
        files = [stack.enter_context((output.folder / name).open("ab")) for name in TokenizedCorpus._fields]
        progress = stack.enter_context(
            tqdm(desc="tokenize", initial=sum(sizes[:done]), total=sum(sizes), unit="B", unit_scale=True)
        )
        for file in files[1:]:
            if not done:
                file.write(np.zeros(1, "<i8").data)
        for number, (ids, lengths, counts) in enumerate(results, done):
            starts, documents = tokens + np.cumsum(lengths), sentences + np.cumsum(counts)
            for file, array in zip(files, (ids, starts.astype("<i8"), documents.astype("<i8")), strict=True):
                file.write(array.data)
                file.flush()
            tokens, sentences = tokens + len(ids), sentences + len(lengths)
            output.note({"done": [number + 1, tokens, sentences]})
            progress.update(sizes[number])
    if not tokens:
        raise UserError(f"{paths[0].parent}: no text in its {len(paths)} files; expected one sentence a line")
    return TokenizedCorpus.open(output.folder, dtype)


def tokenize_chunk(chunk: Chunk, tokenizer: str, dtype: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The ids of a piece in one row, the tokens of each sentence, the sentences of each document.

    Sentences without a token, and documents without a sentence, are left out.
    """
    documents = [[line for line in block.split("\n") if line] for block in chunk.read().split("\n\n")]
    rows = _encoder(tokenizer, dtype)(list(chain.from_iterable(documents)))
    lengths = np.fromiter(map(len, rows), np.int64, len(rows)) // np.dtype(dtype).itemsize
    document = np.repeat(np.arange(len(documents)), [len(lines) for lines in documents])
    counts = np.bincount(document[lengths > 0])
    return np.frombuffer(b"".join(rows), dtype), lengths[lengths > 0], counts[counts > 0]


@lru_cache(maxsize=1)
def _encoder(path: str, dtype: str) -> CachedTokenizer:
    """A worker's tokenizer; it starts no threads, as every core has a worker."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    return CachedTokenizer(Tokenizer.from_file(path), dtype)
