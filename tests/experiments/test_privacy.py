"""ε of DP-SGD, against values that the accountant's authors publish and a closed form."""

import sys

import numpy as np
import pytest
from scipy.stats import norm

from rgf_keras.errors import RgfError
from rgf_keras.training.accounting import epsilon, privacy_metrics


def test_published_values():
    # Google's tests of the accountant: three steps each, ε = 1
    assert epsilon(0.5, 0.2, 3, delta=0.15594) == pytest.approx(1, abs=1e-3)
    assert epsilon(3**0.5, 1.0, 3, delta=0.126936) == pytest.approx(1, abs=1e-3)


def test_equals_the_closed_form_of_the_gaussian_mechanism():
    # Balle and Wang 2018, theorem 8; four steps with σ are one with σ / 2
    found = epsilon(2.0, 1.0, 4, delta=1e-3)
    delta = norm.cdf(0.5 - found) - np.exp(found) * norm.cdf(-0.5 - found)
    assert delta == pytest.approx(1e-3, rel=0.01)


def test_of_a_training():
    assert privacy_metrics(1.0, 1e-4, epochs=2, batch_size=20, num_images=105) == {
        "privacy/epsilon": epsilon(1.0, 20 / 105, 10, 1e-4),
        "privacy/delta": 1e-4,
    }
    assert privacy_metrics(None, 1e-4, epochs=2, batch_size=20, num_images=105) == {}


def test_a_missing_accountant_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "dp_accounting", None)
    with pytest.raises(RgfError, match=r"install it with pip install 'rgf-keras\[privacy\]'"):
        epsilon(1.0, 0.1, 10, 1e-5)
