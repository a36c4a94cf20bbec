"""Every family at common sizes: it samples images of that size, or refuses them in one line."""

import numpy as np
import pytest

from rgf_keras.config import BigGANConfig, DiffusionConfig, GANConfig, SAGANConfig, VAEConfig
from rgf_keras.errors import RgfError

pytestmark = [pytest.mark.backend, pytest.mark.usefixtures("quick_compilation")]

SIZES = [(8, 8), (15, 15), (28, 28), (30, 30), (32, 32), (64, 64), (28, 32)]
VAES = {"latent_dim": 2, "units": (4,), "width": 2}
DDPMS = {"width": 4, "timesteps": 2, "num_steps": 1, "backbone": "keras"}
ATTENTION = DDPMS | {"width": 32, "backbone": "keras_cv_attention"}
POWERS = {(15, 15), (30, 30)}  # not 4 to 8 times a power of two
MULTIPLES = {(15, 15), (30, 30)}  # not multiples of 4
MLP = "use the architecture mlp, or images of e.g. 28×28 or 32×32"
# configuration, sizes that it refuses, remedy
FAMILIES = {
    "gan": (GANConfig(latent_dim=2, units=(4,)), set(), ""),
    "dcgan": (GANConfig(architecture="conv", latent_dim=2, width=2), POWERS, MLP),
    "sagan": (SAGANConfig(width=4, latent_dim=2), MULTIPLES, "32×32, or the family gan"),
    "biggan": (
        BigGANConfig(width=4, latent_dim=4, shared_dim=2), MULTIPLES, "32×32, or the family gan"
    ),
    "vae": (VAEConfig(**VAES), set(), ""),
    "conv_vae": (VAEConfig(architecture="conv", **VAES), POWERS, MLP),
    "mnist_vae": (VAEConfig(architecture="mnist_mlp", **VAES), set(), ""),
    "cifar_vae": (VAEConfig(architecture="cifar_conv", **VAES), {(64, 64)}, "at most 32×32"),
    "celeba_vae": (VAEConfig(architecture="celeba_conv", **VAES), {(64, 64)}, "at most 32×32"),
    "tiny_ddpm": (DiffusionConfig(size="tiny", **DDPMS), {(15, 15)}, "pad or crop the images"),
    "small_ddpm": (DiffusionConfig(size="small", **DDPMS), {(15, 15)}, "pad or crop the images"),
    "attention_ddpm": (DiffusionConfig(size="tiny", **ATTENTION), {(15, 15)}, "pad or crop"),
}  # fmt: skip


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("size", SIZES)
def test_a_size_is_sampled_or_refused(family, size):
    config, refused, remedy = FAMILIES[family]
    if size not in refused:
        shape = (*size, 3)
        model = config.build(shape, 10, 0)
        assert model.sample(1, 0).shape == (1, *shape)
        return
    with pytest.raises(RgfError) as caught:
        config.build((*size, 3), 10, 0)
    message = str(caught.value)
    assert message.startswith("model: ")
    assert f"received {size[0]}×{size[1]}" in message
    assert remedy in message
    assert "\n" not in message


@pytest.mark.parametrize("shape", [(28, 28), (0, 28, 1), (28, 28, 0)])
def test_images_without_three_axes_or_values_are_refused(shape):
    with pytest.raises(RgfError, match=r"image_shape must be \(H, W, C\), received"):
        GANConfig().build(shape, 10, 0)


def test_grey_images_that_are_not_square():
    config = VAEConfig(architecture="conv", **VAES)
    images = np.zeros((2, 28, 32, 1), np.uint8)
    assert config.build(images.shape[1:], 10, 0).log_prob(images, 1).shape == (2,)
