"""Everything that determines a memorization score."""

from typing import Any, Literal

from pydantic import Field, model_validator

from rgf_keras.config.assess import ExperimentConfig
from rgf_keras.config.base import Positive
from rgf_keras.config.data import ImagesConfig
from rgf_keras.config.model import ModelConfig, VAEConfig
from rgf_keras.config.training import OptimizerConfig, TrainingConfig

LEAVE_ONE_OUT = "leave-one-out"


class ScoreConfig(ExperimentConfig):
    """Everything that determines a memorization score (NeurIPS 2021, section 3).

    Attributes:
        data: which images.
        model: what is trained; it must have a likelihood.
        training: how; the paper's recipe if not given.
        num_repeats: L, how often all folds are trained; more may be added to finished ones.
        num_folds: K in [2, number of images], or ``leave-one-out``: one fit without each image and
            one with all per repeat, which is the score's definition, for few images.
        stratified: whether every fold has the same mix of classes.
        num_samples: draws per image in log p.
        every: epochs between two times at which all images' log p is taken, besides the last one;
            None for the last only.
        quantile: of the score; what studies minimise and early stopping watches.
        tolerance: no further repeats when the quantile's 95 % interval, by bootstrap over the
            repeats, is at most this wide, in nats; None for all repeats.
        full_run: whether to train on all images too, for loss curves and samples.
    """

    data: ImagesConfig = ImagesConfig()
    model: ModelConfig = VAEConfig(architecture="mnist_mlp")
    training: TrainingConfig = TrainingConfig(
        epochs=100, optimizer=OptimizerConfig(learning_rate=1e-3, beta_1=0.9)
    )
    num_repeats: Positive = 10
    num_folds: int | Literal["leave-one-out"] = 10
    stratified: bool = False
    num_samples: Positive = 256
    every: Positive | None = 5
    quantile: float = Field(0.95, gt=0, lt=1)
    tolerance: float | None = Field(None, gt=0)
    full_run: bool = True

    @model_validator(mode="after")
    def _epochs_are_passes(self) -> "ScoreConfig":
        if self.training.passes_per_epoch > 1:
            raise ValueError(
                "training.passes_per_epoch: a score is taken by single passes; set it to 1 and "
                "training.epochs higher"
            )
        return self

    @property
    def scored_epochs(self) -> list[int]:
        """The epochs (counted from 1) at which log p is taken."""
        last = self.training.epochs
        return sorted({*range(self.every or last, last, self.every or last), last})

    def fit_identity(self) -> dict[str, Any]:
        """What fits of one folder must share: all but how many there are and what is read off."""
        extra = {"num_repeats", "quantile", "tolerance", "full_run"}
        return {name: value for name, value in self.identity().items() if name not in extra}
