"""Export an encoder: a student, or a teacher, as it is without a head.

The graph gives the last hidden states, and of a folder with modules for sentence embeddings those as well.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import AutoModel

import minimoe.models  # noqa: F401  registers the students
from minimoe.export.check import Finite, compare, cosine, shapes
from minimoe.export.folder import exported, megabytes, sessions
from minimoe.export.graph import write
from minimoe.hub.loading import load_encoder, load_tokenizer
from minimoe.models.sentence import MODULES, SentenceHead, read_head
from minimoe.models.shapes import positions
from minimoe.records.dataset import Records
from minimoe.report.cost import latency
from minimoe.system.errors import UserError
from minimoe.system.machine import computing


class Embedder(nn.Module):
    """A sentence encoder with its pooling."""

    def __init__(self, encoder: nn.Module, head: SentenceHead):
        super().__init__()
        self.encoder, self.head, self.config = encoder, head, encoder.config

    @property
    def device(self) -> torch.device:
        """Where its weights are, as of the encoder alone."""
        return self.encoder.device

    def forward(self, input_ids: Tensor, attention_mask: Tensor, **inputs: Tensor) -> dict[str, Tensor]:
        """Ids and mask [B, T] → states of all tokens [B, T, D], and sentence embeddings [B, size], by name."""
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask, **inputs).last_hidden_state
        return {"last_hidden_state": hidden, "sentence_embedding": self.head(hidden, attention_mask.bool())}


def export_encoder(
    folder: str | Path, records: str | Path, out: str | Path, *, length: int, batches: Sequence[int], repeats: int
) -> dict[str, float | int]:
    """Export the encoder in a model folder, check it on held-out records, and return its metrics.

    Args:
        folder: the model's. records: those of the corpus. out: the folder that is made.
        length, batches, repeats: of latencies, as in `report.cost`; on one core.

    Raises:
        UserError: the model takes fewer tokens than `length`, or the graph's outputs are not its own,
            or those of int8 not finite, or a library cannot make or load a graph.
    """
    encoder = load_encoder(AutoModel, folder, dtype=torch.float32).eval()
    longest = positions(encoder.config)
    if length > longest:
        raise UserError(f"cost.length: expected at most {longest}, the positions of {folder}, got {length}")
    encoder.pooler = None  # nothing here has trained it
    model = encoder
    if Path(folder, MODULES).is_file():
        model = Embedder(encoder, read_head(folder, encoder.config.hidden_size)).eval()
    seen = list(shapes(*_examples(folder, records), longest))
    with exported(folder, out) as temporary, computing(threads=1):
        write(model, seen[3], temporary)
        forms = sessions(folder, temporary, threads=1)
        metrics = compare(model, forms["fp32"], seen)
        metrics["cosine"] = cosine(forms["fp32"], Finite(forms["int8"], folder, "int8"), seen)
        metrics |= megabytes(folder, temporary)
        models = {"pytorch": model, **forms}
        for batch in batches:
            for form, one in models.items():
                metrics[f"latency_ms_b{batch}_{form}"] = round(latency(one, batch, length, repeats), 3)
    return metrics


def _examples(folder: str | Path, records: str | Path) -> tuple:
    """What gives batches of held-out records, of what the model's tokenizer gives it; and how many there are."""
    names = load_tokenizer(folder).model_input_names
    read = Records(records)
    chosen = read.heldout or range(len(read))  # of records in the published form none are

    def batch(numbers: Sequence[int]) -> dict[str, Tensor]:
        return {name: values for name, values in read.batch([chosen[n] for n in numbers]).items() if name in names}

    return batch, len(chosen)
