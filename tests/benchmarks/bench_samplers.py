"""Samplers on two cheap problems under a bound: regret after 10, 20 and 40 trials, over seeds.

``rejection`` is recorded: Fréchet distance and C_T of SAGAN on CIFAR-10, without and with
DiffAugment, at seven thresholds τ of memorization rejection (Figure 6 of arXiv 2210.12231, between
which lines are drawn). C_T is to be large while the distance is at most 1.1 times the baseline's;
τ, DiffAugment and a λ that changes nothing are searched. ``valley`` is a formula of four numbers,
no record of anything. Trials do not scatter, and the baseline is trial 0.

Command:  python tests/benchmarks/bench_samplers.py --seeds 20
"""

import argparse
import math

import numpy as np
import optuna
from optuna.samplers import TPESampler
from optuna.trial import create_trial

from rgf_keras.experiments.studies import samplers
from rgf_keras.experiments.studies.optuna_adapter import quiet
from rgf_keras.metrics.differences import Mean

AFTER = 10, 20, 40
# Beside those that have names.
OTHERS = {
    "TPESampler, not shown the baseline": lambda seed: TPESampler(
        seed=seed, n_startup_trials=samplers.NUM_RANDOM
    )
}
TAU = 0.0, 0.10, 0.12, 0.13, 0.14, 0.15, 0.16
FRECHET = {
    "none": (12.41, 12.82, 13.30, 13.36, 13.97, 15.41, 15.87),
    "diffaug": (5.08, 5.10, 5.30, 5.34, 5.54, 5.76, 6.14),
}
C_T = {
    "none": (0.05, 0.02, -0.02, 0.24, 0.27, 0.46, 0.49),
    "diffaug": (-0.70, -0.70, -0.54, -0.53, -0.46, -0.37, -0.27),
}
BOUND = 1.1 * FRECHET["none"][0]


def rejection(trial):
    """(−C_T, by how much the bound is missed) of a trial; of the baseline if it is None."""
    tau, augmentation = 0.0, "none"
    if trial:
        tau = trial.suggest_float("tau", 0.05, 0.16)
        augmentation = trial.suggest_categorical("augmentation", ["none", "diffaug"])
        trial.suggest_float("weight", 0.003, 1.0, log=True)
    c_t = float(np.interp(tau, TAU, C_T[augmentation]))
    return -c_t, float(np.interp(tau, TAU, FRECHET[augmentation])) - BOUND


def valley(trial):
    """As ``rejection``: falls along a bent valley, to somewhat beside it at the bound."""
    if trial is None:
        return 1.0, -0.6
    a, b, c = (trial.suggest_float(name, 0.0, 1.0) for name in "abc")
    weight = trial.suggest_float("weight", 1e-3, 1.0, log=True)
    d = 1 + math.log10(weight) / 3  # 0 to 1
    value = 1 - 0.75 * a + 2 * (b - a**2) ** 2 + (c - 0.3) ** 2 + 0.5 * (d - b) ** 2
    return value, a + (b - a**2) + abs(c - 0.3) - 0.6


# The smallest values within the bounds.
SMALLEST = {
    rejection: -float(np.interp(BOUND, FRECHET["none"], C_T["none"])),  # at τ = 0.135
    valley: 1 - 0.75 * (0.6 + 3 / 16) + 2 * (3 / 16) ** 2,  # c = 0.3, b = d = a² − 3/16
}


def regrets(problem, name, seed):
    """How far the best feasible trial is from the best there is, after each number of trials."""
    study = optuna.create_study()
    value, missed = problem(None)
    study.add_trial(
        create_trial(value=value, constraints={"bound": missed}, user_attrs={"baseline": True})
    )
    best = [value]
    for number in range(1, AFTER[-1]):
        # As in a study: a sampler of its own for every trial.
        chosen = OTHERS.get(name, name)
        study.sampler = samplers.make_for_search(chosen, seed + 1000 * number)
        trial = study.ask()
        value, missed = problem(trial)
        trial.set_constraint("bound", missed)
        study.tell(trial, value)
        best.append(min(best[-1], value) if missed <= 0 else best[-1])
    return [best[n - 1] - SMALLEST[problem] for n in AFTER]


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--samplers", nargs="+", default=[*samplers.SAMPLERS, *OTHERS])
    args = parser.parse_args()
    print(f"regret, mean over {args.seeds} seeds [95 % interval]\n")
    print("| problem | sampler |", " | ".join(f"{n} trials" for n in AFTER), "|")
    print("|---" * (2 + len(AFTER)) + "|")
    with quiet():
        for problem in (rejection, valley):
            for name in args.samplers:
                found = [regrets(problem, name, seed) for seed in range(args.seeds)]
                cells = " | ".join(str(Mean.of(each)) for each in zip(*found, strict=True))
                print(f"| {problem.__name__} | {name} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
