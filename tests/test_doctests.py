"""The examples in docstrings are true."""

import doctest
import importlib
import pkgutil

import pytest

ROOMS = ("metrics", "datasets", "plugins", "errors", "runtime.progress")


def modules():
    for room in ROOMS:
        name = f"rgf_keras.{room}"
        yield name
        place = getattr(importlib.import_module(name), "__path__", [])
        yield from (info.name for info in pkgutil.walk_packages(place, f"{name}."))


@pytest.mark.parametrize("name", modules())
def test_examples(name):
    assert not doctest.testmod(importlib.import_module(name)).failed


def test_public_functions_have_examples():
    finder = doctest.DocTestFinder()
    tests = [test for name in modules() for test in finder.find(importlib.import_module(name))]
    assert len([test for test in tests if test.examples]) >= 20
