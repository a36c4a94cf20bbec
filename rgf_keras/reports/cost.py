"""What commands would train: counted without Keras, and told before it begins."""

from typing import TYPE_CHECKING

from rgf_keras.config import AssessConfig, ScoreConfig

if TYPE_CHECKING:
    from rgf_keras.experiments.studies.study import Study

Experiment = AssessConfig | ScoreConfig
KEPT = "what was trained before is not trained again"


def of_assessment(config: AssessConfig, num_images: int) -> str:
    """What an assessment costs, in one line.

    Args:
        config: of the assessment.
        num_images: that it trains on.
    """
    own, balanced = config.evaluation.num_trainings, config.evaluation.references
    each = f"{own} on skewed and {balanced} on balanced data"
    drawn = f"{config.evaluation.num_samples} samples of each"
    training = _of_training(config, num_images)
    all_of_them = _count(own + balanced, "training")
    return f"cost: {all_of_them} of {training} ({each}), oracles, {drawn}; {KEPT}"


def of_trainings(config: AssessConfig, num_images: int, num_trainings: int) -> str:
    """What several trainings of a configuration cost, in one line."""
    training = _of_training(config, num_images)
    drawn = f"{config.evaluation.num_samples} samples of each"
    return f"cost: {_count(num_trainings, 'training')} of {training}, oracles, {drawn}; {KEPT}"


def of_study(study: "Study", num_images: int | None = None) -> str:
    """What a study costs at most, in one line.

    Args:
        study: what is to be run.
        num_images: that the baseline trains on; None if what a trial does is the study's own.
    """
    again = study.repeats * (1 + study.candidates)
    told = f"cost: {_count(study.num_trials, 'trial')}"
    told += f" and {_count(again, 'repeat')} of the best and the baseline" if again else ""
    if study.trainings > 1:
        told += f", {study.trainings} seeds each"
    if num_images is None or not isinstance(study.baseline, AssessConfig):
        return f"{told}, {study.baseline.training.epochs} epochs in the baseline's training"
    evaluation, training = study.baseline.evaluation, _of_training(study.baseline, num_images)
    own = _count(evaluation.num_trainings, "training")
    return (
        f"{told}; the baseline has {own} of {training}, and {evaluation.references} on balanced "
        f"data; {KEPT}"
    )


def _count(num: int, what: str) -> str:
    return f"{num} {what}" if num == 1 else f"{num} {what}s"


def _of_training(config: AssessConfig, num_images: int) -> str:
    return f"{steps(config, num_images)} steps of {config.training.images_per_step} images"


def steps(config: Experiment, num_images: int) -> int:
    training = config.training
    return num_images * training.passes_per_epoch // training.images_per_step * training.epochs
