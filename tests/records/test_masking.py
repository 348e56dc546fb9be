from types import SimpleNamespace

import pytest
import torch

from minimoe.records.masking import IGNORED, MaskedBatches, mask_tokens

SPECIAL = [0, 1, 2, 3, 4]
MASK = 4
VOCABULARY = 1000


def sequences(lengths, seed=0):
    """[CLS] … [SEP] of the given lengths, padded."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.zeros(len(lengths), max(lengths), dtype=torch.int64)
    for row, length in enumerate(lengths):
        ids[row, :length] = torch.randint(5, VOCABULARY, (length,), generator=generator)
        ids[row, 0], ids[row, length - 1] = 2, 3
    return ids


def mask(ids, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return mask_tokens(ids, vocabulary=VOCABULARY, mask_id=MASK, special_ids=SPECIAL, generator=generator)


@pytest.mark.parametrize(("length", "count"), [(3, 1), (4, 1), (22, 3), (102, 15), (128, 19), (200, 20), (512, 20)])
def test_fifteen_percent_at_most_twenty(length, count):
    _, labels = mask(sequences([length] * 8))
    assert (labels != IGNORED).sum(1).tolist() == [count] * 8


def test_another_share_has_no_bound():
    ids, generator = sequences([102, 202] * 4), torch.Generator().manual_seed(1)
    _, labels = mask_tokens(
        ids, vocabulary=VOCABULARY, mask_id=MASK, special_ids=SPECIAL, generator=generator, share=0.4
    )
    assert (labels != IGNORED).sum(1).tolist() == [40, 80] * 4


def test_special_tokens_and_padding_are_never_chosen():
    ids = sequences([128, 7, 2, 60] * 50)
    masked, labels = mask(ids)
    special = torch.isin(ids, torch.tensor(SPECIAL))
    assert (labels[special] == IGNORED).all()
    assert torch.equal(masked[special], ids[special])
    assert (labels[2] == IGNORED).all()  # [CLS] [SEP] alone has nothing to hide


def test_labels_are_the_tokens_and_only_chosen_ones_change():
    ids = sequences([128, 50])
    masked, labels = mask(ids)
    chosen = labels != IGNORED
    assert torch.equal(labels[chosen], ids[chosen])
    assert torch.equal(masked[~chosen], ids[~chosen])


def test_eighty_ten_ten():
    ids = sequences([130] * 1000)
    masked, labels = mask(ids)
    chosen = labels != IGNORED
    total = chosen.sum()
    as_mask = (masked == MASK)[chosen].sum() / total
    stayed = (masked == ids)[chosen].sum() / total
    assert as_mask == pytest.approx(0.8, abs=0.01)
    assert stayed == pytest.approx(0.1, abs=0.01)
    random = masked[chosen & (masked != MASK) & (masked != ids)]
    assert not torch.isin(random, torch.tensor(SPECIAL)).any()
    assert random.unique().numel() > 600


@pytest.mark.slow
def test_every_position_is_as_likely():
    ids = sequences([42] * 20000)
    _, labels = mask(ids)
    rates = (labels != IGNORED).float().mean(0)[1:-1]
    assert rates.min() > 0.13
    assert rates.max() < 0.17


def test_the_generator_decides():
    ids = sequences([60] * 4)
    torch.manual_seed(0)
    first = mask(ids, seed=5)
    torch.manual_seed(1)
    assert all(map(torch.equal, first, mask(ids, seed=5)))
    assert not torch.equal(first[1], mask(ids, seed=6)[1])


class Tokens:
    pad_token_id, unk_token_id, cls_token_id, sep_token_id, mask_token_id = SPECIAL
    all_special_ids = SPECIAL

    def __len__(self):
        return VOCABULARY


def masked_batches(ids, seed=1):
    records = SimpleNamespace(batch=lambda rows: {"input_ids": ids[rows]})
    return MaskedBatches(records, Tokens(), seed)


def test_unknown_words_are_hidden_as_often_as_others():
    ids = sequences([42] * 2000)
    ids[:, 1:21] = Tokens.unk_token_id
    labels = masked_batches(ids).batch(range(2000), 0)["labels"]
    rates = (labels != IGNORED).float().mean(0)
    assert rates[1:-1].min() > 0.12 and rates[1:-1].max() < 0.18
    assert not rates[[0, -1]].any()  # [CLS] and [SEP]


def test_masks_depend_on_the_batchs_number_and_not_on_what_was_drawn_before():
    ids = sequences([60] * 8)
    first, rows = masked_batches(ids), range(8)
    drawn = [first.batch(rows, number)["labels"] for number in range(3)]
    assert torch.equal(masked_batches(ids).batch(rows, 2)["labels"], drawn[2])
    assert not torch.equal(drawn[0], drawn[1])
    assert not torch.equal(masked_batches(ids, seed=2).batch(rows, 2)["labels"], drawn[2])
