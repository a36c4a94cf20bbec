"""Strengths that change during training, as ``keras.optimizers.schedules``."""

from typing import Literal

from keras.optimizers import schedules

Shape = Literal["constant", "linear", "cosine"]


def until(value: float, stop_step: int, shape: Shape = "constant"):
    """A strength that starts at ``value`` and is 0 (up to rounding) from ``stop_step`` on.

    Args:
        value: strength at step 0.
        stop_step: first step (counted from 0) without it; epochs times steps per epoch.
        shape: ``"constant"`` until then (the paper's), or a ``"linear"`` or ``"cosine"`` decay.

    Returns:
        A ``keras.optimizers.schedules.LearningRateSchedule``, or 0.0 if ``stop_step`` is 0.
    """
    if stop_step < 1:
        return 0.0
    if shape == "constant":
        return schedules.PiecewiseConstantDecay([stop_step - 1], [value, 0.0])
    if shape == "linear":
        return schedules.PolynomialDecay(value, stop_step, end_learning_rate=0.0)
    return schedules.CosineDecay(value, stop_step, alpha=0.0)


def after(value: float, start_step: int, before: float = 0.0):
    """A strength that is ``value`` from ``start_step`` (counted from 0) on, and ``before`` before.

    Returns:
        A ``keras.optimizers.schedules.LearningRateSchedule``, or ``value`` if ``start_step`` is 0.
    """
    if start_step < 1:
        return value
    return schedules.PiecewiseConstantDecay([start_step - 1], [before, value])
