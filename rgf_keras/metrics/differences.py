"""Means over trainings, how far these scatter, and differences, with Student's intervals."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

CONFIDENCE = 0.95
ROUNDING = 1e-9  # relative; what scatters less does not
LARGE = 1e100  # beyond it squares may overflow
MOST = 10_000  # trainings that are advised; more are out of reach
POWER = 0.8  # with which as many trainings as are advised would find a difference


@dataclass(frozen=True)
class Mean:
    """A mean of n ≥ 2 values and Student's t-interval for it."""

    value: float
    low: float
    high: float
    n: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Mean":
        from scipy.special import stdtrit  # slow to import, and seldom needed

        unit = _scale(values)
        scaled = np.divide(values, unit)
        mean = float(np.mean(scaled))
        error = float(np.std(scaled, ddof=1)) / len(values) ** 0.5
        half = error * float(stdtrit(len(values) - 1, (1 + CONFIDENCE) / 2))
        low, high = bounded((mean - half) * unit), bounded((mean + half) * unit)
        return cls(bounded(mean * unit), low, high, len(values))

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True)
class Spread:
    """How far trainings of one configuration scatter, pooled over configurations.

    Attributes:
        std: standard deviation over trainings.
        degrees: of freedom.
    """

    std: float
    degrees: int

    @classmethod
    def of(cls, groups: Iterable[Sequence[float]]) -> "Spread | None":
        """The spread of groups of trainings; None if none has two.

        >>> Spread.of([[1.0, 3.0], [5.0, 5.0, 5.0], [7.0]])
        Spread(std=0.816496580927726, degrees=3)
        """
        several = [np.asarray(group) for group in groups if len(group) > 1]
        if not several:
            return None
        unit = _scale(*several)
        degrees = sum(len(group) - 1 for group in several)
        scaled = [group / unit for group in several]
        squares = sum(float(np.sum((group - group.mean()) ** 2)) for group in scaled)
        return cls(bounded((squares / degrees) ** 0.5 * unit), degrees)

    def is_larger(self, values: Sequence[float], others: Sequence[float]) -> bool:
        """Whether the mean of some trainings lies above others' by more than chance (one-sided)."""
        from scipy.special import stdtrit

        unit = _scale(values, others)
        error = self.std / unit * (1 / len(values) + 1 / len(others)) ** 0.5
        quantile = float(stdtrit(self.degrees, CONFIDENCE))
        return mean_of(values) / unit - mean_of(others) / unit > quantile * error


@dataclass(frozen=True)
class Difference:
    """A difference of means over trainings, and its t-interval.

    Attributes:
        value, low, high: in units of what is measured; no interval where nothing scatters.
        needed: trainings of each that would probably tell a difference of this size from chance.
    """

    value: float
    low: float | None
    high: float | None
    needed: int

    @classmethod
    def between(
        cls, values: Sequence[float], others: Sequence[float], num_tests: int = 1
    ) -> "Difference":
        """Welch's interval if there are three or more of each, else Student's.

        Where nothing scatters there is no interval: values that are alike say nothing of chance.

        Args:
            values, others: of two or more trainings each.
            num_tests: of how many such differences the best is looked at (Bonferroni).

        >>> Difference.between([1.0, 2.0, 3.0], [4.0, 5.0, 6.0]).high < 0
        True
        """
        from scipy.special import ndtri, stdtrit

        unit = _scale(values, others)
        values, others = ([value / unit for value in each] for each in (values, others))
        n, m = len(values), len(others)
        variances = [float(np.var(each, ddof=1)) for each in (values, others)]
        pooled = ((n - 1) * variances[0] + (m - 1) * variances[1]) / (n + m - 2)
        parts = [variances[0] / n, variances[1] / m]
        degrees = float(n + m - 2)
        if min(n, m) < 3 or not sum(parts):
            parts = [pooled / n, pooled / m]
        else:
            squares = parts[0] ** 2 / (n - 1) + parts[1] ** 2 / (m - 1)
            degrees = sum(parts) ** 2 / squares
        value = float(np.mean(values) - np.mean(others))
        tail = (1 - CONFIDENCE) / 2 / num_tests
        half = sum(parts) ** 0.5 * float(stdtrit(degrees, 1 - tail))
        quantiles = float(ndtri(1 - tail) + ndtri(POWER))
        if pooled**0.5 <= ROUNDING * np.max(np.abs([*values, *others])):
            return cls(bounded(value * unit), None, None, MOST)
        effect = abs(value) / pooled**0.5
        needed = MOST if effect < 0.01 else min(MOST, int(np.ceil(2 * (quantiles / effect) ** 2)))
        low, high = bounded((value - half) * unit), bounded((value + half) * unit)
        return cls(bounded(value * unit), low, high, max(2, needed))

    @classmethod
    def paired(
        cls, values: Sequence[float], others: Sequence[float], num_tests: int = 1
    ) -> "Difference":
        """The t interval of the mean of the differences of pairs of trainings.

        Trainings of one seed begin with the same weights and see the same noise and the same order
        of images; what is unlucky for one is unlucky for the other. Where no two differences
        differ they are compared as :meth:`between` does.

        Args:
            values, others: of two or more trainings each, of the same seeds in the same order.
            num_tests: as for :meth:`between`.

        >>> Difference.paired([1.0, 5.2, 9.1], [2.0, 6.0, 10.0]).high < 0
        True
        """
        from scipy.special import ndtri, stdtrit

        unit = _scale(values, others)
        pairs = np.divide(values, unit) - np.divide(others, unit)
        if pairs.std() <= ROUNDING * np.max(np.abs([*values, *others])) / unit:
            return cls.between(values, others, num_tests)
        value, std = float(pairs.mean()), float(pairs.std(ddof=1))
        tail = (1 - CONFIDENCE) / 2 / num_tests
        half = std / len(pairs) ** 0.5 * float(stdtrit(len(pairs) - 1, 1 - tail))
        effect = abs(value) / std
        quantiles = float(ndtri(1 - tail) + ndtri(POWER))
        needed = MOST if effect < 0.01 else min(MOST, int(np.ceil((quantiles / effect) ** 2)))
        low, high = bounded((value - half) * unit), bounded((value + half) * unit)
        return cls(bounded(value * unit), low, high, max(2, needed))

    @classmethod
    def of_seeds(
        cls, values: Mapping[int, float], others: Mapping[int, float], num_tests: int = 1
    ) -> "Difference":
        """Compare trainings by their seeds, in pairs if there are three or more of the same."""
        seeds = sorted(values)
        if values.keys() == others.keys() and len(seeds) >= 3:
            pairs = [values[seed] for seed in seeds], [others[seed] for seed in seeds]
            return cls.paired(*pairs, num_tests)
        return cls.between([*values.values()], [*others.values()], num_tests)

    @property
    def is_found(self) -> bool:
        """Whether the interval excludes zero."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return f"{self.value:.3f} (without an interval, for nothing scatters)"
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def _scale(*groups: Iterable[float]) -> float:
    """What to divide values by so that their squares and sums are finite: 1 but for huge ones."""
    largest = max(abs(float(value)) for group in groups for value in group)
    return largest if largest > LARGE else 1.0


def mean_of(values: Sequence[float]) -> float:
    unit = _scale(values)
    return float(np.mean(np.divide(values, unit))) * unit


def bounded(value: float) -> float:
    """The nearest number that is finite."""
    return min(max(value, -sys.float_info.max), sys.float_info.max)
