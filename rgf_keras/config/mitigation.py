"""Ways against memorization that a configuration can switch on.

A mitigation is a field of a configuration: that it needs a player, is switched off for a reference
model and belongs to the key of a cached one follows from :class:`Mitigation`.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from rgf_keras import plugins
from rgf_keras.cache import Cache
from rgf_keras.config.base import LATER, Config, Positive
from rgf_keras.errors import RgfError

if TYPE_CHECKING:
    import numpy as np

    from rgf_keras.metrics.features import FeatureExtractor
    from rgf_keras.training import Privacy, Regularizer

# A distance is never below 0, so nothing is rejected at this threshold.
NOTHING = -1.0


@dataclass(frozen=True)
class Setting:
    """What the hooks of one training are made from.

    Attributes:
        images: (N, H, W, C) uint8, what is trained on.
        steps_per_epoch: training steps in a pass over them.
        extractor: (name, weights) → an embedding, see :func:`rgf_keras.metrics.features.extractor`.
        cache: where features of the training images are kept.
    """

    images: "np.ndarray"
    steps_per_epoch: int
    extractor: "Callable[[str, str], FeatureExtractor]"
    cache: Cache


class Mitigation(Config):
    """Something that can be switched on against memorization; as it is by default, it is off.

    Attributes:
        needs: a player that the model must have; None if any model will do.
    """

    needs: ClassVar[str | None] = None

    @property
    def active(self) -> bool:
        """Whether it is switched on."""
        raise NotImplementedError

    def regularizers(self, setting: Setting) -> "list[Regularizer]":
        """The hooks that it puts into a training, if it is on."""
        return []

    @property
    def spaces(self) -> frozenset[str]:
        """Names of the embeddings in which it keeps generated images from training images."""
        return frozenset()

    def check_names(self, key: str) -> None:
        """Refuse a guest that does not exist, without running anybody's code.

        Raises:
            RgfError: it does not; the key is named.
        """

    def off(self) -> Self:
        """As it is by default."""
        return type(self)()

    def unmitigated(self) -> Self:
        return self.off()


class SpectralDecouplingConfig(Mitigation):
    """The penalty (λ/2)·mean(ŷ²) on the discriminator's real logits.

    Attributes:
        weight: λ ≥ 0; 0 is the unmitigated baseline.
        stop_epoch: the first epoch (counted from 0) without it; None for never.
        shape: how λ falls until then.
        reduction: ``mean``, or ``sum`` over the batch, the papers' ‖ŷ‖² to the letter.
    """

    needs = "discriminator"

    weight: float = Field(0.0, ge=0)
    stop_epoch: int | None = Field(None, ge=0)
    shape: Literal["constant", "linear", "cosine"] = "constant"
    reduction: Literal["mean", "sum"] = Field("mean", json_schema_extra=LATER)

    @property
    def active(self) -> bool:
        return self.weight > 0

    def regularizers(self, setting: Setting) -> "list[Regularizer]":
        from rgf_keras.training import SpectralDecoupling, until

        if not self.active:
            return []
        if self.stop_epoch is None:
            return [SpectralDecoupling(self.weight, reduction=self.reduction)]
        stop_step = self.stop_epoch * setting.steps_per_epoch
        weight = until(self.weight, stop_step, self.shape)
        return [SpectralDecoupling(weight, reduction=self.reduction)]


class RejectionConfig(Mitigation):
    """Memorization rejection on the generator's turn.

    Attributes:
        threshold: τ in [0, 2]; ``"auto"`` for the mean leave-one-out distance of the training set;
            None for no rejection.
        quantile: τ is this quantile of the training set's leave-one-out distances instead.
        factor: times which ``"auto"`` or the quantile is taken.
        warm_up_epochs: epochs without rejection.
        mode: ``"mask"`` (as published), ``"resample"`` (Algorithm 1, bounded) or ``"weight"``
            (rejected samples count by their distance over τ).
        num_redraws: further batches that are drawn in mode ``"resample"``.
        reject_for_discriminator: the paper's "GD".
        embedding: ``"oracle"``, ``"pixels"``, ``"torchvision_inception"`` (the paper's), ``"fid"``,
            a network of ``metrics.embeddings.APPLICATIONS`` or a guest's feature extractor.
        embedding_weights: of such a network: a file, or ``"imagenet"`` for those it usually has.
    """

    needs = "discriminator"

    threshold: Annotated[float, Field(ge=0, le=2)] | Literal["auto"] | None = None
    quantile: float | None = Field(None, gt=0, lt=1)
    factor: float = Field(1.0, gt=0)
    warm_up_epochs: int = Field(0, ge=0)
    mode: Literal["mask", "resample", "weight"] = "mask"
    num_redraws: Positive = 3
    reject_for_discriminator: bool = False
    embedding: str = "oracle"
    embedding_weights: str = "imagenet"

    @property
    def active(self) -> bool:
        return self.threshold is not None or self.quantile is not None

    @property
    def spaces(self) -> frozenset[str]:
        return frozenset([self.embedding] if self.active else [])

    def check_names(self, key: str) -> None:
        from rgf_keras.metrics import embeddings

        if self.active:
            embeddings.check(f"{key}.embedding", self.embedding)

    @model_validator(mode="after")
    def _one_threshold(self) -> "RejectionConfig":
        if self.threshold is not None and self.quantile is not None:
            raise ValueError("rejection.threshold and rejection.quantile exclude each other")
        return self

    def regularizers(self, setting: Setting) -> "list[Regularizer]":
        from rgf_keras.training import MemorizationRejection, after

        if not self.active:
            return []
        embedding = setting.extractor(self.embedding, self.embedding_weights)
        references = embedding.extract(setting.images, setting.cache)
        warm_up = self.warm_up_epochs * setting.steps_per_epoch
        strength = after(self.resolved_threshold(references), warm_up, NOTHING)
        mode, num_redraws = self.mode, self.num_redraws
        hooks: list[Regularizer] = [
            MemorizationRejection(
                strength, embedding, references, mode=mode, num_redraws=num_redraws
            )
        ]
        if self.reject_for_discriminator:
            both = MemorizationRejection(strength, embedding, references, player="discriminator")
            hooks.append(both)
        return hooks

    def resolved_threshold(self, references: "np.ndarray") -> float:
        """τ as a number.

        Args:
            references: (N, d) embeddings of the training images.
        """
        import numpy as np

        from rgf_keras.metrics import neighbours

        if isinstance(self.threshold, float):
            return self.threshold
        own, _ = neighbours.nearest(references, references, leave_one_out=True)
        typical = own.mean() if self.quantile is None else np.quantile(own, self.quantile)
        return float(np.clip(self.factor * typical, 0, 2))


class PrivacyConfig(Mitigation):
    """DP-SGD, see :class:`rgf_keras.training.Privacy`; on JAX, for VAEs without BatchNorm.

    Attributes:
        noise_multiplier: σ, noise over clipping norm; None for no privacy.
        clip_norm: largest norm of one image's gradient.
        delta: δ for which ε is reported.
    """

    noise_multiplier: float | None = Field(None, gt=0)
    clip_norm: float = Field(1.0, gt=0)
    delta: float = Field(1e-5, gt=0, lt=1)

    @property
    def active(self) -> bool:
        return self.noise_multiplier is not None

    def build(self) -> "Privacy | None":
        """What makes updates private; None if it is off."""
        from rgf_keras.training import Privacy

        if self.noise_multiplier is None:
            return None
        return Privacy(self.noise_multiplier, self.clip_norm)


class RegularizerConfig(Mitigation):
    """A guest's hook on a player's loss.

    Attributes:
        target: ``module:attr``, ``file.py:attr`` or an entry point of ``rgf_keras.regularizers``:
            a subclass of :class:`rgf_keras.training.Regularizer`, or a function that makes one.
        arguments: of it; an argument named ``setting`` that is not given is the training's
            :class:`Setting`.
        on: whether it is used.
    """

    target: str = ""
    arguments: dict[str, Any] = Field({})
    on: bool = True

    @property
    def active(self) -> bool:
        return self.on and bool(self.target)

    def check_names(self, key: str) -> None:
        if self.active:
            plugins.check("regularizers", self.target, key=f"{key}.target")

    def regularizers(self, setting: Setting) -> "list[Regularizer]":
        return [self._make(setting)] if self.active else []

    def player(self, key: str) -> str | None:
        """Whose loss it is on, told before there is a training.

        Args:
            key: what errors call it.

        Returns:
            The player's name; None if the hook takes the training's setting.

        Raises:
            RgfError: nobody knows the target, it fails, or it makes something else.
        """
        try:
            make = plugins.resolve("regularizers", self.target)
            if callable(make) and "setting" in inspect.signature(make).parameters:
                return None
            return self._make(None).player
        except RgfError as error:
            raise RgfError(f"{key}: {error}") from error

    def _make(self, setting: Setting | None) -> "Regularizer":
        from rgf_keras.training import Regularizer

        make = plugins.resolve("regularizers", self.target)
        hook = plugins.attempt(self.target, plugins.call, make, self.arguments, setting=setting)
        if not isinstance(hook, Regularizer):
            raise RgfError(
                f"'{self.target}' makes a {type(hook).__name__}; it must make a "
                "rgf_keras.training.Regularizer"
            )
        return hook
