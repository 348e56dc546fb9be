"""Sentence embeddings as features: an encoder that runs whole and whose output is pooled."""

from torch import Tensor, nn
from transformers import PreTrainedModel

from minimoe.distill.losses import Features
from minimoe.models.kinds import inputs_for, kind_of
from minimoe.models.sentence import SentenceHead


class Pooled:
    """Runs an encoder and pools its last hidden states; a call returns the embeddings as features.

    Args:
        encoder: a base model of one of `KINDS`; its pooler is taken off.
        head: what makes embeddings of its states.

    Attributes:
        layers: the encoder's.
        taps: as of `LayerHooks`; there are none, as no projections are read.
    """

    def __init__(self, encoder: PreTrainedModel, head: SentenceHead):
        self.config, self.encoder, self.head, self.taps = encoder.config, encoder, head, []
        self.layers, self._unsharded = encoder.get_submodule(kind_of(encoder.config).layers), encoder
        encoder.pooler = None

    def __call__(self, **batch: Tensor | None) -> Features:
        """Ids, mask and segments [B, T] → embeddings [B, their size]."""
        hidden = self.encoder(**inputs_for(self._unsharded, batch)).last_hidden_state
        return Features(sentence=pool(self.head, hidden, batch["attention_mask"]))


def pool(head: SentenceHead, hidden: Tensor, mask: Tensor | None) -> Tensor:
    """Embeddings [B, size] of hidden states [B, T, D]; the mask is that of attention, [B, 1, T, T] or None."""
    return head(hidden, hidden.new_ones(hidden.shape[:2], dtype=bool) if mask is None else mask[:, 0, 0])


def student_head(teacher: SentenceHead, width: int, length: int) -> SentenceHead:
    """The head of a student `width` wide: the teacher's pooling, and a dense layer where embeddings would be narrower.

    The student's embeddings are then of the teacher's size, and may be compared with the teacher's.

    Args:
        length: the longest input in tokens that the student is trained on.
    """
    head = SentenceHead(width, teacher.modes, normalize=teacher.normalize, length=length)
    if head.size != teacher.size:
        head.dense.extend([nn.Linear(head.size, teacher.size), nn.Identity()])
    return head
