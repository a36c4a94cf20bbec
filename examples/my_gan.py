"""A GAN in the form of Keras' guide "Customizing what happens in fit()", for any backend.

Nothing in it knows of rgf_keras but for `sample`, the one method that was added: images of a seed.
It is trained by its own `fit`; a configuration names it so:

    model: {family: custom, target: "my_gan.py:make_gan", arguments: {label_smoothing: 0.1}}
"""

import keras
import numpy as np
from keras import layers, ops


class GAN(keras.Model):
    def __init__(self, discriminator, generator, latent_dim, label_smoothing=0.0, seed=0):
        super().__init__()
        self.discriminator = discriminator
        self.generator = generator
        self.latent_dim = latent_dim
        self.label_smoothing = label_smoothing
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.d_loss_tracker = keras.metrics.Mean(name="d_loss")
        self.g_loss_tracker = keras.metrics.Mean(name="g_loss")
        self.built = True  # both networks are

    def sample(self, n, seed):
        """n images (n, H, W, C) in [−1, 1]; the seed alone decides which."""
        noise = np.random.default_rng(seed).standard_normal((n, self.latent_dim), "float32")
        return self.generator.predict(noise, batch_size=500, verbose=0)

    @property
    def metrics(self):
        return [self.d_loss_tracker, self.g_loss_tracker]

    def compile(self, d_optimizer, g_optimizer, loss_fn):
        super().compile()
        self.d_optimizer = d_optimizer
        self.g_optimizer = g_optimizer
        self.loss_fn = loss_fn
        d_optimizer.build(self.discriminator.trainable_weights)
        g_optimizer.build(self.generator.trainable_weights)
        self.optimizer = TwoOptimizers(d_optimizer, g_optimizer)

    def noise_like(self, images):
        return keras.random.normal(
            (ops.shape(images)[0], self.latent_dim), seed=self.seed_generator
        )

    def d_loss(self, real_logits, generated_logits):
        real = ops.ones_like(real_logits) - self.label_smoothing
        generated = ops.zeros_like(generated_logits)
        return self.loss_fn(real, real_logits) + self.loss_fn(generated, generated_logits)

    def g_loss(self, generated_logits):
        return self.loss_fn(ops.ones_like(generated_logits), generated_logits)

    # A train_step belongs to its backend; a GAN of one's own has one of these three.

    def train_step(self, *arguments):
        return getattr(self, f"{keras.backend.backend()}_step")(*arguments)

    def tensorflow_step(self, data):
        import tensorflow as tf

        real_images = data[0] if isinstance(data, tuple) else data
        generated_images = self.generator(self.noise_like(real_images), training=True)
        with tf.GradientTape() as tape:
            real_logits = self.discriminator(real_images, training=True)
            d_loss = self.d_loss(real_logits, self.discriminator(generated_images, training=True))
        weights = self.discriminator.trainable_weights
        self.d_optimizer.apply(tape.gradient(d_loss, weights), weights)

        noise = self.noise_like(real_images)
        with tf.GradientTape() as tape:
            g_loss = self.g_loss(self.discriminator(self.generator(noise, training=True)))
        weights = self.generator.trainable_weights
        self.g_optimizer.apply(tape.gradient(g_loss, weights), weights)
        return self.track(d_loss, g_loss)

    def torch_step(self, data):
        import torch

        real_images = data[0] if isinstance(data, tuple) else data
        generated_images = self.generator(self.noise_like(real_images), training=True).detach()
        self.zero_grad()
        real_logits = self.discriminator(real_images, training=True)
        d_loss = self.d_loss(real_logits, self.discriminator(generated_images, training=True))
        d_loss.backward()
        weights = self.discriminator.trainable_weights
        with torch.no_grad():
            self.d_optimizer.apply([weight.value.grad for weight in weights], weights)

        self.zero_grad()
        noise = self.noise_like(real_images)
        g_loss = self.g_loss(self.discriminator(self.generator(noise, training=True)))
        g_loss.backward()
        weights = self.generator.trainable_weights
        with torch.no_grad():
            self.g_optimizer.apply([weight.value.grad for weight in weights], weights)
        return self.track(d_loss, g_loss)

    def track(self, d_loss, g_loss):
        self.d_loss_tracker.update_state(d_loss)
        self.g_loss_tracker.update_state(g_loss)
        return {metric.name: metric.result() for metric in self.metrics}

    def jax_step(self, state, data):
        import jax

        real_images = data[0] if isinstance(data, tuple) else data
        weights, others, slots, metrics = state
        split = len(self.discriminator.trainable_variables)
        d_weights, g_weights = weights[:split], weights[split:]
        split = len(self.d_optimizer.variables)
        d_slots, g_slots = slots[:split], slots[split:]
        with keras.StatelessScope(zip(self.non_trainable_variables, others, strict=True)) as scope:
            d_noise, g_noise = self.noise_like(real_images), self.noise_like(real_images)
        others = [scope.get_current_value(variable) for variable in self.non_trainable_variables]

        def generate(g_weights, noise):
            return self.generator.stateless_call(g_weights, [], noise, training=True)[0]

        def logits(d_weights, images):
            return self.discriminator.stateless_call(d_weights, [], images, training=True)[0]

        def d_loss_fn(d_weights):
            generated_images = generate(g_weights, d_noise)
            return self.d_loss(logits(d_weights, real_images), logits(d_weights, generated_images))

        def g_loss_fn(g_weights):
            return self.g_loss(logits(d_weights, generate(g_weights, g_noise)))

        d_loss, gradients = jax.value_and_grad(d_loss_fn)(d_weights)
        d_weights, d_slots = self.d_optimizer.stateless_apply(d_slots, gradients, d_weights)
        g_loss, gradients = jax.value_and_grad(g_loss_fn)(g_weights)
        g_weights, g_slots = self.g_optimizer.stateless_apply(g_slots, gradients, g_weights)
        with keras.StatelessScope(zip(self.metrics_variables, metrics, strict=True)) as scope:
            logs = self.track(d_loss, g_loss)
        metrics = [scope.get_current_value(variable) for variable in self.metrics_variables]
        return logs, ([*d_weights, *g_weights], others, [*d_slots, *g_slots], metrics)


class TwoOptimizers:
    """What `fit` on JAX asks of a model's optimizer: all the state that a step changes."""

    built = True

    def __init__(self, *optimizers):
        self.optimizers = optimizers

    @property
    def variables(self):
        return [variable for optimizer in self.optimizers for variable in optimizer.variables]


def make_gan(image_shape, seed, latent_dim=64, units=256, learning_rate=3e-4, label_smoothing=0.0):
    """The GAN, compiled; rgf_keras gives `image_shape` and `seed`, `arguments` the others."""
    pixels = int(np.prod(image_shape))
    discriminator = keras.Sequential(
        [
            keras.Input(image_shape),
            layers.Flatten(),
            layers.Dense(2 * units),
            layers.LeakyReLU(negative_slope=0.2),
            layers.Dense(units),
            layers.LeakyReLU(negative_slope=0.2),
            layers.Dense(1),
        ],
        name="discriminator",
    )
    generator = keras.Sequential(
        [
            keras.Input((latent_dim,)),
            layers.Dense(units),
            layers.LeakyReLU(negative_slope=0.2),
            layers.Dense(2 * units),
            layers.LeakyReLU(negative_slope=0.2),
            layers.Dense(pixels, activation="tanh"),
            layers.Reshape(image_shape),
        ],
        name="generator",
    )
    gan = GAN(discriminator, generator, latent_dim, label_smoothing, seed)
    gan.compile(
        d_optimizer=keras.optimizers.Adam(learning_rate, beta_1=0.5),
        g_optimizer=keras.optimizers.Adam(learning_rate, beta_1=0.5),
        loss_fn=keras.losses.BinaryCrossentropy(from_logits=True),
    )
    return gan
