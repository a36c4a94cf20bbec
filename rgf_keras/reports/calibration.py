"""What verdicts are worth, as tables for the terminal."""

import itertools
import math

from rgf_keras.metrics.calibration import WANTED, Calibration
from rgf_keras.reports.terminal import Table
from rgf_keras.reports.values import number


def calls_table(calibration: Calibration) -> Table:
    """One line per test: how often it calls equal models, and how often skewed ones."""
    view = Table(
        title="how often a class is called different",
        caption="equal models differ in their seed alone: every call is false, 5 % are promised",
    )
    for column in ("test", "trainings", "equal models", "95 %", "skewed models"):
        view.add_column(column, justify="left" if column == "test" else "right")
    for false, true in itertools.zip_longest(calibration.false_calls, calibration.found):
        view.add_row(
            false.test,
            f"{false.trainings} v {false.references}",
            f"{number(false.rate, '.1%')} ({false.called} of {false.rows})",
            f"{false.low:.1%} to {false.high:.1%}",
            f"{number(true.rate, '.0%')} ({true.called} of {true.rows})" if true else "–",
        )
    return view


def needs_table(calibration: Calibration) -> Table:
    """One line per difference: how often it is found, and how many trainings finding it takes."""
    scatter, first = calibration.scatter, calibration.gaps[0]
    view = Table(
        title=f"trainings of each model to find a difference in {WANTED:.0%} of cases",
        caption=f"a typical class: share {scatter.share:.2f}, standard deviation over trainings "
        f"{scatter.spread:.2f} (arcsine root), {scatter.num_samples:.0f} samples",
    )
    power = f"power, {first.trainings} v {first.references}"
    times = [
        "any number of samples" if samples == "inf" else f"{samples}× the samples"
        for samples in calibration.needed[0].trainings
    ]
    for column in ("difference", power, *times):
        view.add_column(column, justify="right")
    for each in calibration.needed:
        numbers = ["> 100" if num is None else str(num) for num in each.trainings.values()]
        view.add_row(f"{each.difference:.0%}", f"{each.power:.0%}", *numbers)
    return view


def gap_lines(calibration: Calibration) -> list[str]:
    """How large a gap is nothing, a line for each pair of R_r and R_u."""
    lines = []
    for each in calibration.gaps:
        mean = math.fsum(each.balanced) / len(each.balanced)
        planted = (
            each.skewed and f"; skewed models {min(each.skewed):.2f} to {max(each.skewed):.2f}"
        )
        lines.append(
            f"gap, {each.trainings} v {each.references}: equal models {mean:.2f} on average, "
            f"nothing up to {each.nothing:.2f}{planted or ''}"
        )
    return lines
