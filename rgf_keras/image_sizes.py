"""Which images networks can take, told without building one: this module needs no Keras."""

import math
from collections.abc import Sequence
from typing import Any

from rgf_keras.errors import ArgumentError

ORACLE_SIDE = 16  # height and width that an oracle's convolutions need


def require(condition: Any, message: str) -> None:
    """Raises an ArgumentError with this message if the condition does not hold."""
    if not condition:
        raise ArgumentError(message)


def num_doublings(image_shape: Sequence[int]) -> int:
    """How often the decoder of ``conv`` doubles the size: 28 = 7 · 2², 32 = 8 · 2², 64 = 8 · 2³.

    Raises:
        ArgumentError: height or width is not 4 to 8 times the same power of two.
    """
    height, width = image_shape[:2]
    levels = max(1, math.ceil(math.log2(height / 8)))
    require(
        all(size % 2**levels == 0 and 4 <= size // 2**levels <= 8 for size in (height, width)),
        "the architecture conv needs a height and width of 4 to 8 times the same power of two, "
        f"received {height}×{width}; use the architecture mlp, or images of e.g. 28×28 or 32×32",
    )
    return levels


def require_at_most(side: int, image_shape: Sequence[int]) -> None:
    """Raises an ArgumentError for larger images than the convolutions of papers' VAEs are for."""
    height, width = image_shape[:2]
    require(
        max(height, width) <= side,
        f"cifar_conv and celeba_conv are for {side}×{side}, received {height}×{width}; "
        f"use the architecture conv or mlp, or images of at most {side}×{side}",
    )


def num_growing_blocks(image_shape: Sequence[int]) -> int:
    """How many of SAGAN's and BigGAN's three blocks double the size: all, or two as for 28×28.

    Raises:
        ArgumentError: height or width is no multiple of 4.
    """
    height, width = image_shape[:2]
    require(
        height % 4 == 0 and width % 4 == 0,
        "SAGAN and BigGAN need a height and width that are multiples of 4, "
        f"received {height}×{width}; use images of e.g. 28×28 or 32×32, or the family gan",
    )
    return 2 if height % 8 or width % 8 else 3


def require_even(image_shape: Sequence[int]) -> None:
    """Raises an ArgumentError for images that diffusion models cannot take."""
    height, width = image_shape[:2]
    require(
        height % 2 == 0 and width % 2 == 0,
        f"diffusion models need an even height and width, received {height}×{width}; "
        "pad or crop the images",
    )
