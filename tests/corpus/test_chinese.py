"""Made-up Chinese goes all the way: CLUECorpusSmall's and WuDao's files, sentences, tokenizer, records, one step."""

from itertools import chain

import pytest
import torch
from corpus.chinese import documents, write_cluecorpus, write_wudao
from tiny_rounds import DENSE, EXPERTS, run, weights
from tokenizers import Tokenizer
from transformers import BertConfig, BertModel, MegatronBertConfig, MegatronBertModel

from minimoe.corpus.build import build_records
from minimoe.corpus.extract import extract
from minimoe.corpus.format import Counts, format_corpus
from minimoe.records.dataset import Records
from minimoe.teacher.tokenizer import train_tokenizer

WRITERS = {"cluecorpus": write_cluecorpus, "wudao": write_wudao}
KEPT = [[sentence for sentence in sentences if len(sentence) > 7] for _, sentences in documents()]


def formatted(folder, form, splitter="sentencex", workers=1):
    """Extract and format the corpus in a form; returns the counts and the text."""
    if not (folder / "dump").exists():
        WRITERS[form](folder / "dump/corpus")
    assert extract(folder / "dump", folder / "extracted", form, templates=False, workers=workers) == len(KEPT)
    counts = format_corpus(folder / "extracted", folder / "formatted", "zh", splitter, min_length=7, workers=workers)
    return counts, (folder / "formatted/00000.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("form", WRITERS)
def test_both_forms_give_the_sentences_that_were_written(tmp_path, form):
    counts, text = formatted(tmp_path, form)
    assert text == "".join("\n".join(sentences) + "\n\n" for sentences in KEPT if sentences)
    sentences = list(chain.from_iterable(KEPT))
    assert counts == Counts(sum(map(bool, KEPT)), len(sentences), sum(map(len, sentences)))
    assert formatted(tmp_path, form, workers=2) == (counts, text)


def test_the_published_rule_cuts_chinese_sentences_and_numbers(tmp_path):
    lines = formatted(tmp_path, "wudao", splitter="published")[1].splitlines()
    assert any(line.endswith("有3.") for line in lines)
    assert not any("公里" in line for line in lines)  # "5公里；" is too short to be kept
    assert any(line.endswith("走了两个小时。") for line in lines)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """A folder with the formatted corpus, a tokenizer trained on it, and its records."""
    folder = tmp_path_factory.mktemp("chinese")
    formatted(folder, "cluecorpus")
    train_tokenizer(folder / "formatted", folder / "tokenizer", vocabulary=300, lowercase=True)
    build_records(
        folder / "formatted", folder / "tokenizer", folder / "records",
        max_length=48, short_probability=0.1, shard_records=100, heldout=0.1, seed=776, workers=1,
    )  # fmt: skip
    return folder


def test_characters_are_tokens(corpus):
    tokenizer = Tokenizer.from_file(str(corpus / "tokenizer/tokenizer.json"))
    assert tokenizer.encode("李明从前住在山下的小村里。", add_special_tokens=False).tokens == list(
        "李明从前住在山下的小村里。"
    )
    text = (corpus / "formatted/00000.txt").read_text(encoding="utf-8")
    assert "[UNK]" not in tokenizer.encode(text).tokens


@pytest.mark.parametrize(("config", "model"), [(BertConfig, BertModel), (MegatronBertConfig, MegatronBertModel)])
def test_one_step_of_distillation(corpus, tmp_path, config, model):
    records = Records(corpus / "records")
    torch.manual_seed(0)
    shape = config(
        vocab_size=300, hidden_size=48, num_hidden_layers=2, num_attention_heads=4, intermediate_size=96,
        max_position_embeddings=48, initializer_range=0.3,
    )  # fmt: skip
    model(shape).save_pretrained(tmp_path)
    one_step = {"batch": len(records.training), "learning_rate": 1e-2, "warmup": 0.0}
    students = {"dense": DENSE, "experts": EXPERTS}
    trained, untrained = (run(tmp_path, students, records, epochs=epochs, **one_step) for epochs in (1, 0))
    for name, result in trained.items():
        metrics = result.metrics()
        assert metrics["steps"] == 1
        assert metrics["heldout_loss"] < metrics["heldout_loss_initial"]
        assert not torch.equal(weights(result), weights(untrained[name]))
