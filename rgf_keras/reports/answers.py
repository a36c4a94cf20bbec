"""What a study answers, and whether that is a finding."""

from typing import TYPE_CHECKING, Any

from rgf_keras.experiments.studies.ranking import (
    ENDED,
    SPACES,
    RepeatSummary,
    baseline_metrics,
    baseline_trial,
)
from rgf_keras.metrics.differences import Difference
from rgf_keras.reports import values

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

C_T = "copying/c_t/"  # how its names in spaces begin


def tell(elsewhere: dict[str, Difference] | None) -> list[str]:
    return [
        f"In {space}, which its mitigation does not use, C_T differs by {difference}"
        f"{'' if difference.is_found else ', which may be chance'}."
        for space, difference in (elsewhere or {}).items()
    ]


def answer(
    optuna_study: "optuna.Study",
    winner: "FrozenTrial",
    again: dict[int, RepeatSummary],
    is_finding: bool,
) -> str:
    name = optuna_study.user_attrs["minimize"]
    label = values.label(name)
    repeated = again.get(winner.number)
    violations = repeated.violations if repeated else winner.constraints
    over = {name: value for name, value in violations.items() if value > 0}
    if over:
        misses = ", ".join(f"{values.label(name)} by {value:.3g}" for name, value in over.items())
        return f"No trial keeps the bounds; trial {winner.number} is nearest, missing {misses}."
    own = str(repeated.objective) if repeated else f"{winner.value:.3f}"
    if winner.user_attrs["baseline"]:
        alone = len(optuna_study.get_trials(states=ENDED)) == 1
        start = "Only the baseline has run" if alone else "Nothing tried beats the baseline"
        return f"{start}: its {label} is {own}."
    bounds = " within the bounds" if winner.constraints else ""
    least = f"memorizes least{bounds}: {label}"
    least = least if values.is_memorization(name) else f"has the lowest {label}{bounds}:"
    trial = f"rial {winner.number} ({parameters(winner.params)}) {least} {own}"
    if repeated is None:
        return f"T{trial}, baseline {baseline_metrics(optuna_study)[name]:.3f}."
    difference = repeated.difference
    if difference is None:
        return f"No difference found: t{trial}, but a fresh training of the baseline has no result."
    seeds = f"over {repeated.objective.n} fresh trainings each"
    other = f"baseline {again[baseline_trial(optuna_study).number].objective}, difference"
    if is_finding:
        return f"Finding: t{trial}, {other} {difference} {seeds}."
    if difference.is_found and difference.value > 0:
        return f"T{trial}, more than the baseline, which does not: {other} {difference} {seeds}."
    if difference.is_found:
        start = "No finding, for it is seen only in the space that the mitigation uses"
        return f"{start}: t{trial}, {other} {difference} {seeds}."
    advice = f"about {difference.needed} trainings of each would tell one of this size"
    return f"No difference found: t{trial}, {other} {difference} {seeds}; {advice}."


def caution(winner: "FrozenTrial", again: dict[int, RepeatSummary]) -> str:
    """What to know before believing that one trial is better than the baseline."""
    reason = winner.user_attrs["reason"]
    if winner.user_attrs["baseline"] or winner.number in again or reason:
        return ""
    return (
        "Not confirmed: other seeds may turn this round. Run the study with --repeats 3 or more to "
        "train the best and the baseline again."
    )


def finding(
    winner: "FrozenTrial", again: dict[int, RepeatSummary], elsewhere: dict[str, Difference] | None
) -> bool:
    """Whether the best trial is better than the baseline by more than trainings scatter.

    Less copying must be seen in a space that its mitigations do not use, too.
    """
    repeated = again.get(winner.number)
    difference = repeated.difference if repeated and repeated.feasible else None
    if difference is None or not difference.is_found or difference.value > 0:
        return False
    return elsewhere is None or any(each.is_found and each.value > 0 for each in elsewhere.values())


def elsewhere(
    optuna_study: "optuna.Study", winner: "FrozenTrial", found: dict[str, Difference]
) -> dict[str, Difference] | None:
    """By space that the best trial's mitigations do not use: how much larger its C_T is there.

    None if that is not asked about: copying is not minimized, or no mitigation uses a space.
    """
    used = winner.user_attrs.get(SPACES)  # unknown of trials before 0.2
    if used == [] or not optuna_study.user_attrs["minimize"].startswith("copying/"):
        return None
    if used is None:
        return {}
    bounds = {f"{name}_{end}" for name in found for end in ("low", "high")}
    names = sorted(name for name in found.keys() - bounds if name.startswith(C_T))
    spaces = {name.removeprefix(C_T): found[name] for name in names}
    return {space: each for space, each in spaces.items() if space not in used}


def parameters(values: dict[str, Any]) -> str:
    """A trial's parameters in one line."""
    return ", ".join(
        f"{name}={value:.3g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in values.items()
    )
