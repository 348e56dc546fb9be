"""A run, and what MLflow has of all runs."""

from types import SimpleNamespace

from minimoe import tracking

URI = "work/mlflow.db"


def run(uri=URI, memory=None):
    settings = SimpleNamespace(enabled=True, uri=uri, experiment="tests", system_metrics=False)
    return tracking.run(settings, "base/minilm", {"stage": "distill"}, {"layers": 2}, memory)


def runs(uri=URI):
    client, experiment = tracking.connect(SimpleNamespace(uri=uri, experiment="tests", system_metrics=False))
    return sorted(
        (one.info.status, sorted((m.step, m.value) for m in client.get_metric_history(one.info.run_id, "loss")))
        for one in client.search_runs([experiment])
    )
