# make repro: the sample, end to end.  make test: lint and tests.  make ui: MLflow on 127.0.0.1.
# make test-slow: the tests that make test leaves out, which take most of the time.
# make bench: what is fast, and how fast.  make load: how time, memory and disk grow with size.
# make gpu: what one GPU makes of distilling, finetuning and loading.
# make faults: kills, full disks, flipped bits and more, injected into a tiny pipeline.
# make docs: the documentation as a site, in work/site.
# make release: the wheel, the documentation and the sample's page, in dist/; the sample runs from the wheel alone.
# make audit: known vulnerabilities of the pinned dependencies.
PYTHON ?= python3
VENV   ?= .venv
PORT   ?= 5000
PYTEST  = python -m pytest --numprocesses logical --maxprocesses 4 --dist worksteal
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export PYTHONNOUSERSITE = 1

.PHONY: repro test test-slow lint bench load gpu faults audit docs release ui env clean

repro: env
	python -m minimoe repro

test: env lint
	$(PYTEST) -m "not slow"

test-slow: env
	$(PYTEST) -m slow

lint: env
	ruff check --no-cache .
	ruff format --no-cache --check .

bench: env
	python -m benchmarks

load: env
	python -m benchmarks.load

gpu: env
	python -m benchmarks.gpu

faults: env
	python -m faults

audit: env
	python -m pip_audit --strict --disable-pip --no-deps --progress-spinner off --requirement requirements.txt

docs: env
	python -m mkdocs build --strict --quiet

release: env
	python .ci/release.py

ui: env
	python -m minimoe ui --port $(PORT)

env: $(VENV)/.installed

# requirements.txt pins everything, and pip compares each file with its hashes; the second command adds this package and
# PyTorch, of which it takes the machine's build. Python compiles what it imports when it does, which is a small part of
# all. The stamp is written last, so a broken install is retried.
$(VENV)/.installed: pyproject.toml requirements.txt
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --no-compile --disable-pip-version-check \
	  --require-hashes --no-deps --requirement requirements.txt
	$(VENV)/bin/python -m pip install --quiet --no-compile --disable-pip-version-check --editable ".[dev]"
	touch $@

clean:
	rm -rf $(VENV)
