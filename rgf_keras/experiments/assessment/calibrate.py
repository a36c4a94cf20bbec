"""Train equal models with several seeds, and say what verdicts over them are worth."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rgf_keras import outputs, strict_json
from rgf_keras.config import AssessConfig
from rgf_keras.experiments.assessment.materials import prepare
from rgf_keras.experiments.assessment.trainings import ALONE, Trainings
from rgf_keras.figures import calibration as figures
from rgf_keras.metrics import calibration
from rgf_keras.metrics.calibration import Calibration, Rule
from rgf_keras.runtime.workers import WorkersSpec
from rgf_keras.tracking.tracker import Context


@dataclass(frozen=True)
class CalibrationResult:
    """What came of it.

    Attributes:
        calibration: what verdicts are worth.
        balanced, skewed: (N, rows, V) counts of each training.
        files: ``calibration.json`` and ``calibration.png`` by name.
    """

    calibration: Calibration
    balanced: np.ndarray
    skewed: np.ndarray
    files: dict[str, Path]

    def record(self) -> dict[str, Any]:
        """All of it, JSON-able."""
        counts = {"balanced": self.balanced.tolist(), "skewed": self.skewed.tolist()}
        return {**self.calibration.record(), "counts": counts}


def calibrate(
    config: AssessConfig,
    context: Context,
    num_seeds: int = 8,
    num_skewed: int = 0,
    resources: WorkersSpec = ALONE,
) -> CalibrationResult:
    """Train equal models with several seeds and compare them.

    They are the references of an assessment of this configuration, and are kept with those.

    Args:
        config: what is trained; its ``evaluation`` says how many trainings a verdict compares.
        context: where it is recorded.
        num_seeds: trainings on balanced data, with the seeds ``seed``, ``seed + 1``, ….
        num_skewed: trainings on skewed data, which tell how often what is planted is found.
        resources: processes that share the trainings.

    Raises:
        RgfError: a verdict compares more trainings than there are seeds; what an assessment
            refuses.
    """
    compared = config.evaluation.designs(num_seeds, num_skewed)
    run, progress, folder = context.run, context.progress, context.folder
    materials = prepare(config, context.cache, progress)
    trainings = Trainings(config, materials, folder, progress)
    run.log_params(config.flat() | {"num_seeds": num_seeds, "num_skewed": num_skewed})
    if not resources.in_this_process:
        trainings.spread({"balanced": range(num_seeds), "skewed": range(num_skewed)}, resources)
    balanced = np.stack([each.counts for each in trainings.get("balanced", range(num_seeds))])
    planted = [each.counts for each in trainings.get("skewed", range(num_skewed))]
    skewed = np.array(planted, np.int64).reshape(-1, *balanced.shape[1:])
    evaluation = config.evaluation
    rule = Rule(config.data.rare_class, evaluation.alpha, evaluation.min_class_samples)
    found = calibration.calibrate(balanced, skewed, compared, rule)
    paths = folder / "calibration.json", figures.plot(folder / "calibration.png", found)
    calibrated = CalibrationResult(found, balanced, skewed, {path.name: path for path in paths})
    outputs.write_text(paths[0], strict_json.dumps(calibrated.record(), indent=1))
    for path in paths:
        run.log_artifact(path)
    by_test = {
        f"calibration/false_{each.test}_{each.trainings}_{each.references}": each.rate
        for each in found.false_calls
    }
    run.log_metrics({name: rate for name, rate in by_test.items() if np.isfinite(rate)}, step=0)
    return calibrated
