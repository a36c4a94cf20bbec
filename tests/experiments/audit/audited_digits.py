"""Digits as training, held-out and generated images, with planted copies."""

from pathlib import Path

import numpy as np
from PIL import Image

from rgf_keras import datasets
from rgf_keras.datasets import variants

SUFFIXES = ["png", "jpg", "webp", "bmp", "gif", "tiff"]
SIDES = [28, 28, 32, 40]


def make(num_copies=0, kind="exact", seed=0, sizes=(400, 200, 200)):
    """Training, held-out and generated images, and the positions of copies among the last."""
    digits = datasets.load("mnist-10k").images
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(digits))[: sum(sizes)]
    train, test, generated = np.split(digits[order], np.cumsum(sizes)[:2])
    planted = np.sort(rng.choice(len(generated), num_copies, replace=False))
    originals = rng.choice(len(train), num_copies, replace=False)
    if num_copies:
        generated = generated.copy()
        generated[planted] = variants.disguised(train[originals], seed)[kind]
    return train, test, generated, planted, originals


def write(folder: Path, images: np.ndarray, mixed: bool = False) -> list[str]:
    """Files of images, perhaps of mixed sizes and formats; their names."""
    folder.mkdir()
    names = []
    for i, image in enumerate(images):
        side = SIDES[i % len(SIDES)] if mixed else image.shape[0]
        suffix = SUFFIXES[i % len(SUFFIXES)] if mixed else "png"
        names.append(f"{i:04d}.{suffix}")
        picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
        picture.resize((side, side), Image.Resampling.BICUBIC).save(folder / names[-1])
    return names
