"""Every kind of student is saved as a folder that loads as the same model, with and without this package."""

import subprocess
import sys

import backbones
import pytest
import torch
from models.kinds import KINDS, batch, student
from safetensors.torch import load_file
from transformers import (
    AutoModel,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
    BertModel,
    RobertaModel,
    pipeline,
)

import minimoe.models as ours
from minimoe.models.save import save

TEXT = ["ann sees the good film", "bob eats"]
LABELS = {"id2label": {0: "bad", 1: "good", 2: "B-PER"}, "label2id": {"bad": 0, "good": 1, "B-PER": 2}}
PLAIN = {"dense": BertModel, "dense-roberta": RobertaModel}
CLASSES = {
    "encoder": (AutoModel, ours.MiniMoEModel),
    "classifier": (AutoModelForSequenceClassification, ours.MiniMoEForSequenceClassification),
    "tagger": (AutoModelForTokenClassification, ours.MiniMoEForTokenClassification),
}
every_kind = pytest.mark.parametrize("kind", KINDS)


def tokens(kind):
    return backbones.make_tokenizer("roberta" if "embedding_type" in KINDS[kind] else "bert")


def same(loaded, model, inputs):
    """The same weights; outputs up to how products round, which depends on where in memory the weights lie."""
    weights = loaded.state_dict()
    assert all(torch.equal(weights[name], weight) for name, weight in model.state_dict().items())
    torch.testing.assert_close(loaded(**inputs)[0], model(**inputs)[0], rtol=0, atol=1e-5)


def shape_of(model):
    told_by_saving = {"architectures", "dtype", "transformers_version", "_name_or_path"}
    return {key: value for key, value in model.config.to_dict().items() if key not in told_by_saving}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """`<kind>/encoder`, `/classifier`, `/tagger`: a student, and it under the heads that finetuning trains."""
    root = tmp_path_factory.mktemp("saved")
    for kind in KINDS:
        save(student(kind), root / kind / "encoder")
        torch.manual_seed(3)
        for name in ("classifier", "tagger"):
            CLASSES[name][0].from_pretrained(root / kind / "encoder", **LABELS).save_pretrained(root / kind / name)
        for name in CLASSES:
            tokens(kind).save_pretrained(root / kind / name)
    return root


@pytest.mark.slow
def test_a_plain_shape_is_stored_as_bert_or_roberta_and_others_with_their_code(folders):
    for kind in KINDS:
        stored = type(AutoModel.from_pretrained(folders / kind / "encoder"))
        assert stored is PLAIN.get(kind, ours.MiniMoEModel)
        code = {path.name for path in (folders / kind / "encoder").glob("*.py")}
        modules = ("config", "dropout", "experts", "layers", "routing", "student")
        assert code == (set() if kind in PLAIN else {f"{module}.py" for module in modules})


@pytest.mark.slow
@every_kind
def test_loaded_is_the_same(kind, folders):
    model, inputs = student(kind), batch(kind)
    loaded = AutoModel.from_pretrained(folders / kind / "encoder").eval()
    same(loaded, model, inputs)
    assert not any("pooler" in name for name in load_file(folders / kind / "encoder" / "model.safetensors"))
    for name in ("classifier", "tagger"):
        auto, own = CLASSES[name]
        headed = auto.from_pretrained(folders / kind / name).eval()
        assert kind in PLAIN or type(headed) is own
        same(headed.base_model, model, inputs)


@every_kind
def test_saved_as_ours_it_loads_by_its_own_class(kind, tmp_path):
    model = student(kind)
    model.save_pretrained(tmp_path)
    loaded = ours.MiniMoEModel.from_pretrained(tmp_path).eval()
    assert shape_of(loaded) == shape_of(model)
    same(loaded, model, batch(kind))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("kind", ["sparse", "sparse-roberta"])
def test_loaded_in_half_precision_the_places_of_dimensions_stay_integers(kind, dtype, folders):
    loaded = AutoModel.from_pretrained(folders / kind / "encoder", dtype=dtype)
    places = loaded.encoder.recover_indices
    assert (loaded.dtype, places.dtype) == (dtype, torch.int64)
    assert torch.equal(places, student(kind).encoder.recover_indices)


@every_kind
def test_heads_train(kind, folders):
    model = AutoModelForSequenceClassification.from_pretrained(folders / kind / "classifier")
    model(**batch(kind), labels=torch.tensor([0, 2])).loss.backward()
    routers = [weight for name, weight in model.named_parameters() if "_gate.weight" in name]
    assert all(weight.grad.abs().sum() > 0 for weight in [*routers, model.get_input_embeddings().weight])


@every_kind
def test_pipelines(kind, folders):
    model = AutoModelForSequenceClassification.from_pretrained(folders / kind / "classifier").eval()
    tokenizer = AutoTokenizer.from_pretrained(folders / kind / "classifier")
    expected = model(**tokenizer(TEXT, padding=True, return_tensors="pt")).logits.softmax(-1).max(-1)
    answers = pipeline("text-classification", model=str(folders / kind / "classifier"))(TEXT)
    assert [answer["label"] for answer in answers] == [LABELS["id2label"][i] for i in expected.indices.tolist()]
    assert [answer["score"] for answer in answers] == pytest.approx(expected.values.tolist(), abs=1e-5)
    tagged = pipeline("token-classification", model=str(folders / kind / "tagger"))(TEXT[0])
    assert "".join(TEXT[0][piece["start"] : piece["end"]] for piece in tagged).replace(" ", "") == "annseesthegoodfilm"


CLEAN = """
import sys
sys.modules["minimoe"] = None  # any import of it fails
import torch, transformers
from pathlib import Path
for file in sorted(Path().glob("*/*/expected.pt")):
    folder, auto, inputs, expected = file.parent, *torch.load(file)
    plain = not list(folder.glob("*.py"))
    load = getattr(transformers, auto).from_pretrained
    model = load(folder, trust_remote_code=not plain).eval()
    torch.testing.assert_close(model(**inputs)[0], expected, rtol=0, atol=1e-5)
    model.save_pretrained(folder / "again")
    again = load(folder / "again", trust_remote_code=not plain).eval()
    torch.testing.assert_close(again(**inputs)[0], expected, rtol=0, atol=1e-5)
    if auto == "AutoModel":
        for head in ("SequenceClassification", "TokenClassification"):
            headed = getattr(transformers, auto + "For" + head).from_pretrained(folder, trust_remote_code=not plain)
            torch.testing.assert_close(headed.eval().base_model(**inputs)[0], expected, rtol=0, atol=1e-5)
    else:
        task = {"S": "text", "T": "token"}[auto.removeprefix("AutoModelFor")[0]] + "-classification"
        assert transformers.pipeline(task, model=str(folder), trust_remote_code=not plain)("ann sees bob")
    print(folder)
"""


@pytest.mark.slow
def test_in_a_process_with_transformers_alone(folders, tmp_path):
    for kind in KINDS:
        for name, (auto, _) in CLASSES.items():
            model = auto.from_pretrained(folders / kind / name).eval()
            expected = (auto.__name__, batch(kind), model(**batch(kind))[0].detach())
            torch.save(expected, folders / kind / name / "expected.pt")
    environment = {"HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", CLEAN]
    done = subprocess.run(command, cwd=folders, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == len(KINDS) * len(CLASSES)
