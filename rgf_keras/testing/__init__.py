"""Conformance suites: what rgf_keras relies on in models, hooks, metrics and data, as checks.

Our own implementations pass them. Call them from tests of your own, under every backend you use::

    from rgf_keras.testing import check_generative_model

    def test_my_gan_can_be_assessed():
        check_generative_model(lambda: make_gan((28, 28, 1), seed=0), (28, 28, 1))

A check that fails is an ``AssertionError`` which says what was expected.
"""

from rgf_keras.testing.data import check_dataset, check_factor
from rgf_keras.testing.metrics import check_metric, make_evidence
from rgf_keras.testing.models import check_generative_model, check_likelihood_model
from rgf_keras.testing.regularizers import check_regularizer

__all__ = [
    "check_dataset",
    "check_factor",
    "check_generative_model",
    "check_likelihood_model",
    "check_metric",
    "check_regularizer",
    "make_evidence",
]
