"""The oracle: a small CNN that names the class or the factor of an image."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from rgf_keras.backend.protocol import require_settings
from rgf_keras.image_sizes import ORACLE_SIDE
from rgf_keras.models.arguments import require
from rgf_keras.models.base import Batch, Loss, Player, constructor_arguments
from rgf_keras.models.inference import infer
from rgf_keras.models.networks import initializers


@keras.saving.register_keras_serializable("rgf_keras")
class Oracle(keras.Model):
    """Two 5×5 convolutions with pooling, one hidden dense layer, and logits.

    The layers are our choice (the paper does not give them). The hidden layer's activations serve
    as features for the Fréchet distance.

    Args:
        image_shape: (H, W, C).
        num_outputs: number of classes or factor values.
        width: filters of the first convolution.
        feature_dim: width of the hidden dense layer.
        seed: of the weights.

    Attributes:
        MIN_SIZE: height and width that the convolutions need.

    Raises:
        ArgumentError: smaller images.
    """

    MIN_SIZE = ORACLE_SIDE

    def __init__(
        self,
        image_shape: Sequence[int],
        num_outputs: int,
        width: int = 16,
        feature_dim: int = 64,
        seed: int = 0,
        **kwargs,
    ):
        require_settings()
        super().__init__(**kwargs)
        self.image_shape, self.num_outputs = tuple(image_shape), num_outputs
        self.width, self.feature_dim, self.seed = width, feature_dim, seed
        height, image_width = self.image_shape[:2]
        require(
            min(height, image_width) >= self.MIN_SIZE,
            f"an oracle needs images of {self.MIN_SIZE}×{self.MIN_SIZE} or more, "
            f"received {height}×{image_width}",
        )
        weights = initializers(seed)
        x = entry = keras.Input(self.image_shape)
        for filters in (width, 2 * width):
            x = layers.Conv2D(filters, 5, activation="relu", kernel_initializer=next(weights))(x)
            x = layers.MaxPooling2D()(x)
        x = layers.Flatten()(x)
        features = layers.Dense(feature_dim, "relu", kernel_initializer=next(weights))(x)
        logits = layers.Dense(num_outputs, kernel_initializer=next(weights))(features)
        self.network = keras.Model(entry, [features, logits], name="network")
        self.built = True

    def players(self) -> list[Player]:
        return [Player("oracle", self.trainable_variables, self._loss, ("accuracy",))]

    def _loss(self, batch: Batch) -> Loss:
        labels = batch["labels"]
        _, logits = self.network(batch["images"], training=True)
        losses = keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
        hits = ops.equal(ops.argmax(logits, axis=-1), ops.cast(labels, "int32"))
        return Loss(losses, metrics={"accuracy": ops.mean(ops.cast(hits, "float32"))})

    def classify(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Labels (n,) integers of images (n, H, W, C) uint8, with confidence and features.

        The confidence (n,) in [0, 1] is the label's softmax; features are (n, feature_dim) float32.
        """
        features, logits = infer(self.network, images)
        probabilities = np.exp(logits - logits.max(axis=-1, keepdims=True))
        probabilities /= probabilities.sum(axis=-1, keepdims=True)
        return logits.argmax(axis=-1), probabilities.max(axis=-1), features

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **constructor_arguments(self)}
