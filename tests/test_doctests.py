"""The examples in docstrings are true."""

import doctest
import importlib
import pkgutil

import numpy as np
import pytest

import rgf_keras

ROOMS = ("metrics", "datasets", "plugins", "errors", "runtime.progress")


def modules():
    for room in ROOMS:
        name = f"rgf_keras.{room}"
        yield name
        package = importlib.import_module(name)
        for found in pkgutil.walk_packages(getattr(package, "__path__", []), f"{name}."):
            yield found.name


@pytest.mark.parametrize("name", modules())
def test_examples(name):
    module = importlib.import_module(name)
    with np.printoptions(legacy=False):
        result = doctest.testmod(module, optionflags=doctest.ELLIPSIS)
    assert not result.failed


def test_there_are_examples():
    finder = doctest.DocTestFinder(exclude_empty=True)
    examples = sum(
        len(test.examples)
        for name in modules()
        for test in finder.find(importlib.import_module(name))
    )
    assert examples >= 20
    assert rgf_keras.__name__ in "rgf_keras"
