"""Estimates of what is not on disk, each with its source. Rows that use them say "guessed"."""

from typing import NamedTuple


class Wiki(NamedTuple):
    """A wiki's articles."""

    dump: float  # bytes of pages-articles.xml.bz2
    text: float  # bytes of the text in it
    articles: float


# Dumps of March 2022, as the dataset `wikipedia` on the Hugging Face hub lists them (download size, size, rows); ja and
# zh of 2023 from datasets made of those dumps. Wikis grow by some 5 % a year.
WIKIS = {
    "enwiki": Wiki(20.6e9, 20.3e9, 6.46e6),
    "dewiki": Wiki(6.5e9, 8.9e9, 2.67e6),
    "frwiki": Wiki(5.6e9, 7.4e9, 2.40e6),
    "itwiki": Wiki(3.5e9, 4.5e9, 1.74e6),
    "jawiki": Wiki(3.8e9, 3.7e9, 1.36e6),
    "zhwiki": Wiki(2.7e9, 2.8e9, 1.37e6),
    "simplewiki": Wiki(0.24e9, 0.235e9, 0.205e6),
}
TEXT_OF_DUMP = 1.3  # of another wiki: the median of these; English has 1.0, with most markup
# Text of corpora that their authors hand out, bytes, by corpus.extract.form, as their authors say.
CORPORA = {"cluecorpus": 14e9, "wudao": 200e9}
UNPACKED = 2.5  # bytes of text / bytes of it packed, or in a parquet file; gzip and zstd of English text, not measured

# From a real English dump excerpt, 206 pages, 6.09 MB unpacked, 2.63 MB of extracted text:
TEXT_OF_XML = 0.43  # extracted text / unpacked dump
# From 30.3 MB of real English text, 17,767 documents:
FORMATTED = 0.89  # bytes kept as sentences of more than 7 words / extracted
DOCUMENT = 1520.0  # bytes of sentences in a document
SENTENCE = 135.0  # bytes of a sentence
TOKEN = 4.75  # bytes of a token, WordPiece of 30,522 tokens trained on it
FILLED = 1.2  # tokens of records / tokens of text: half of the Bs come from elsewhere and are not used up
CHINESE_TOKEN = 2.9  # bytes of a token where words have no spaces; not measured: a character has 3, Latin words more
CHINESE_SENTENCE = 90.0  # bytes; not measured

# Speeds of what `trial` does not try, on two cores of a server of 2023:
EXTRACT = 1.1e6  # bytes of a dump a second and process through wikiextractor, same excerpt
UNPACK = 8e6  # bytes of a dump a second: the pass for templates has one process
PLAIN = 20e6  # bytes a second and process of corpora that are text already; not measured
TOKENIZER = 2e6  # bytes a second of training WordPiece, 27 MB in 14 s
NETWORK = 5e6  # bytes a second from dumps.wikimedia.org or the hub; not measured
DISK = 200e6  # bytes a second to write an output, hash it and copy it to DVC's cache; not measured
REPORT = 5.0  # seconds to draw and write the report
TRACE = 3.0  # seconds to export a model to ONNX in both forms, beside its layers
TRACE_LAYER = 1.5  # seconds of a layer: 0.8 dense, 1.9 with experts of the feed-forward
STAGE = 1.5  # seconds of a stage beside its imports and its work: DVC, MLflow
STEP = 0.02  # seconds a step of Hugging Face's Trainer beside the model's own, where no trial says


class Gpu(NamedTuple):
    """A kind of GPU, as its data sheet says: FLOP/s of dense matrix products, and bytes of memory."""

    bf16: float
    fp32: float
    memory: float


GPUS = {
    "a100": Gpu(312e12, 19.5e12, 80e9),
    "h100": Gpu(989e12, 67e12, 80e9),
    "h200": Gpu(989e12, 67e12, 141e9),
}
# What is made of a GPU's bf16 products where layers are compiled and the relation loss is fused: counted for an H100,
# whose memory gives 3.35 TB/s, and not measured. A forward pass of bert-base on 128 sequences of 128 tokens: products
# at 0.7 of the peak take 30 us a sequence; 31 kB a token and layer for norms, activations and sums 14 us more: 0.48.
TEACHER_SHARE = 0.45
# A step of a student 384 wide: 10.6 MFLOP a token and layer at 0.55 of the peak, 19.5 ns, and 64 kB, 19 ns: 0.28.
STUDENT_SHARE = 0.28
EXPERTS_SHARE = 0.25  # of students with experts, whose step is to take at most 1.1 times the dense one's
LEARNER = 5e-6  # seconds of a sequence: the loss, and AdamW's 28 bytes a weight, 0.25 ms for 128 sequences
# Finetuning bert-base, 16 sequences of 60 tokens: 360 kernels of 5 us and 0.49 TFLOP at 0.4 of the peak, 3 ms: 0.16. Of
# small students kernels are all of it, about 0.06.
FINETUNE_SHARE = 0.12
# The host's part of a finetuning step, while other cells' kernels run: the Trainer and the optimizer, as a model of one
# layer takes on a server's core, and 22 + 45 launches a layer forward and backward, at 6 us.
FINETUNE_STEP = 0.004
FINETUNE_LAYER = 0.0004


class Hub(NamedTuple):
    """A known encoder's shape."""

    layers: int
    hidden: int
    heads: int
    neurons: int
    vocabulary: int


BASE, LARGE = (12, 768, 12, 3072), (24, 1024, 16, 4096)
HUB = {
    "google-bert/bert-base-uncased": Hub(*BASE, 30522),
    "google-bert/bert-base-cased": Hub(*BASE, 28996),
    "google-bert/bert-base-chinese": Hub(*BASE, 21128),
    "google-bert/bert-base-multilingual-cased": Hub(*BASE, 119547),
    "google-bert/bert-large-uncased": Hub(*LARGE, 30522),
    "google-bert/bert-large-cased": Hub(*LARGE, 28996),
    "FacebookAI/roberta-base": Hub(*BASE, 50265),
    "FacebookAI/roberta-large": Hub(*LARGE, 50265),
    "FacebookAI/xlm-roberta-base": Hub(*BASE, 250002),
    "google/electra-base-discriminator": Hub(*BASE, 30522),
    "google/electra-large-discriminator": Hub(*LARGE, 30522),
    "IDEA-CCNL/Erlangshen-MegatronBert-1.3B": Hub(24, 2048, 8, 8192, 21248),
}
SMALL_BERT = r"google/bert_uncased_L-(\d+)_H-(\d+)_A-(\d+)"  # layers, width, heads in the id itself

PADDING = 2.0  # tokens of a batch of 16 with its padding / without; 1.4 to 2.5 on the five counted tasks
CHARACTERS = 4.2  # characters of a token in English tasks, the same five: 3.7 to 4.6
EXAMPLE = 200.0  # bytes of an example in the normal form
