"""The tokenizer of the teacher, its students and the records: the teacher's own, or WordPiece trained here.

Training is BERT's: normalised text, words cut into the pieces that merge best, five special tokens first.
`tokenizers` hands out numbers in the order of a hash table, another one in every process, so the single
characters are given to it in a fixed order, and what it merges is then the same every time.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from tokenizers.processors import TemplateProcessing
from tqdm import tqdm

from minimoe.hub.loading import load_tokenizer
from minimoe.hub.snapshot import snapshot
from minimoe.system.errors import UserError
from minimoe.system.files import whole_folder

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
POSITIONS = 512
COVERAGE = 0.9995  # of the text's characters; SentencePiece's default. The rest, thousands of them, is [UNK]
FILES = ("tokenizer.json", "vocab.txt", "vocab.json", "spiece.model", "sentencepiece.bpe.model")
MORE = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "merges.txt")


def copy_tokenizer(name: str, out: str | Path, revision: str | None = None) -> str | None:
    """Save the tokenizer of the model folder (with a `revision`: the hub id) `name` into the folder `out`.

    Returns the hub's commit, None for a folder.

    Raises `UserError` where there is none, where it has no fast form, or where it lacks a special token.
    """
    folder, commit = Path(name), None
    if revision is not None:
        folder, commit = snapshot("model", name, revision, ["config.json", *FILES, *MORE], "teacher.hub")
    # without this check transformers makes up a tokenizer that knows the special tokens and nothing else
    if not any((folder / file).is_file() for file in FILES):
        raise UserError(f"teacher: {name} holds no tokenizer (one of {', '.join(FILES)}); put the teacher's there")
    tokenizer = load_tokenizer(folder, "expected an encoder's, whole, with a fast form")
    tokenizer.cls_token = tokenizer.cls_token or tokenizer.bos_token  # some name the two by their place
    tokenizer.sep_token = tokenizer.sep_token or tokenizer.eos_token
    missing = [kind for kind in ("pad", "cls", "sep", "mask") if getattr(tokenizer, f"{kind}_token_id") is None]
    if missing:
        raise UserError(f"{name}: expected an encoder's tokenizer; it has no {', '.join(missing)} token")
    _mark_pairs(tokenizer)
    # some teachers come with a fixed length; here whoever uses the tokenizer says what it wants
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    with whole_folder(out) as temporary:
        tokenizer.save_pretrained(temporary)
    return commit


def _mark_pairs(tokenizer) -> None:
    """Have it join texts as BERT's, `[CLS] A [SEP] B [SEP]`, where it does not mark all their ends itself."""
    backend = tokenizer.backend_tokenizer
    if [side for side, _ in groupby(backend.encode("a", "b").sequence_ids)] == [None, 0, None, 1, None]:
        return
    first, last = tokenizer.cls_token, tokenizer.sep_token
    backend.post_processor = TemplateProcessing(
        single=f"{first} $A {last}",
        pair=f"{first} $A {last} $B {last}",
        special_tokens=[(first, tokenizer.cls_token_id), (last, tokenizer.sep_token_id)],
    )


def train_tokenizer(corpus: str | Path, out: str | Path, vocabulary: int, lowercase: bool) -> None:
    """Train WordPiece, up to `vocabulary` tokens, on the formatted files of `corpus`; save it into `out`."""
    from tokenizers.trainers import WordPieceTrainer
    from transformers import BertTokenizer

    files = sorted(Path(corpus).rglob("*.txt"))
    if not files:
        raise UserError(f"{corpus}: expected formatted *.txt files, found none")
    backend = BertTokenizer(do_lower_case=lowercase).backend_tokenizer
    alphabet = _alphabet(files, backend)
    first = [*SPECIAL, *alphabet, *(f"##{letter}" for letter in alphabet if _joins(letter, backend))]
    if len(first) > vocabulary:
        raise UserError(
            f"teacher.tokenizer.vocabulary: expected at least {len(first)}, for the special tokens and the "
            f"characters of {corpus}; got {vocabulary}"
        )
    trainer = WordPieceTrainer(
        vocab_size=vocabulary,
        special_tokens=first,
        initial_alphabet=alphabet,
        limit_alphabet=len(alphabet),
        show_progress=False,
    )
    backend.train_from_iterator(_lines(files, "tokenizer"), trainer)
    pieces = sorted(backend.get_vocab(with_added_tokens=True).items(), key=lambda item: item[1])
    tokenizer = BertTokenizer(vocab=dict(pieces), do_lower_case=lowercase, model_max_length=POSITIONS)
    with whole_folder(out) as temporary:
        tokenizer.save_pretrained(temporary)
    print(f"tokenizer: {len(pieces):,} tokens, {len(alphabet)} characters")


def _alphabet(files: list[Path], backend) -> list[str]:
    """The most frequent characters of the normalised text that together make up `COVERAGE` of it."""
    counts: Counter[str] = Counter()
    for line in _lines(files, "characters"):
        counts.update(backend.normalizer.normalize_str(line))
    counts.pop(" ", None)
    if not counts:
        raise UserError(f"{files[0].parent}: expected text, found none")
    wanted, covered, alphabet = COVERAGE * counts.total(), 0, []
    for letter, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        if covered >= wanted:
            break
        alphabet.append(letter)
        covered += count
    return sorted(alphabet)


def _joins(letter: str, backend) -> bool:
    """Whether `letter` can continue a word; punctuation and Chinese characters are words of their own."""
    return len(backend.pre_tokenizer.pre_tokenize_str(backend.normalizer.normalize_str("a" + letter))) == 1


def _lines(files: list[Path], label: str) -> Iterator[str]:
    size = sum(path.stat().st_size for path in files)
    with tqdm(total=size, desc=label, unit="B", unit_scale=True, leave=False) as bar:
        for path in files:
            try:
                with path.open(encoding="utf-8") as file:
                    for line in file:
                        bar.update(len(line.encode()))
                        yield line.strip()
            except UnicodeDecodeError as error:
                raise UserError(f"{path}: expected UTF-8, {error.reason}; run the format stage again") from None
