"""Students pushed by the real client to a hub on this machine, and loaded from there."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hub.conftest import plain_hub as plain_hub
from huggingface_hub import ModelCard
from models.kinds import student as tiny
from transformers import AutoModel

from minimoe.models.save import save
from minimoe.pipeline import repro
from minimoe.pipeline.repro import Outdated
from minimoe.publish.push import push
from minimoe.system.errors import UserError

ROOT = Path(__file__).parents[2]
STUDENT, REPOSITORY = "base/minimoe-2L-72H", "me/student"
CARD = """---
language: en
library_name: transformers
---

# Student

`AutoModel.from_pretrained("models/base/minimoe-2L-72H")`

## License

Not known: what came with the teacher names no license.
"""
WEIGHTS = "model.safetensors"


@pytest.fixture
def hub(plain_hub, monkeypatch):
    plain_hub.writers["secret"] = "me"
    monkeypatch.setenv("HF_TOKEN", "secret")
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    return plain_hub


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A finished run of the sample, as far as pushing a student with experts reads it."""
    made = tmp_path / "models" / STUDENT
    save(tiny("experts-1,4"), made)
    (made / "tokenizer.json").write_text("{}")
    card = tmp_path / "reports/cards" / STUDENT / "README.md"
    card.parent.mkdir(parents=True)
    card.write_text(CARD)
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(repro, "look", lambda: Outdated(set(), [], [], {}))
    return made


def on(hub, repository=REPOSITORY) -> dict[str, bytes]:
    return hub.repositories[f"models/{repository}"]["main"][1]


@pytest.mark.slow
def test_what_is_pushed_is_the_folder_and_its_card_and_loads_from_the_hub(hub, folder, capsys):
    url = push(STUDENT, REPOSITORY)
    commit, files = hub.repositories["models/me/student"]["main"]
    assert url == f"{hub.url}/me/student/commit/{commit}" and url in capsys.readouterr().out
    assert hub.private == {"models/me/student"}
    wanted = {path.name: path.read_bytes() for path in folder.iterdir()}
    card = files.pop("README.md").decode()
    assert {name: files[name] for name in wanted} == wanted and files.keys() - wanted == {".gitattributes"}
    assert card == CARD.replace("models/base/minimoe-2L-72H", "me/student")
    words = torch.arange(5)[None]
    code = "import torch, sys; from transformers import AutoModel; " + (
        f"model = AutoModel.from_pretrained('{REPOSITORY}', trust_remote_code=True, revision='{commit}').eval(); "
        "torch.save(model(torch.arange(5)[None])[0], 'states')"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | {"HF_HUB_OFFLINE": "0"}, cwd=folder)
    local = AutoModel.from_pretrained(folder, trust_remote_code=True).eval()
    torch.testing.assert_close(torch.load(folder / "states"), local(words)[0])


@pytest.mark.slow
def test_pushed_again_nothing_is_sent_but_what_changed(hub, folder):
    push(STUDENT, REPOSITORY, public=True)
    assert not hub.private
    before = on(hub)
    hub.requests.clear()
    (folder / "tokenizer.json").write_text("[]")
    push(STUDENT, REPOSITORY)
    assert not [path for method, path in hub.requests if method == "PUT"]
    assert on(hub) == before | {"tokenizer.json": b"[]"}
    assert not hub.private  # it stays as it was


@pytest.mark.slow
def test_what_an_earlier_student_left_is_removed(hub, folder):
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling/config.json").write_text("{}")
    push(STUDENT, REPOSITORY)
    assert "1_Pooling/config.json" in on(hub)
    (folder / "1_Pooling/config.json").unlink()
    push(STUDENT, REPOSITORY)
    assert on(hub).keys() == {path.name for path in folder.iterdir()} - {"1_Pooling"} | {"README.md", ".gitattributes"}


OWN = {"LICENSE": b"mine", "onnx/model.onnx": b"graph", "pictures/curve.png": b"png", "eval_results.json": b"{}"}


@pytest.mark.slow
def test_files_that_no_push_made_stay(hub, folder):
    own = {".gitattributes": b"", "README.md": b"---\nlicense: mit\n---\n"} | OWN
    hub.add("model", REPOSITORY, own)
    for _ in range(2):
        push(STUDENT, REPOSITORY)
        assert OWN.items() <= on(hub).items()
        assert on(hub)[WEIGHTS] == (folder / WEIGHTS).read_bytes()
    hub.titles["models/me/student", "tokenizer.json"] = "Upload of my own"
    (folder / "tokenizer.json").unlink()
    with pytest.raises(UserError, match=r"that no push of this program made there: tokenizer\.json; "):
        push(STUDENT, REPOSITORY)


@pytest.mark.slow
@pytest.mark.parametrize(
    "path", [WEIGHTS, "pytorch_model.bin", "adapter_config.json", "modules.json", "vocab.txt", "code.py"]
)
def test_another_model_is_neither_overwritten_nor_mixed_with(hub, folder, path):
    (folder / "code.py").write_text("")
    files = {".gitattributes": b"", path: b"another's"} | OWN
    hub.add("model", REPOSITORY, dict(files))
    with pytest.raises(UserError) as error:
        push(STUDENT, REPOSITORY)
    assert str(error.value) == (
        f"me/student: cannot be pushed to: it holds a model that no push of this program made there: {path}; "
        "push to another repository, or delete that first"
    )
    assert on(hub) == files


def test_of_many_files_of_another_model_some_are_named(hub, folder):
    shards = {f"model-{number:05}-of-00100.safetensors": b"" for number in range(1, 101)}
    hub.add("model", REPOSITORY, shards)
    with pytest.raises(UserError, match=r"model-00001-of-00100.safetensors, .* and 97 more; push to another"):
        push(STUDENT, REPOSITORY)


def test_a_license_of_ones_own(hub, folder):
    push(STUDENT, REPOSITORY, license="apache-2.0")
    card = ModelCard(on(hub)["README.md"].decode())
    assert card.data.license == "apache-2.0"
    assert "`apache-2.0`, by whoever published it." in card.text and "Not known" not in card.text


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/api/repos/create", "/api/models/me/student/preupload", "/upload/"])
@pytest.mark.parametrize("fault", [500, {"reset": True}])
def test_one_break_is_got_over(hub, folder, path, fault):
    hub.faults = {path: [fault]}
    push(STUDENT, REPOSITORY)
    assert on(hub)[WEIGHTS] == (folder / WEIGHTS).read_bytes()


@pytest.mark.slow
def test_where_it_breaks_for_good_the_repository_has_nothing_of_it(hub, folder):
    hub.faults = {"/upload/": [{"reset": True}] * 100}
    with pytest.raises(UserError, match=r"^me/student: cannot be pushed to: nothing new in 4 attempts"):
        push(STUDENT, REPOSITORY)
    assert on(hub).keys() == {".gitattributes"}


@pytest.mark.slow
def test_where_xet_fails_plain_http_is_taken(hub, folder, monkeypatch, capsys):
    hub.files = {"/api/models/me/student/xet-write-token/main": b""}
    monkeypatch.delenv("HF_HUB_DISABLE_XET")
    monkeypatch.setenv("HF_XET_CLIENT_RETRY_MAX_ATTEMPTS", "1")
    closed = {"casUrl": "http://127.0.0.1:9", "accessToken": "open", "exp": 2**33}
    headers = {
        "X-Xet-Cas-Url": closed["casUrl"], "X-Xet-Access-Token": "open", "X-Xet-Token-Expiration": str(2**33)
    }  # fmt: skip
    answer = {"status": 200, "headers": headers, "body": json.dumps(closed).encode()}
    hub.faults = {"/api/models/me/student/xet-write-token": [answer] * 20}
    push(STUDENT, REPOSITORY)
    assert on(hub)[WEIGHTS] == (folder / WEIGHTS).read_bytes()
    assert hub.asked("/api/models/me/student/xet-write-token") and hub.asked("/upload/")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("student", "repository", "license", "said"),
    [
        ("base/none", REPOSITORY, None, r"^'base/none': expected one of base/minilm-2L-72H, "),
        (STUDENT, "me/a b", None, r"^'me/a b': not a repository of the hub"),
        (STUDENT, "student", None, r"^'student': expected NAMESPACE/NAME, such as your-name/minimoe-2L-72H"),
        (STUDENT, "you/student", None, r"^you/student: cannot be pushed to: .*don't have the rights"),
        (STUDENT, REPOSITORY, "MIT!", r"^me/student: cannot be pushed to: Invalid metadata.*license"),
        ("base/minilm-2L-72H", REPOSITORY, None, r"models/base/minilm-2L-72H is missing; `minimoe repro` first"),
    ],
)
def test_what_cannot_be_pushed_is_one_line(hub, folder, student, repository, license, said):
    with pytest.raises(UserError, match=said) as error:
        push(student, repository, license)
    assert "\n" not in str(error.value)
    assert all(files.keys() == {".gitattributes"} for each in hub.repositories.values() for _, files in each.values())


@pytest.mark.parametrize("token", ["", "wrong"])
def test_without_a_token_that_may_write(hub, folder, token, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(UserError, match="cannot be pushed to: .*Invalid username" if token else "^no token of the hub"):
        push(STUDENT, REPOSITORY)
    assert not hub.repositories


@pytest.mark.parametrize("stale", ["distill@base", "report"])
def test_what_is_out_of_date_is_not_pushed(hub, folder, stale, monkeypatch):
    monkeypatch.setattr(repro, "look", lambda: Outdated({"settings"}, ["settings", stale, "distill@sparse"], [], {}))
    with pytest.raises(UserError, match=f"^{STUDENT}: {stale} out of date; `minimoe repro` first"):
        push(STUDENT, REPOSITORY)
    assert not hub.requests


def test_interrupted_it_leaves_no_process(hub, folder):
    hub.faults = {"/api/repos/create": [{"stall": 60, "send": 0}]}
    run = f"from minimoe.publish import push; push.upload('models/{STUDENT}', 'x', '{REPOSITORY}', 'm', False)"
    process = subprocess.Popen([sys.executable, "-c", run], start_new_session=True)
    while not hub.requests:
        pass
    process.send_signal(signal.SIGKILL)
    process.wait()
    hub.requests.clear()
    assert not subprocess.run(["pgrep", "-s", str(process.pid)], capture_output=True).stdout
