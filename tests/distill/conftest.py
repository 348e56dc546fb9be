import pytest
import torch
from transformers import BertConfig, BertModel

from minimoe.models.sparsified import write_sparsified
from minimoe.models.sparsity import Importance
from minimoe.sparsify.reorder import reorder


@pytest.fixture(scope="session")
def teacher(tmp_path_factory):
    """A folder with a tiny random BERT."""
    torch.manual_seed(0)
    shape = BertConfig(
        vocab_size=50, hidden_size=48, num_hidden_layers=3, num_attention_heads=4, intermediate_size=96,
        max_position_embeddings=16, initializer_range=0.3,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("teacher")
    BertModel(shape).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def sparsified(tmp_path_factory):
    """A folder with a tiny random BERT, random importances, and itself in their order."""
    torch.manual_seed(1)
    shape = BertConfig(
        vocab_size=50, hidden_size=48, num_hidden_layers=2, num_attention_heads=6, intermediate_size=96,
        max_position_embeddings=16, initializer_range=0.3,
    )  # fmt: skip
    folder, out = tmp_path_factory.mktemp("stock"), tmp_path_factory.mktemp("sparsified") / "teacher"
    model = BertModel(shape)
    model.save_pretrained(folder)
    importance = Importance(torch.rand(2, 6), torch.rand(2, 96), torch.rand(48))
    write_sparsified(folder, out, importance, reorder(model, importance), [0, 30, 60, 90])
    return out
