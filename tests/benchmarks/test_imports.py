"""Every benchmark fits the code that it measures, as far as its imports tell."""

import importlib
import pkgutil

import pytest

import benchmarks

MODULES = [module.name for module in pkgutil.walk_packages(benchmarks.__path__, "benchmarks.")]


@pytest.mark.parametrize("module", [name for name in MODULES if not name.endswith("__main__")])
def test_it_can_be_imported(module):
    importlib.import_module(module)
