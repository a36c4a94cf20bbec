"""Our own data sets and factors pass the suites that guests' are checked by."""

import numpy as np
import pytest
from PIL import Image

from rgf_keras import datasets
from rgf_keras.testing import check_dataset, check_factor


def test_bundled_digits():
    check_dataset(lambda split: datasets.load("mnist-10k", split))


def test_a_folder_with_a_factor(tmp_path):
    rng = np.random.default_rng(0)
    rows = ["file,size"]
    for i in range(40):
        file = tmp_path / "ab"[i % 2] / f"{i}.png"
        file.parent.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (8, 8), np.uint8)).save(file)
        rows.append(f"{file.parent.name}/{file.name},{'large' if i % 3 else 'small'}")
    (tmp_path / "factors.csv").write_text("\n".join(rows))
    check_dataset(lambda split: datasets.load(f"folder:{tmp_path}", split))


@pytest.mark.parametrize("name", ["colour", "none", *datasets.shape_factors()])
def test_factors(name):
    check_factor(datasets.factor(name))
