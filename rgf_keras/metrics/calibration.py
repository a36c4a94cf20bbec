"""What verdicts are worth: how often they call equal models different, and what they find.

Equal models are trainings on the same balanced data that differ in their seed (Bouthillier et al.
2021): whatever a test calls is false. The scatter of these trainings says how large a gap is
nothing, and how many trainings it takes to find a difference (Agarwal et al. 2021).
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, get_args

import numpy as np
import scipy

from rgf_keras.errors import ArgumentError
from rgf_keras.metrics import power, rgf, rgf_table
from rgf_keras.metrics.checks import check_at_least, check_counts
from rgf_keras.metrics.trainings import compare_trainings

CALLED = ("memorized", "deviates")
DIFFERENCES = (0.1, 0.2, 0.3, 0.4, 0.5)
SAMPLES = (1.0, 4.0, np.inf)
WANTED = 0.8


@dataclass(frozen=True)
class Calls:
    """How often a test calls a class different.

    Attributes:
        test: of ``evaluation.test``.
        trainings, references: R_r and R_u.
        called, rows: calls, and classes with enough samples, over all ways to choose trainings.
        low, high: 95 % Wilson interval of their share, as if rows were independent; rows that share
            a training are not quite.
    """

    test: rgf_table.Test
    trainings: int
    references: int
    called: int
    rows: int
    low: float
    high: float

    @property
    def rate(self) -> float:
        """In [0, 1]; NaN without rows."""
        return self.called / self.rows if self.rows else np.nan


@dataclass(frozen=True)
class Gaps:
    """Gaps between trainings, by R_r and R_u.

    Attributes:
        trainings, references: R_r and R_u.
        balanced: of balanced models to balanced ones, one for each way to choose them.
        nothing: gaps up to this one are nothing: 95 % of those of equal models are below
            (t prediction).
        skewed: of skewed models to balanced ones.
    """

    trainings: int
    references: int
    balanced: list[float]
    nothing: float
    skewed: list[float]


@dataclass(frozen=True)
class SampleSize:
    """What finding a difference takes.

    Attributes:
        difference: of a class's shares.
        power: of the configuration's trainings and references.
        trainings: of each model, for a power of 80 %, by how many times as many samples as now;
            None if it takes more than a hundred.
    """

    difference: float
    power: float
    trainings: dict[str, int | None]


@dataclass(frozen=True)
class Calibration:
    """What verdicts are worth.

    Attributes:
        false_calls: of equal models, by test.
        found: of skewed models, as memorized; empty without such.
        gaps: by R_r and R_u.
        scatter: of a typical class over trainings.
        needed: by difference.
    """

    false_calls: list[Calls]
    found: list[Calls]
    gaps: list[Gaps]
    scatter: power.Scatter
    needed: list[SampleSize]

    def record(self) -> dict[str, Any]:
        """All of it, JSON-able."""
        return asdict(self)


@dataclass(frozen=True)
class Rule:
    """How rows are tested.

    Attributes:
        rare_class: k.
        alpha: two-sided level.
        min_class_samples: fewer samples of a class in a training are too few.
    """

    rare_class: int
    alpha: float = 0.05
    min_class_samples: int = 10


def calibrate(
    balanced: np.ndarray,
    skewed: np.ndarray,
    designs: Sequence[tuple[int, int]],
    rule: Rule,
) -> Calibration:
    """What counts of several trainings say of verdicts.

    Args:
        balanced: (N, rows, V) of equal trainings, samples by row and value of the factor; the last
            row is of all classes together.
        skewed: (S, rows, V) of skewed ones; S may be 0.
        designs: pairs (R_r, R_u) of trainings that a verdict compares, R_r + R_u ≤ N and R_r ≤ S.
        rule: how rows are tested.

    Raises:
        ArgumentError: counts of other shapes, or that are none; more trainings compared than there
            are; no class has enough samples.
    """
    balanced, skewed = _check(balanced, skewed, designs)
    tests: list[tuple[rgf_table.Test, int, int]] = [("trainings", *each) for each in designs]
    tests += [(test, 1, 1) for test in get_args(rgf.Test)]
    false_calls, found = [], []
    for test, tested, known in tests:
        verdicts = _verdicts(rule, test, _equal(balanced, tested, known))
        false_calls.append(_calls(test, tested, known, verdicts, CALLED))
        if len(skewed):
            verdicts = _verdicts(rule, test, _planted(skewed, balanced, tested, known))
            found.append(_calls(test, tested, known, verdicts, ("memorized",)))
    scatter = power.scatter(balanced, rule.min_class_samples)
    return Calibration(
        false_calls,
        found,
        [_gaps(balanced, skewed, *each, rule.min_class_samples) for each in designs],
        scatter,
        [_needed(difference, scatter, designs[0], rule.alpha) for difference in DIFFERENCES],
    )


def _check(
    balanced: np.ndarray, skewed: np.ndarray, designs: Sequence[tuple[int, int]]
) -> list[np.ndarray]:
    counts = check_counts(balanced=balanced, skewed=skewed)
    shapes = [each.shape for each in counts]
    if counts[0].ndim != 3 or shapes[0][0] < 2 or shapes[0][1:] != shapes[1][1:]:
        raise ArgumentError(
            "balanced and skewed must be (trainings, rows, values) of the same rows and values, "
            f"two balanced ones at least, received {shapes[0]} and {shapes[1]}"
        )
    check_at_least(1, designs=len(designs))
    for tested, known in designs:
        check_at_least(1, trainings=tested, references=known)
        if tested + known > shapes[0][0] or 0 < shapes[1][0] < tested:
            raise ArgumentError(
                f"{tested} trainings against {known} references are more than there are: "
                f"{shapes[0][0]} balanced and {shapes[1][0]} skewed"
            )
    return [each.astype(np.int64) for each in counts]


Pairs = Iterator[tuple[np.ndarray, np.ndarray]]


def _equal(balanced: np.ndarray, tested: int, known: int) -> Pairs:
    """Ways to take both sides from the balanced trainings: all pairs, else one from each place."""
    num = len(balanced)
    if tested == known == 1:
        yield from (
            (balanced[[i]], balanced[[j]]) for i, j in itertools.permutations(range(num), 2)
        )
        return
    for i in range(num):
        turned = np.roll(balanced, -i, axis=0)
        yield turned[:tested], turned[tested : tested + known]


def _planted(skewed: np.ndarray, balanced: np.ndarray, tested: int, known: int) -> Pairs:
    """Ways to take one side from the skewed and one from the balanced trainings."""
    for i, j in itertools.product(range(len(skewed)), range(len(balanced))):
        yield np.roll(skewed, -i, axis=0)[:tested], np.roll(balanced, -j, axis=0)[:known]


def _verdicts(rule: Rule, test: rgf_table.Test, pairs: Pairs) -> list[str]:
    """Those of the classes, all together left out."""
    verdicts = []
    for counts, reference in pairs:
        names = [str(i) for i in range(counts.shape[1] - 1)]
        options = (rule.rare_class, test, rule.alpha, rule.min_class_samples)
        table = rgf_table.build(counts, reference, names, *options)
        verdicts += [row.verdict for row in table[:-1]]
    return verdicts


def _calls(
    test: rgf_table.Test, tested: int, known: int, verdicts: Sequence[str], words: Sequence[str]
) -> Calls:
    decided = [verdict for verdict in verdicts if verdict != rgf.TOO_FEW]
    called = sum(verdict in words for verdict in decided)
    low, high = map(float, rgf.wilson_interval(np.array(called), np.array(len(decided))))
    return Calls(test, tested, known, called, len(decided), low, high)


def _gaps(
    balanced: np.ndarray, skewed: np.ndarray, tested: int, known: int, min_class_samples: int
) -> Gaps:
    equal, planted = (
        [compare_trainings(*pair, None, 0.05, min_class_samples).gap for pair in pairs]
        for pairs in (
            _equal(balanced, tested, known),
            _planted(skewed, balanced, tested, known),
        )
    )
    num = len(equal)
    half = scipy.stats.t.ppf(0.95, num - 1) * np.std(equal, ddof=1) * np.sqrt(1 + 1 / num)
    return Gaps(tested, known, equal, min(float(np.mean(equal) + half), 1.0), planted)


def _needed(
    difference: float, known: power.Scatter, design: tuple[int, int], alpha: float
) -> SampleSize:
    return SampleSize(
        difference,
        power.power(difference, known, *design, alpha=alpha),
        {
            f"{samples:g}": power.trainings_needed(difference, known, samples, WANTED, alpha)
            for samples in SAMPLES
        },
    )
