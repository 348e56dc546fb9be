"""Distillation: from a teacher and records to trained students.

A batch passes through these files in this order:

round         one teacher, one pass over the records, one or more students
data          the records of each step, shared out to processes; batch: as encoders and losses take them
loop          the training loop; `_step` is one training step
hooks         the teacher's queries, keys and values (`Teacher`)
learner       one set of weights in training: forward, backward, update
supernet      the students inside one set of weights; an ordinary student is the only one
student       an encoder and the features that its loss compares
losses        MiniLM, TinyBERT; load_balance: of experts, and the z-loss of routers
relations     the divergence of self-attention relations; fused: as kernels for a GPU

Beside them: start (initial students), heldout (evaluation), state (checkpoints), assistant (MiniDisc's choice).
"""
