"""What verdicts are worth, as a picture."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from rgf_keras.figures.images import save
from rgf_keras.figures.style import styled, turn_names
from rgf_keras.metrics.calibration import WANTED, Calibration
from rgf_keras.metrics.power import power

TRAININGS = range(2, 17)


@styled
def plot(path: Path, calibration: Calibration) -> Path:
    """Save false calls by test, gaps of equal and of skewed models, and power by trainings."""
    calls, gaps, found = Figure((13, 4)).subplots(1, 3)
    names = [f"{c.test}\n{c.trainings} v {c.references}" for c in calibration.false_calls]
    places = np.arange(len(names))
    rates = np.array([c.rate for c in calibration.false_calls])
    ends = np.array([(c.low, c.high) for c in calibration.false_calls]).T
    spread = np.abs(ends - rates)
    calls.errorbar(places, rates, yerr=spread, fmt="o", capsize=2, label="equal models (false)")
    if calibration.found:
        shares = [c.rate for c in calibration.found]
        calls.plot(places, shares, "s", color="C1", label="skewed models (found)")
    calls.axhline(0.05, color="grey", linewidth=0.8, linestyle="--")
    calls.set_xticks(places, names, fontsize=7)
    calls.set(ylabel="share of classes that are called", ylim=(-0.02, 1.02))
    for place, each in enumerate(calibration.gaps):
        for values, colour, label in (
            (each.balanced, "C0", "equal models"),
            (each.skewed, "C1", "skewed models"),
        ):
            gaps.plot(
                [place] * len(values), values, "o", color=colour, alpha=0.5,
                label=label if place == 0 and values else None,
            )  # fmt: skip
        gaps.hlines(each.nothing, place - 0.3, place + 0.3, color="grey", linestyle="--")
    designs = [f"{each.trainings} v {each.references}" for each in calibration.gaps]
    gaps.set_xticks(range(len(designs)), designs)
    gaps.set(xlabel="trainings", ylabel="gap (below the line: nothing)", ylim=(0, None))
    for difference in (each.difference for each in calibration.needed):
        curve = [power(difference, calibration.scatter, n, n) for n in TRAININGS]
        found.plot(TRAININGS, curve, label=f"{difference:.0%}")
    found.axhline(WANTED, color="grey", linewidth=0.8, linestyle="--")
    found.set(xlabel="trainings of each model", ylabel="power", ylim=(0, 1.02))
    found.legend(title="difference", fontsize=7)
    calls.legend(fontsize=7)
    gaps.legend(fontsize=7)
    turn_names(calls)
    return save(calls, path)
