import numpy as np
import pytest
import torch
from tiny_rounds import TinyRecords
from transformers import BertConfig
from transformers.masking_utils import create_bidirectional_mask

from minimoe.distill.batch import Batch, TokenCounts


@pytest.mark.parametrize("longest", [4, 12])  # with 4 nothing is padded
def test_attention_mask_is_the_one_that_transformers_makes(longest):
    records = TinyRecords()
    records.sequences = [sequence[:longest] for sequence in records.sequences]
    made = records.batch(range(8))
    expected = create_bidirectional_mask(
        config=BertConfig(attn_implementation="sdpa"),
        inputs_embeds=torch.zeros(*made["input_ids"].shape, 1),
        attention_mask=made["attention_mask"],
    )
    batch = Batch.of(made)
    mask = batch.inputs["attention_mask"]
    assert (mask is None) == (expected is None) == (longest == 4)
    assert mask is None or (torch.equal(mask, expected) and mask.stride() == expected.stride())
    assert torch.equal(batch.mask, made["attention_mask"].bool())


def test_counts_are_of_the_lengths():
    assert TokenCounts.of(np.array([3, 4])) == (7, 25, 2)
    assert TokenCounts.of(torch.tensor([1, 1, 2])) == (4, 6, 3)
