"""A mitigation of one's own: one-sided label smoothing, as a hook on the discriminator's loss.

With real images labelled 1 − ε instead of 1, the loss softplus(−D(x)) becomes
(1 − ε)·softplus(−D(x)) + ε·softplus(D(x)) = softplus(−D(x)) + ε·D(x): the hook adds the last term.
A configuration names it so, with a key of one's choice:

    regularizers:
      smoothing: {target: "my_mitigation.py:LabelSmoothing", arguments: {strength: 0.1}}
"""

from dataclasses import replace

from keras import ops

from rgf_keras.training import Regularizer, until
from rgf_keras.training.regularizers import at


class LabelSmoothing(Regularizer):
    """Adds ε · mean(D(x)) of the discriminator's logits on real images.

    Args:
        strength: ε, a number, or a Keras schedule of the training step.
    """

    player = "discriminator"  # whose turn
    metrics = ("label_smoothing",)  # what it reports, as discriminator/label_smoothing

    def __init__(self, strength):
        self.strength = strength

    def __call__(self, loss, batch, step):
        penalty = at(self.strength, step) * ops.mean(loss.tensors["real_logits"])
        return replace(
            loss,
            penalty=loss.penalty + penalty,
            metrics={**loss.metrics, "label_smoothing": penalty},
        )


def fading(strength, epochs, setting):
    """Label smoothing that falls linearly to zero.

    rgf_keras gives an argument named `setting` that the configuration does not.

    Args:
        strength: ε at first.
        epochs: when it has gone.
        setting: the training: its images, steps per epoch, and where features come from.
    """
    return LabelSmoothing(until(strength, epochs * setting.steps_per_epoch, "linear"))
