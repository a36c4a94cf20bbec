"""How much privacy a training spends, by Google's accountant (the package dp-accounting)."""

from rgf_keras.errors import RgfError, how_to_install
from rgf_keras.image_sizes import require


def privacy_metrics(
    noise_multiplier: float | None, delta: float, epochs: int, batch_size: int, num_images: int
) -> dict[str, float]:
    """The metrics ``privacy/epsilon`` and ``privacy/delta`` of a whole training.

    There are none without a ``noise_multiplier``; for the other arguments see :func:`epsilon`.
    """
    if noise_multiplier is None:
        return {}
    num_steps = epochs * (num_images // batch_size)
    spent = epsilon(noise_multiplier, batch_size / num_images, num_steps, delta)
    return {"privacy/epsilon": spent, "privacy/delta": delta}


def epsilon(noise_multiplier: float, sampling_rate: float, num_steps: int, delta: float) -> float:
    """ε at δ of DP-SGD, for adding or removing one image.

    As is usual, batches count as if every image were drawn into each of them independently. The
    Trainer's batches come from shuffled passes, for which this ε is not proven and can be too
    small (Chua et al. 2024).

    Args:
        noise_multiplier: σ > 0.
        sampling_rate: batch size over number of images, in (0, 1].
        num_steps: updates.
        delta: δ in (0, 1).

    Raises:
        ArgumentError: an argument out of range.
        RgfError: the accountant is not installed.
    """
    require(noise_multiplier > 0, f"noise_multiplier must be above 0, received {noise_multiplier}")
    require(0 < sampling_rate <= 1, f"sampling_rate must lie in (0, 1], received {sampling_rate}")
    require(0 < delta < 1, f"delta must lie in (0, 1), received {delta}")
    require(num_steps >= 1, f"num_steps must be at least 1, received {num_steps}")
    try:
        from dp_accounting import GaussianDpEvent, PoissonSampledDpEvent, SelfComposedDpEvent
        from dp_accounting.pld import PLDAccountant
    except ImportError:
        raise RgfError(
            f"the privacy accountant is not installed; install it with {how_to_install('privacy')}"
        ) from None
    step = PoissonSampledDpEvent(sampling_rate, GaussianDpEvent(noise_multiplier))
    accountant = PLDAccountant().compose(SelfComposedDpEvent(step, num_steps))
    return float(accountant.get_epsilon(delta))
