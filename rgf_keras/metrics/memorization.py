"""The memorization score of likelihood models (van den Burg and Williams 2021).

U is the log of an image's mean probability under the models that were trained with it, V under
those that were trained without it; the score M = U − V, in nats, is large where a model needs the
image itself to find it likely.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy

from rgf_keras.errors import ArgumentError
from rgf_keras.metrics import neighbours
from rgf_keras.metrics.checks import (
    check_at_least,
    check_integers,
    check_numbers,
    check_share,
    random,
)
from rgf_keras.metrics.frechet import Estimate


@dataclass(frozen=True)
class MemorizationScore:
    """Scores of images, in nats, float64.

    Attributes:
        score: (n,) M = U − V.
        log_prob_in: (n,) U, with the image in the training set.
        log_prob_out: (n,) V, without it.
    """

    score: np.ndarray
    log_prob_in: np.ndarray
    log_prob_out: np.ndarray


def memorization_score(log_probs: np.ndarray, held_out: np.ndarray) -> MemorizationScore:
    """The K-fold estimate over L repeats.

    Args:
        log_probs: (L, K, n) log p(x_i) in nats under the model of repeat l without fold k.
        held_out: (L, K, n) booleans: whether that model was trained without image i.

    Raises:
        ArgumentError: shapes that differ, a mask that is not boolean, NaN or infinity, or an image
            that no model was trained with or without.
    """
    log_probs, held_out = _check(log_probs, held_out)
    means = []
    for words, mask in (("with", ~held_out), ("without", held_out)):
        missing = np.flatnonzero(~mask.any(axis=(0, 1)))
        if len(missing):
            raise ArgumentError(
                f"no model was trained {words} image {missing[0]} ({len(missing)} such images); "
                "its score needs at least one"
            )
        means.append(_log_sum_exp(log_probs, mask, (0, 1)) - np.log(mask.sum(axis=(0, 1))))
    return _score(*means)


def leave_one_out_score(full: np.ndarray, without: np.ndarray) -> MemorizationScore:
    """The score by its definition, for data sets small enough for n fits a repeat.

    The K-fold estimate with K = n differs in U: its models have seen all images but one.

    Args:
        full: (L, n) log p(x_i) in nats under models that were trained on all images.
        without: (R, n) log p(x_i) under models that were trained on all images but i.

    Raises:
        ArgumentError: not two such arrays, or NaN or infinity.
    """
    full, without = _log_probs(full=full), _log_probs(without=without)
    shapes = f"{full.shape} and {without.shape}"
    if full.ndim != 2 or without.ndim != 2 or full.shape[1] != without.shape[1]:
        raise ArgumentError(f"log-probabilities must be (L, n) and (R, n), received {shapes}")
    if not (full.size and without.size):
        raise ArgumentError(f"log-probabilities hold no model or no image, received {shapes}")
    return _score(*(scipy.special.logsumexp(x, axis=0) - np.log(len(x)) for x in (full, without)))


def quantile_interval(
    log_probs: np.ndarray,
    held_out: np.ndarray,
    quantile: float,
    seed: int,
    num_resamples: int = 1000,
    level: float = 0.95,
) -> Estimate:
    """A quantile of the scores over images, with its percentile bootstrap over repeats.

    Args:
        log_probs: (L, K, n), L ≥ 2, see :func:`memorization_score`.
        held_out: (L, K, n); every repeat has models with and without every image.
        quantile: in [0, 1], e.g. 0.95.
        seed: of the resamples.
        num_resamples: at least 1; each draws L repeats with replacement.
        level: of the interval, in (0, 1).

    Raises:
        ArgumentError: as for :func:`memorization_score` in any repeat, or bad numbers.
    """
    log_probs, held_out = _check(log_probs, held_out)
    num_repeats = len(log_probs)
    check_integers(num_resamples=num_resamples)
    if num_repeats < 2 or num_resamples < 1:
        raise ArgumentError(
            "the interval needs at least 2 repeats and 1 resample, "
            f"received {num_repeats} and {num_resamples}"
        )
    check_numbers(0, 1, quantile=quantile)
    check_share(level=level)
    value = np.quantile(memorization_score(log_probs, held_out).score, quantile)
    for repeat, mask in zip(log_probs, held_out, strict=True):
        memorization_score(repeat[np.newaxis], mask[np.newaxis])
    # Sums of probabilities and counts per repeat are all that a resample needs.
    sums = [_log_sum_exp(log_probs, mask, 1) for mask in (~held_out, held_out)]
    counts = [mask.sum(axis=1) for mask in (~held_out, held_out)]
    rng = random(seed)
    draws = np.empty(num_resamples)
    for b in range(num_resamples):
        rows = rng.integers(num_repeats, size=num_repeats)
        seen, unseen = (
            scipy.special.logsumexp(total[rows], axis=0) - np.log(count[rows].sum(axis=0))
            for total, count in zip(sums, counts, strict=True)
        )
        draws[b] = np.quantile(seen - unseen, quantile)
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(float(value), float(low), float(high))


def neighbour_ratio(images: np.ndarray, validation: np.ndarray, samples: np.ndarray) -> np.ndarray:
    """ρ_i: distance to the nearest validation image over that to the nearest sample.

    Euclidean between images of half size. Above 1 a model's samples are closer to a training image
    than fresh images are.

    Args:
        images: (n, H, W, C) training images, uint8, H and W even.
        validation: (m, H, W, C) uint8 images that were not trained on.
        samples: (m, H, W, C) uint8 images drawn from the model, as many.

    Returns:
        (n,) in [0, ∞]; 1 where both distances are 0.

    Raises:
        ArgumentError: no images, unequal numbers, other sizes, or sizes that cannot be halved.
    """
    sets = [np.asarray(each) for each in (images, validation, samples)]
    images, validation, samples = sets
    if not all(each.ndim == 4 and each.size and each.dtype == np.uint8 for each in sets):
        received = ", ".join(f"{each.shape} {each.dtype}" for each in sets)
        raise ArgumentError(f"ρ needs images (n, H, W, C) uint8, n at least 1, received {received}")
    if len(validation) != len(samples):
        raise ArgumentError(
            f"ρ needs as many samples as validation images, received {len(samples)} and "
            f"{len(validation)}"
        )
    queries, fresh, drawn = (_halve(x, images.shape[1:]) for x in sets)
    to_fresh, _ = neighbours.nearest(queries, fresh, "euclidean")
    to_drawn, _ = neighbours.nearest(queries, drawn, "euclidean")
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(to_fresh == to_drawn, 1.0, to_fresh / to_drawn)


@dataclass(frozen=True)
class Duplicates:
    """Images that are nearly the same as another one of their set.

    Attributes:
        first, second: (p,) positions of each pair, the nearest pair first.
        distances: (p,) Euclidean, between images of half size.
    """

    first: np.ndarray
    second: np.ndarray
    distances: np.ndarray


def duplicates(images: np.ndarray, num_pairs: int = 20) -> Duplicates:
    """The nearest pairs of a set of images, each pair once (Supplement A).

    A duplicate's score is low: its twin stands for it where it is held out.

    Args:
        images: (n, H, W, C) uint8, n at least 2, H and W even.
        num_pairs: at most so many, at least 1.

    Raises:
        ArgumentError: fewer than two images, sizes that cannot be halved, or no pairs.
    """
    check_at_least(1, num_pairs=num_pairs)
    images = np.asarray(images)
    if images.ndim != 4 or len(images) < 2 or images.dtype != np.uint8:
        received = f"{images.shape} {images.dtype}"
        raise ArgumentError(f"duplicates need two images (n, H, W, C) uint8, received {received}")
    flat = _halve(images, images.shape[1:])
    distances, nearest = neighbours.nearest(flat, flat, "euclidean", leave_one_out=True)
    own = np.arange(len(flat))
    pairs = np.stack([np.minimum(own, nearest), np.maximum(own, nearest)], axis=1)
    pairs, places = np.unique(pairs, axis=0, return_index=True)
    order = np.argsort(distances[places], kind="stable")[:num_pairs]
    return Duplicates(pairs[order, 0], pairs[order, 1], distances[places][order])


def _halve(images: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Images (n, H, W, C) at half size (means of 2×2 pixels), flat."""
    if images.shape[1:] != shape or shape[0] % 2 or shape[1] % 2:
        raise ArgumentError(
            f"ρ needs images (n, H, W, C) of one size, H and W even, received {images.shape} "
            f"beside (n, {', '.join(map(str, shape))})"
        )
    height, width, channels = shape
    blocks = images.reshape(-1, height // 2, 2, width // 2, 2, channels)
    return blocks.mean(axis=(2, 4), dtype=np.float32).reshape(len(images), -1)


def _score(log_prob_in: np.ndarray, log_prob_out: np.ndarray) -> MemorizationScore:
    return MemorizationScore(log_prob_in - log_prob_out, log_prob_in, log_prob_out)


def _log_sum_exp(
    log_probs: np.ndarray, mask: np.ndarray, axis: int | tuple[int, ...]
) -> np.ndarray:
    return scipy.special.logsumexp(np.where(mask, log_probs, -np.inf), axis=axis)


def _check(log_probs: np.ndarray, held_out: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    log_probs, held_out = _log_probs(log_probs=log_probs), np.asarray(held_out)
    received = f"{log_probs.shape} and {held_out.shape} {held_out.dtype}"
    if log_probs.ndim != 3 or log_probs.shape != held_out.shape or held_out.dtype != bool:
        raise ArgumentError(
            "log_probs must be (repeats, folds, images) and held_out booleans of the same shape, "
            f"received {received}"
        )
    if not log_probs.size:
        raise ArgumentError(f"log_probs hold no model or no image, received {received}")
    return log_probs, held_out


def _log_probs(**given: Any) -> np.ndarray:
    """Log-probabilities as a float64 array."""
    (array,) = check_numbers(missing=True, **given)
    if not np.isfinite(array).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise ArgumentError(
            f"log-probabilities must be finite, received {array[where]} at {where}; "
            "that model has diverged"
        )
    return array
