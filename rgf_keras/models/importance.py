"""Importance sampling of log p(x) in chunks whose memory is bounded (Burda et al. 2016, eq. 8).

The draws of an image come from NumPy and depend on its pixels and a seed alone. So they are the
same on every backend, in every chunk, whatever images are beside it.
"""

from collections.abc import Callable
from hashlib import blake2b

import numpy as np
from keras import ops
from scipy.special import logsumexp

# (images uint8 (c, H, W, C), uniforms (c, *shape), noise (s, c, latent_dim)) → (..., s, c)
LogWeights = Callable[[np.ndarray, np.ndarray, np.ndarray], object]


def log_mean_weight(
    log_weights: LogWeights,
    images: np.ndarray,
    uniforms_shape: tuple[int, ...],
    noise_shape: tuple[int, int],
    seed: int,
    noise: np.ndarray | None,
    draws_per_call: int,
) -> np.ndarray:
    """The logarithm of the mean importance weight of every image, (..., n) float32 in nats.

    Args:
        log_weights: log p(x|z) + log p(z) − log q(z|x), see :meth:`VAE.log_weights`. Its result may
            have leading axes, e.g. of several models.
        images: (n, H, W, C) uint8.
        uniforms_shape: of the draws in [0, 1) that observing one image takes.
        noise_shape: (num_samples, latent_dim), of the standard normal draws for one image.
        seed: of the draws.
        noise: (num_samples, n, latent_dim) instead of the normal draws.
        draws_per_call: images times samples that ``log_weights`` may be given at once.
    """
    num_samples = noise_shape[0]
    height = min(len(images), max(1, draws_per_call // num_samples))
    depth = min(num_samples, draws_per_call)
    log_means = []
    for start in range(0, len(images), height):
        # Whole chunks only, so that one compilation serves them all: the last image is repeated.
        rows = np.minimum(np.arange(start, start + height), len(images) - 1)
        uniforms, normals = _draws(images[rows], uniforms_shape, noise_shape, seed)
        if noise is not None:
            normals = noise[:, rows].astype(np.float32)
        pieces = [
            ops.convert_to_numpy(log_weights(images[rows], uniforms, normals[i : i + depth]))
            for i in range(0, num_samples, depth)
        ]
        weights = np.concatenate(pieces, axis=-2).astype(np.float64)
        log_means.append(logsumexp(weights, axis=-2) - np.log(num_samples))
    return np.concatenate(log_means, axis=-1)[..., : len(images)].astype(np.float32)


def _draws(
    images: np.ndarray, uniforms_shape: tuple[int, ...], noise_shape: tuple[int, int], seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Uniforms (c, *uniforms_shape) and normals (num_samples, c, latent_dim)."""
    uniforms = np.empty((len(images), *uniforms_shape), np.float32)
    normals = np.empty((noise_shape[0], len(images), noise_shape[1]), np.float32)
    for i, image in enumerate(np.ascontiguousarray(images)):
        digest = blake2b(image, digest_size=16, salt=seed.to_bytes(16, "little")).digest()
        rng = np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little")))
        rng.random(dtype=np.float32, out=uniforms[i])
        normals[:, i] = rng.standard_normal(noise_shape, np.float32)
    return uniforms, normals
