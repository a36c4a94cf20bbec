"""Our own models pass the suites that guests' are checked by."""

import pytest

from rgf_keras.models import DDPM, GAN, SAGAN, VAE, BigGAN
from rgf_keras.testing import check_generative_model, check_likelihood_model

pytestmark = [pytest.mark.backend, pytest.mark.usefixtures("quick_compilation")]

SMALL, LARGER = (4, 4, 1), (16, 16, 3)

MODELS = {
    "gan": (lambda: GAN(SMALL, latent_dim=3, units=(4,)), SMALL),
    "dcgan": (lambda: GAN((8, 8, 1), "conv", latent_dim=3, width=4), (8, 8, 1)),
    "sagan": (lambda: SAGAN(LARGER, num_classes=2, width=4, latent_dim=3), LARGER),
    "biggan": (
        lambda: BigGAN(LARGER, num_classes=2, width=4, latent_dim=4, shared_dim=2),
        LARGER,
    ),
    "vae": (lambda: VAE(SMALL, latent_dim=2, units=(4,)), SMALL),
    "logit_vae": (
        lambda: VAE(SMALL, "mlp", "gaussian", latent_dim=2, units=(4,), observation="logit"),
        SMALL,
    ),
    "diffusion": (
        lambda: DDPM(SMALL, "tiny", 4, "keras", timesteps=9, num_steps=2, eta=1.0),
        SMALL,
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_generative_models(name):
    make, image_shape = MODELS[name]
    check_generative_model(make, image_shape, num_classes=2)


@pytest.mark.parametrize("name", ["vae", "logit_vae", "diffusion"])
def test_likelihood_models(name):
    check_likelihood_model(*MODELS[name])
