"""Configurations: checked, frozen, to and from YAML, flat for MLflow."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

import yaml
from pydantic import BaseModel, Field, ValidationError, model_validator

from rgf_keras.errors import RgfError
from rgf_keras.experiments.model_config import (
    ADVERSARIAL,
    UNMITIGATED,
    Config,
    GANConfig,
    ModelConfig,
    Positive,
)

Kind = TypeVar("Kind", bound="ExperimentConfig")


class DataConfig(Config):
    """What to train on.

    Attributes:
        name: a data set that ``rgf_keras.datasets.load`` knows.
        factor: the factor to plant, or the data set's own factor of this name; ``none`` for images
            as they are, which copies can be looked for in.
        factor_parameters: its arguments; for a data set's own factor ``values``, in their order.
        rare_class: the class that has the factor's rare value.
        rarity: see :func:`rgf_keras.datasets.skewed`; in [0.5, 1] for two values.
        num_train: use only so many training images; None for all.
        num_test: use only so many test images; None for all.
    """

    name: str = "mnist-10k"
    factor: str = "colour"
    factor_parameters: dict[str, Any] = Field({})
    rare_class: int = Field(1, ge=0)
    rarity: float = Field(1.0, gt=0, le=1)
    num_train: Positive | None = None
    num_test: Positive | None = None


class OptimizerConfig(Config):
    """``adam`` (learning_rate, beta_1) or ``sgd`` (learning_rate, momentum)."""

    name: Literal["adam", "sgd"] = "adam"
    learning_rate: float = Field(2e-4, gt=0)
    beta_1: float = Field(0.5, ge=0, lt=1)
    momentum: float = Field(0.0, ge=0, lt=1)


class PrivacyConfig(Config):
    """DP-SGD, see :class:`rgf_keras.training.Privacy`; on JAX, for VAEs without BatchNorm.

    Attributes:
        noise_multiplier: σ, noise over clipping norm; None for no privacy.
        clip_norm: largest norm of one image's gradient.
        delta: δ for which ε is reported.
    """

    noise_multiplier: float | None = Field(None, gt=0)
    clip_norm: float = Field(1.0, gt=0)
    delta: float = Field(1e-5, gt=0, lt=1)


class TrainingConfig(Config):
    """How to train.

    Attributes:
        epochs: passes over the training images.
        batch_size: images per step.
        optimizer: for every player.
        player_optimizers: for single players instead, by name, e.g. ``discriminator``.
        player_turns: turns per step of players that have more than one, by name.
        ema_decay: sample from a moving average of the weights; None for the weights themselves.
        ema_start: the first step (counted from 0) that the average remembers.
        privacy: differentially private updates.
    """

    epochs: Positive = 200
    batch_size: Positive = 64
    optimizer: OptimizerConfig = OptimizerConfig()
    player_optimizers: dict[str, OptimizerConfig] = Field({})
    player_turns: dict[str, Positive] = Field({})
    ema_decay: float | None = Field(None, gt=0, lt=1)
    ema_start: int = Field(0, ge=0)
    privacy: PrivacyConfig = PrivacyConfig()


class SpectralDecouplingConfig(Config):
    """The penalty (λ/2)·mean(ŷ²) on the discriminator's real logits.

    Attributes:
        weight: λ ≥ 0; 0 is the unmitigated baseline.
        stop_epoch: the first epoch (counted from 0) without it; None for never.
        shape: how λ falls until then.
    """

    weight: float = Field(0.0, ge=0)
    stop_epoch: int | None = Field(None, ge=0)
    shape: Literal["constant", "linear", "cosine"] = "constant"


class RejectionConfig(Config):
    """Memorization rejection on the generator's turn.

    Attributes:
        threshold: τ in [0, 2]; ``"auto"`` for the mean leave-one-out distance of the training set;
            None for no rejection.
        quantile: τ is this quantile of the training set's leave-one-out distances instead.
        factor: times which ``"auto"`` or the quantile is taken.
        warm_up_epochs: epochs without rejection.
        mode: ``"mask"`` (as published) or ``"resample"`` (Algorithm 1, bounded).
        num_redraws: further batches that are drawn in mode ``"resample"``.
        reject_for_discriminator: the paper's "GD".
        embedding: ``"oracle"``, ``"pixels"`` or a network of ``metrics.features.APPLICATIONS``.
        embedding_weights: of such a network: ``"imagenet"`` or a file.
    """

    threshold: Annotated[float, Field(ge=0, le=2)] | Literal["auto"] | None = None
    quantile: float | None = Field(None, gt=0, lt=1)
    factor: float = Field(1.0, gt=0)
    warm_up_epochs: int = Field(0, ge=0)
    mode: Literal["mask", "resample"] = "mask"
    num_redraws: Positive = 3
    reject_for_discriminator: bool = False
    embedding: str = "oracle"
    embedding_weights: str = "imagenet"

    @property
    def active(self) -> bool:
        return self.threshold is not None or self.quantile is not None

    @model_validator(mode="after")
    def _one_threshold(self) -> "RejectionConfig":
        if self.threshold is not None and self.quantile is not None:
            raise ValueError("rejection.threshold and rejection.quantile exclude each other")
        return self


class OracleConfig(Config):
    """How the oracles are trained: the paper's recipe (SGD, 8 epochs of 60,000 images).

    Attributes:
        num_train: balanced images to train on; None for as many as the generator has.
        epochs: passes over the balanced training images.
        batch_size: images per step.
        learning_rate: of SGD.
        momentum: of SGD.
        min_accuracy: held-out accuracy below which an assessment refuses.
    """

    num_train: Positive | None = None
    epochs: Positive = 8
    batch_size: Positive = 64
    learning_rate: float = Field(0.01, gt=0)
    momentum: float = Field(0.5, ge=0, lt=1)
    min_accuracy: float = Field(0.92, ge=0, le=1)


class EvaluationConfig(Config):
    """How a trained model is judged.

    Attributes:
        num_samples: M, images drawn from each model.
        fast: whether a model that draws in many steps shall take few.
        every: epochs between evaluations during training; None for only at the end.
        reference: whose P_u to compare with: a balanced model trained like the one under test
            (``own``) or without its mitigation (``shared``, as the paper did for spectral
            decoupling).
        test: which z decides.
        alpha: two-sided level.
        min_class_samples: fewer samples of a class are too few.
        num_resamples: bootstrap resamples for the Fréchet distance's interval.
    """

    num_samples: Positive = 1000
    fast: bool = False
    every: Positive | None = None
    reference: Literal["own", "shared"] = "own"
    test: Literal["two_sample", "sample", "reference"] = "two_sample"
    alpha: float = Field(0.05, gt=0, lt=1)
    min_class_samples: Positive = 10
    num_resamples: int = Field(100, ge=2)


class ExperimentConfig(Config):
    """Everything that determines the result of one experiment."""

    training: TrainingConfig = TrainingConfig()
    seed: int = Field(0, ge=0)

    def with_values(self, values: dict[str, Any]) -> Self:
        """A changed copy.

        Args:
            values: by dotted key, e.g. ``{"spectral_decoupling.weight": 0.1}``.

        Raises:
            RgfError: an unknown key or a bad value, named.
        """
        tree: Any = self.model_dump(mode="json")
        for key, value in values.items():
            *parents, leaf = key.split(".")
            node = tree
            for parent in parents:
                node = node.setdefault(parent, {}) if isinstance(node, dict) else None
            if not isinstance(node, dict):
                raise RgfError(f"configuration: unknown key '{key}'")
            node[leaf] = value
        return parse(tree, type(self))

    def flat(self) -> dict[str, Any]:
        """Values by dotted key."""
        return dict(_flatten(self.model_dump(mode="json"), ""))

    def to_yaml(self) -> str:
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False)


class AssessConfig(ExperimentConfig):
    """Everything that determines one assessment."""

    data: DataConfig = DataConfig()
    model: ModelConfig = GANConfig()
    spectral_decoupling: SpectralDecouplingConfig = SpectralDecouplingConfig()
    rejection: RejectionConfig = RejectionConfig()
    oracle: OracleConfig = OracleConfig()
    evaluation: EvaluationConfig = EvaluationConfig()

    @model_validator(mode="after")
    def _mitigation_fits_model(self) -> "AssessConfig":
        for name, active in (
            ("spectral_decoupling", self.spectral_decoupling.weight > 0),
            ("rejection", self.rejection.active),
        ):
            if active and self.model.family not in ADVERSARIAL:
                raise ValueError(
                    f"{name} needs a discriminator: set model.family to gan, sagan or biggan"
                )
        return self

    def unmitigated(self) -> "AssessConfig":
        """The same without mitigation."""
        plain = UNMITIGATED.get(self.model.family, {})
        return self.model_copy(
            update={
                "model": self.model.model_copy(update=plain),
                "training": self.training.model_copy(update={"privacy": PrivacyConfig()}),
                "spectral_decoupling": SpectralDecouplingConfig(),
                "rejection": RejectionConfig(),
            }
        )


def parse(tree: Any, kind: type[Kind] = AssessConfig) -> Kind:  # type: ignore[assignment]
    """A configuration of some kind from nested dicts.

    Raises:
        RgfError: an unknown key or a bad value, named.
    """
    try:
        return kind.model_validate(tree)
    except ValidationError as error:
        raise RgfError(f"configuration: {explain(error)}") from None


def read(path: str | Path, kind: type[Kind] = AssessConfig) -> Kind:  # type: ignore[assignment]
    """A configuration of some kind from a YAML file.

    Raises:
        RgfError: the file is missing or no YAML; an unknown key or a bad value, named.
    """
    try:
        return parse(yaml.safe_load(Path(path).read_text()) or {}, kind)
    except (OSError, UnicodeDecodeError) as error:
        raise RgfError(f"cannot read {path}: {getattr(error, 'strerror', error)}") from None
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f" (line {where.line + 1})" if where else ""
        raise RgfError(f"{path} is no YAML{line}") from None


def explain(error: ValidationError) -> str:
    """Pydantic's complaints in one line."""
    return "; ".join(
        f"{'.'.join(map(str, item['loc'])) or 'values'}: {_message(item)}"
        + ("" if isinstance(item["input"], dict | BaseModel) else f", received {item['input']!r}")
        for item in error.errors()
    )


def _message(item: Any) -> str:
    return "unknown key" if item["type"] == "extra_forbidden" else item["msg"]


def _flatten(tree: dict[str, Any], prefix: str) -> Iterable[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
