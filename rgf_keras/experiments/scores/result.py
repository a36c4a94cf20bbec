"""The result of fits together: every image's score, its quantiles, and the model's quality."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rgf_keras.config import ScoreConfig
from rgf_keras.config.score import LEAVE_ONE_OUT
from rgf_keras.datasets import Dataset
from rgf_keras.experiments.scores.fits import Fits
from rgf_keras.experiments.scores.folds import FULL, Fit, number_of_folds
from rgf_keras.metrics import memorization
from rgf_keras.metrics.frechet import Estimate
from rgf_keras.metrics.memorization import MemorizationScore

QUANTILES = (0.95, 0.999)
HIGHLY_MEMORIZED = 0.95  # the quantile above which the paper calls an image highly memorized


@dataclass(frozen=True)
class FullRun:
    """The run on all images.

    Attributes:
        curves: per epoch, training losses and ``elbo/train`` and ``elbo/held_out`` in nats.
        rho: (n,) ρ of every image.
    """

    curves: list[dict[str, float]]
    rho: np.ndarray


@dataclass(frozen=True)
class Score:
    """How much is memorized of each image.

    Attributes:
        config: what was trained.
        images: what was scored.
        num_repeats: L, which may be fewer than configured.
        by_epoch: M, U and V of all images, at each epoch that is scored.
        losses: (fits, epochs) mean training losses.
        full: the run on all images, or None.
        metrics: at the last epoch ``memorization/min``, ``median``, ``max``, ``q0.95``, ``q0.999``,
            the configured quantile with its interval, the mean held-out log p in nats, and ε of
            private training.
    """

    config: ScoreConfig
    images: Dataset
    num_repeats: int
    by_epoch: Mapping[int, MemorizationScore]
    losses: np.ndarray
    full: FullRun | None
    metrics: dict[str, float]

    @property
    def final(self) -> MemorizationScore:
        """The scores at the last epoch."""
        return self.by_epoch[self.config.training.epochs]

    @property
    def highly_memorized(self) -> np.ndarray:
        """Which images are in the top 5 %, (n,) booleans."""
        return self.final.score > np.quantile(self.final.score, HIGHLY_MEMORIZED)


@dataclass(frozen=True)
class LogProbs:
    """log p of every image by every fit.

    Attributes:
        log_probs: (L, K, epochs, n) in nats.
        held_out: (L, K, n) booleans.
        losses: (L · number of folds, epochs) mean training losses.
    """

    log_probs: np.ndarray
    held_out: np.ndarray
    losses: np.ndarray

    @classmethod
    def read(cls, fits: Fits, num_repeats: int) -> "LogProbs":
        """Read the first repeats, which must be finished."""
        num_folds = number_of_folds(fits.config, len(fits.images))
        log_probs, held_out, losses = [], [], []
        for repeat in range(num_repeats):
            arrays = [fits.folder.load(Fit(repeat, fold))[0] for fold in range(num_folds)]
            masks = np.stack([fit["held_out"] for fit in arrays])
            values = np.stack([fit["log_probs"] for fit in arrays])
            losses += [fit["losses"][:, 0] for fit in arrays]
            if fits.config.num_folds == LEAVE_ONE_OUT:
                full = fits.folder.load(Fit(repeat, None))[0]["log_probs"]
                values, masks = _leave_one_out(values, masks, full)
            log_probs.append(values)
            held_out.append(masks)
        return cls(np.stack(log_probs), np.stack(held_out), np.stack(losses))

    def score(self, position: int) -> MemorizationScore:
        """The scores at an epoch, by its position among those that are scored."""
        return memorization.memorization_score(self.log_probs[:, :, position], self.held_out)

    def interval(self, quantile: float, seed: int) -> Estimate:
        """The 95 % interval of a quantile of the last scores, by bootstrap over the repeats."""
        last = self.log_probs[:, :, -1]
        return memorization.quantile_interval(last, self.held_out, quantile, seed)


def _leave_one_out(
    values: np.ndarray, masks: np.ndarray, full: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The score's definition as two models: of all images, and of all but the one that is asked.

    Args:
        values: (n, epochs, n) by the models without one image each.
        masks: (n, n) booleans: which.
        full: (epochs, n) by the model of all images.

    Returns:
        (2, epochs, n) values and (2, n) masks.
    """
    without = np.where(masks[:, np.newaxis], values, 0).sum(axis=0)
    return np.stack([full, without]), np.tile([[False], [True]], masks.shape[1])


def gather(fits: Fits, num_repeats: int) -> Score:
    """The score from the files of finished fits."""
    config, log_probs = fits.config, LogProbs.read(fits, num_repeats)
    num_folds = number_of_folds(config, len(fits.images))
    by_epoch = {epoch: log_probs.score(i) for i, epoch in enumerate(config.scored_epochs)}
    final = by_epoch[config.training.epochs]
    quantile = float(np.quantile(final.score, config.quantile))
    metrics = {**spread(final.score), "memorization/quantile": quantile}
    if num_repeats > 1:
        interval = log_probs.interval(config.quantile, config.seed)
        metrics["memorization/quantile_low"] = interval.low
        metrics["memorization/quantile_high"] = interval.high
    metrics["quality/held_out_log_prob"] = float(final.log_prob_out.mean())
    num_images = len(fits.images) - len(fits.images) // num_folds
    metrics |= config.training.privacy_metrics(num_images)
    full = _full_run(fits) if config.full_run else None
    if full:
        metrics["quality/held_out_elbo"] = full.curves[-1]["elbo/held_out"]
    return Score(config, fits.images, num_repeats, by_epoch, log_probs.losses, full, metrics)


def spread(score: np.ndarray) -> dict[str, float]:
    """Smallest, median, largest score and the paper's quantiles, by their metrics' names."""
    return {
        "memorization/min": float(score.min()),
        "memorization/median": float(np.median(score)),
        "memorization/max": float(score.max()),
        **{f"memorization/q{q}": float(np.quantile(score, q)) for q in QUANTILES},
    }


def _full_run(fits: Fits) -> FullRun:
    arrays, header = fits.folder.load(FULL)
    images = fits.images.images, fits.held_out.images, arrays["samples"]
    return FullRun(header["curves"], memorization.neighbour_ratio(*images))
