"""Score a model on sentence similarity without training: cosines of its embeddings against people's scores.

An embedding is made as the model's folder says (`models.sentence`), of each sentence of a pair by itself.
"""

import csv
from pathlib import Path

import torch
from torch import Tensor
from transformers import AutoModel

import minimoe.models  # noqa: F401  registers the students
from minimoe.finetune.data import EncodedExamples, read_examples
from minimoe.finetune.loop import EVALUATION_BATCH
from minimoe.finetune.metrics import scores
from minimoe.finetune.predictions import given, write
from minimoe.finetune.tokenizer import load_tokenizer
from minimoe.hub.loading import load_encoder
from minimoe.models.sentence import SentenceHead, read_head
from minimoe.system.errors import UserError
from minimoe.system.files import whole_folder
from minimoe.system.machine import computing
from minimoe.tasks.task import Task
from minimoe.training.optim import autocast


def score_similarity(
    name: str,
    folder: str | Path,
    task: Task,
    data: str | Path,
    out: str | Path,
    predictions: str | Path,
    *,
    max_length: int,
    threads: int,
    precision: str,
    device: str,
    tracker,
) -> dict:
    """Score the model in `folder`, write the cosine of every pair into `out`, and return the cell's metrics.

    Args:
        name: the model's name in the table.
        data: the folder of the task's files in the normal form.
        predictions: the file for the cosines in the form that finetuned models' answers have.
        max_length: tokens of a sentence at most; a shorter length that the folder says counts.
        threads: cores that it computes on. precision: fp32 or bf16, of the encoder.
    """
    tokenizer = load_tokenizer(folder, task, max_length)
    encoder = load_encoder(AutoModel, folder, dtype=torch.float32).eval().to(device)
    head = read_head(folder, encoder.config.hidden_size).to(device)
    length = min(max_length, head.length or max_length)
    results, metric, sets, found = {}, task.metrics[0], {}, {}
    with computing(threads), whole_folder(out) as temporary:
        for column, split in task.results.items():
            examples = read_examples(Path(data, f"{split}.jsonl"), task)
            first, second = (
                embed(encoder, head, tokenizer, [example[key] for example in examples], length, precision)
                for key in ("text", "pair")
            )
            cosines = torch.nn.functional.cosine_similarity(first, second)
            if not cosines.isfinite().all():
                raise UserError(f"{folder}: its embeddings have NaN or infinite values; make it again")
            gold = [example["label"] for example in examples]
            value = scores(task.metrics, gold, cosines.tolist())[metric]
            results[column] = {"metric": metric, "mean": value, "std": 0.0, "runs": 1, "majority": 0.0}
            sets[split] = EncodedExamples(gold=gold)
            found[column] = torch.from_numpy(given(task, gold, cosines.tolist()))
            _write(temporary / f"{split}.csv", gold, cosines)
    write(predictions, task, sets, {"cosine": found})
    tracker.metrics({column: result["mean"] for column, result in results.items()})
    return {"model": name, "task": task.name, "results": results}


@torch.inference_mode()
def embed(encoder, head: SentenceHead, tokenizer, texts: list[str], max_length: int, precision: str = "fp32") -> Tensor:
    """Embeddings [N, size] of the texts, each cut to `max_length` tokens, on the CPU."""
    made = torch.empty(len(texts), head.size)
    order = sorted(range(len(texts)), key=lambda number: len(texts[number]))  # which saves padding
    for start in range(0, len(texts), EVALUATION_BATCH):
        chosen = order[start : start + EVALUATION_BATCH]
        batch = tokenizer(
            [texts[number] for number in chosen], truncation=True, max_length=max_length, padding=True,
            return_tensors="pt",
        ).to(encoder.device)  # fmt: skip
        with autocast(encoder.device, precision):
            hidden = encoder(**batch).last_hidden_state
        made[chosen] = head(hidden, batch["attention_mask"].bool()).cpu()
    return made


def _write(path: Path, gold: list[float], cosines: Tensor) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["score", "cosine"])
        table.writerows([label, f"{cosine:.6f}"] for label, cosine in zip(gold, cosines.tolist(), strict=True))
