"""Our own hooks pass the suite that guests' are checked by."""

import numpy as np
import pytest

from rgf_keras.metrics.features import Pixels
from rgf_keras.models import GAN
from rgf_keras.testing import check_regularizer
from rgf_keras.training import MemorizationRejection, SpectralDecoupling

pytestmark = [pytest.mark.backend, pytest.mark.usefixtures("quick_compilation")]

REFERENCES = np.random.default_rng(0).uniform(size=(9, 16)).astype(np.float32)
NOTHING = -1.0  # no distance lies below


def make_gan():
    return GAN((4, 4, 1), latent_dim=3, units=(4,))


def test_spectral_decoupling():
    check_regularizer(SpectralDecoupling, make_gan)


@pytest.mark.parametrize(
    "options", [{}, {"mode": "resample"}, {"mode": "weight"}, {"player": "discriminator"}]
)
def test_memorization_rejection(options):
    check_regularizer(
        lambda threshold: MemorizationRejection(threshold, Pixels(), REFERENCES, **options),
        make_gan,
        on=1.5,
        off=NOTHING,
    )
