"""How models are trained."""

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, model_validator

from rgf_keras.config.base import LATER, Config, Positive
from rgf_keras.config.mitigation import PrivacyConfig
from rgf_keras.errors import RgfError, did_you_mean, first_line

if TYPE_CHECKING:
    import keras

# Arguments with a field of their own; what they mean differs from optimizer to optimizer.
OWN = ("beta_1", "momentum")


class ScheduleConfig(Config):
    """A learning rate that changes.

    Attributes:
        name: one of ``keras.optimizers.schedules``, e.g. ``CosineDecay``.
        arguments: of it; steps are training steps.
    """

    name: str
    arguments: dict[str, Any]

    def build(self) -> "keras.optimizers.schedules.LearningRateSchedule":
        """The schedule.

        Raises:
            RgfError: Keras has no such schedule, or it takes no such arguments.
        """
        from keras.optimizers import schedules

        known = [name for name in dir(schedules) if name[0].isupper()]
        if self.name not in known:
            raise RgfError(
                f"training.optimizer.learning_rate.name: Keras has no schedule '{self.name}'"
                + did_you_mean(self.name, known)
            )
        try:
            return getattr(schedules, self.name)(**self.arguments)
        except (TypeError, ValueError) as error:
            raise RgfError(
                f"training.optimizer.learning_rate: {self.name}: {first_line(error)}"
            ) from error


class OptimizerConfig(Config):
    """Any optimizer of Keras.

    Attributes:
        name: as ``keras.optimizers.get`` knows it, e.g. ``adam``, ``adamw``, ``sgd``, ``lion``.
        learning_rate: a number or a schedule.
        beta_1: of optimizers that have it.
        momentum: of optimizers that have it.
        arguments: further ones, e.g. ``{beta_2: 0.99, epsilon: 1.0e-8, weight_decay: 0.01}``.
    """

    name: str = "adam"
    learning_rate: Annotated[float, Field(gt=0)] | ScheduleConfig = 2e-4
    beta_1: float = Field(0.5, ge=0, lt=1)
    momentum: float = Field(0.0, ge=0, lt=1)
    arguments: dict[str, Any] = Field({}, json_schema_extra=LATER)

    def build(self) -> "keras.optimizers.Optimizer":
        """The optimizer, new.

        Raises:
            RgfError: Keras has no such optimizer, or it takes no such arguments.
        """
        import keras

        rate = self.learning_rate
        given = {"learning_rate": rate.build() if isinstance(rate, ScheduleConfig) else rate}
        try:
            kind = type(keras.optimizers.get(self.name))
        except ValueError:
            known = [name.lower() for name in dir(keras.optimizers) if name[0].isupper()]
            raise RgfError(
                f"training.optimizer.name: Keras has no optimizer '{self.name}'"
                + did_you_mean(self.name, known)
            ) from None
        known = [*inspect.signature(kind).parameters]
        for name in OWN:
            if name in known:
                given[name] = getattr(self, name)
            elif getattr(self, name) != type(self).model_fields[name].default:
                raise RgfError(f"training.optimizer.{name}: {self.name} has no {name}")
        for name in self.arguments:
            if name not in known or name in given:
                raise RgfError(
                    f"training.optimizer.arguments: {self.name} has no further argument '{name}'"
                    + did_you_mean(name, sorted(set(known) - given.keys()))
                )
        try:
            return kind(**given, **self.arguments)
        except (TypeError, ValueError) as error:
            raise RgfError(f"training.optimizer: {self.name}: {first_line(error)}") from error


class TrainingConfig(Config):
    """How to train.

    Attributes:
        epochs: how often the model is looked at; each is a pass over the training images, or
            several.
        passes_per_epoch: more than one for few images, so that an epoch is not a step or two.
        batch_size: images per step.
        optimizer: for every player.
        player_optimizers: for single players instead, by name, e.g. ``discriminator``.
        player_turns: turns per step of players that have more than one, by name.
        ema_decay: sample from a moving average of the weights; None for the weights themselves.
        ema_start: the first step (counted from 0) that the average remembers.
        privacy: differentially private updates.
    """

    epochs: Positive = 200
    passes_per_epoch: Positive = Field(1, json_schema_extra=LATER)
    batch_size: Positive = 64
    optimizer: OptimizerConfig = OptimizerConfig()
    player_optimizers: dict[str, OptimizerConfig] = Field({})
    player_turns: dict[str, Positive] = Field({})
    ema_decay: float | None = Field(None, gt=0, lt=1)
    ema_start: int = Field(0, ge=0)
    privacy: PrivacyConfig = PrivacyConfig()

    def build_optimizers(self, players: list[str]) -> Mapping[str, "keras.optimizers.Optimizer"]:
        """One optimizer per player's name.

        Raises:
            RgfError: see :meth:`OptimizerConfig.build`.
        """
        return {name: self.player_optimizers.get(name, self.optimizer).build() for name in players}

    def check_privacy(self, model: "keras.Model") -> None:
        """Refuse private training of a model that it cannot be had of.

        Raises:
            RgfError: see :meth:`rgf_keras.training.Privacy.check`.
        """
        privacy = self.privacy.build()
        if privacy and hasattr(model, "players"):
            try:
                privacy.check(model, model.players())
            except RgfError as error:
                raise RgfError(f"training.privacy: {error}") from error

    def privacy_metrics(self, num_images: int) -> dict[str, float]:
        """What training on so many images spends of privacy, see `training.accounting`."""
        if self.privacy.noise_multiplier is None:
            return {}
        from rgf_keras.training.accounting import privacy_metrics

        noise, delta = self.privacy.noise_multiplier, self.privacy.delta
        return privacy_metrics(noise, delta, self.epochs, self.batch_size, num_images)

    @model_validator(mode="after")
    def _privacy_counts_passes(self) -> "TrainingConfig":
        if self.privacy.active and self.passes_per_epoch > 1:
            raise ValueError(
                "training.passes_per_epoch: the ε of private training is of single passes; set it "
                "to 1 and training.epochs higher"
            )
        return self

    @property
    def images_per_step(self) -> int:
        """How many images a training step sees."""
        return self.batch_size * max([1, *self.player_turns.values()])
