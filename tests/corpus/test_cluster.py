"""A cluster's processes do what this machine's do, to the byte."""

import operator
import os
import sys

import pytest

from minimoe.corpus import parallel
from minimoe.corpus.build import build_records
from minimoe.corpus.format import format_corpus
from minimoe.corpus.parallel import cluster, in_order
from minimoe.system.errors import UserError

ARTICLE = (
    '<doc id="{0}" url="" title="Number {0}">\nNumber {0}\n\nThis is the article of number {0}. It has {0}.\n</doc>\n'
)


@pytest.fixture(scope="module")
def dask(tmp_path_factory):
    """The address of a Dask cluster of two processes, which know nothing of the folder that a run is in."""
    distributed = pytest.importorskip("distributed", reason="pip install 'minimoe[dask]'")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("elsewhere"))
        with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as made:
            yield made.scheduler_address


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def corpus_stages(bert):
    """Sentences and records of a few files, by paths relative to the run's folder."""
    format_corpus("extracted", "formatted", language="en", splitter="sentencex", min_length=3, workers=1)
    values = {
        "max_length": 32,
        "short_probability": 0.1,
        "shard_records": 40,
        "heldout": 0.2,
        "seed": 776,
        "workers": 1,
    }
    build_records("formatted", bert, "records", **values)


@pytest.mark.slow
def test_a_dask_cluster_makes_the_bytes_of_one_process(dask, bert, tmp_path, monkeypatch):
    made = {}
    for backend in ("loky", "dask"):
        folder = tmp_path / backend
        (folder / "extracted").mkdir(parents=True)
        for number in range(5):
            text = "".join(ARTICLE.format(number * 9 + article) for article in range(9))
            (folder / "extracted" / f"wiki_{number:02}").write_text(text)
        monkeypatch.chdir(folder)
        with cluster(backend, dask):
            corpus_stages(bert)
        made[backend] = contents(folder / "formatted") | contents(folder / "records")
    assert len(made["loky"]) > 4 and made["dask"] == made["loky"]


def refuse(item):
    if item == 5:
        raise UserError("item 5: not this one")


def process(item):
    return os.getpid()


@pytest.mark.slow
def test_an_error_of_a_cluster_is_the_callers(dask, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with cluster("dask", dask):
        assert os.getpid() not in in_order(process, range(3), 1)
        with pytest.raises(UserError, match="item 5"):
            list(in_order(refuse, range(20), 1))
        monkeypatch.setattr(parallel.Path, "cwd", lambda: tmp_path / "of this machine alone")
        with pytest.raises(UserError, match=r"of this machine alone: No such file .* on .*, a machine of the"):
            list(in_order(process, range(3), 1))


def test_a_cluster_that_is_not_there_is_named(monkeypatch):
    pytest.importorskip("distributed", reason="pip install 'minimoe[dask]'")
    monkeypatch.setattr("minimoe.system.clusters.WAIT_SECONDS", 1)
    message = r"runtime\.scheduler: no Dask cluster with a worker at 'tcp://127\.0\.0\.1:9'"
    with pytest.raises(UserError, match=message), cluster("dask", "tcp://127.0.0.1:9"):
        pass


@pytest.mark.parametrize(("backend", "package"), [("dask", "distributed"), ("ray", "ray")])
def test_a_backend_that_is_not_installed_is_named(monkeypatch, backend, package):
    monkeypatch.setitem(sys.modules, package, None)
    message = rf"runtime\.backend: {backend} is not installed; pip install 'minimoe\[{backend}\]'"
    with pytest.raises(UserError, match=message), cluster(backend, "somewhere"):
        pass


@pytest.mark.slow
def test_a_ray_cluster_keeps_the_order(tmp_path, monkeypatch):
    """Its bytes are not compared: two processes of Ray take longer to start than all other tests of the corpus."""
    utils = pytest.importorskip("ray.cluster_utils", reason="pip install 'minimoe[ray]'")
    monkeypatch.chdir(tmp_path)
    made = utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 2})
    try:
        with cluster("ray", made.address):
            assert list(in_order(operator.neg, range(40), 1)) == [-item for item in range(40)]
    finally:
        made.shutdown()
