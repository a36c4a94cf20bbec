"""What the four papers trained, by name, as far as they say it.

``rgf assess paper/rgf-gan`` and the like take these names for a file's. What a paper does not give
is ours; docs/papers/ names where that is.
"""

from typing import Any, TypeVar

from rgf_keras.config.assess import AssessConfig
from rgf_keras.config.base import Config, parse
from rgf_keras.config.score import ScoreConfig
from rgf_keras.errors import RgfError, did_you_mean

Kind = TypeVar("Kind", bound=Config)
Tree = dict[str, Any]

PREFIX = "paper/"

# ------------------------------------- Do Generative Models Learn Rare Generative Factors?

RGF: Tree = {
    "data": {"name": "mnist", "per_class": 6000, "factor": "colour", "rare_class": 1},
    "oracle": {"epochs": 8, "batch_size": 64, "learning_rate": 0.01, "momentum": 0.5},
    "evaluation": {"num_samples": 1000, "test": "sample"},
}
GAN_TRAINING: Tree = {"epochs": 200, "batch_size": 64}
# Spectral decoupling is compared with the plain GAN's P_u.
PLAIN_REFERENCE: Tree = {**RGF["evaluation"], "reference": "shared"}
CARS: Tree = {"data": {"name": "compcars", "factor": "colour", "rare_class": 0}}
VAE_TRAINING: Tree = {"optimizer": {"learning_rate": 1e-3, "beta_1": 0.9}}
# Ho et al. 2020, Appendix B, for CIFAR-10, without its flips, which digits do not take; of plain
# layers, with which the network has the published 35.7 million parameters.
HO: Tree = {
    "model": {
        **{"family": "diffusion", "size": "base", "backbone": "keras", "dropout": 0.1},
        **{"prediction": "epsilon"},
        **{"noise_schedule": "linear", "timesteps": 1000, "num_steps": 1000, "eta": 1.0},
    },
    "training": {
        **{"epochs": 50, "batch_size": 128, "ema_decay": 0.9999},
        "optimizer": {"learning_rate": 2e-4, "beta_1": 0.9, "arguments": {"epsilon": 1e-8}},
    },
}

# ------------------------------------- Training with Memorization Rejection

CIFAR: Tree = {
    "data": {"name": "cifar10", "factor": "none"},
    # It only names classes of samples here; it is not as good as on digits.
    "oracle": {"epochs": 50, "min_accuracy": 0.6},
    "evaluation": {
        **{"num_samples": 10_000, "reference": "shared", "test": "two_sample"},
        **{"embedding": "torchvision_inception", "metrics": ["quality/train_frechet"]},
        "every": 64,  # of which the weights with the best distance are kept
    },
    "rejection": {"embedding": "torchvision_inception"},
}
MR_TRAINING: Tree = {
    "batch_size": 64,
    "player_turns": {"discriminator": 5},
    "optimizer": {
        **{"learning_rate": 2e-4, "beta_1": 0.5},
        "arguments": {"beta_2": 0.999, "epsilon": 1e-6},
    },
}
# With five turns of 64 images an epoch of 50,000 has 156 steps.
STEPS_100K, STEPS_200K = {"epochs": 641}, {"epochs": 1282}
AVERAGED: Tree = {"ema_decay": 0.9999, "ema_start": 1000}
SAGAN: Tree = {"family": "sagan", "width": 64, "latent_dim": 128, "flip": True}
BIGGAN: Tree = {
    "family": "biggan", "width": 96, "latent_dim": 80, "shared_dim": 128, "flip": True
}  # fmt: skip

# ------------------------------------- On Memorization in Probabilistic Deep Generative Models


def _score(name: str, architecture: str, epochs: int, every: int, **changes: Any) -> Tree:
    """A setting of the score; ``changes`` are of the data, the model and the rest by name."""
    optimizer = {"learning_rate": changes.get("learning_rate", 1e-3), "beta_1": 0.9}
    return {
        "data": {"name": name, **changes.get("data", {})},
        "model": {
            **{"family": "vae", "architecture": architecture, "initialization": "torch"},
            "flip": name != "mnist",
        },
        "training": {
            **{"epochs": epochs, "batch_size": 64},
            "optimizer": {**optimizer, "arguments": {"epsilon": 1e-8}},
        },
        **{"num_repeats": 10, "num_folds": 10, "every": every},
        "num_samples": 256 if name == "mnist" else 128,
    }


ASSESSMENTS: dict[str, Tree] = {
    "rgf-vae": {
        **RGF, "model": {"family": "vae"}, "training": {**VAE_TRAINING, "epochs": 200}
    },
    "rgf-gan": {**RGF, "model": {"family": "gan"}, "training": GAN_TRAINING},
    "rgf-gan-sd": {
        **RGF,
        "model": {"family": "gan"},
        "training": GAN_TRAINING,
        "spectral_decoupling": {"weight": 0.8, "stop_epoch": 80},
        "evaluation": PLAIN_REFERENCE,
    },
    "rgf-ddpm": {**RGF, **HO},
    "rgf-cars": {
        **RGF,
        **CARS,
        "model": {"family": "gan"},
        "training": GAN_TRAINING,
        "oracle": {**RGF["oracle"], "class_epochs": 100},
    },
    "sagan": {**CIFAR, "model": SAGAN, "training": {**MR_TRAINING, **STEPS_100K}},
    "sagan-diffaug": {
        **CIFAR, "model": {**SAGAN, "augment": True}, "training": {**MR_TRAINING, **STEPS_200K}
    },
    "biggan": {**CIFAR, "model": BIGGAN, "training": {**MR_TRAINING, **STEPS_100K, **AVERAGED}},
    "biggan-diffaug": {
        **CIFAR,
        "model": {**BIGGAN, "augment": True},
        "training": {**MR_TRAINING, **STEPS_200K, **AVERAGED},
    },
}  # fmt: skip
SCORES: dict[str, Tree] = {
    "vae-mnist": _score("mnist", "mnist_mlp", 100, 5),
    "vae-mnist-1e-4": _score("mnist", "mnist_mlp", 100, 5, learning_rate=1e-4),
    "vae-cifar10": _score("cifar10", "cifar_conv", 100, 50),
    "vae-celeba": _score(
        "celeba", "celeba_conv", 50, 25, data={"held_out_split": "validation"}
    ),
}  # fmt: skip
PUBLISHED: dict[str, tuple[type[Config], Tree]] = {
    **{PREFIX + name: (AssessConfig, tree) for name, tree in ASSESSMENTS.items()},
    **{PREFIX + name: (ScoreConfig, tree) for name, tree in SCORES.items()},
}


def find(name: str, kind: type[Kind]) -> Kind:
    """A published configuration.

    Args:
        name: a key of ``PUBLISHED``.
        kind: of configuration that is wanted.

    Raises:
        RgfError: unknown name, or it is of another kind.

    >>> find("paper/rgf-gan", AssessConfig).training.epochs
    200
    """
    known = [key for key, (own, _) in PUBLISHED.items() if own is kind]
    if name not in known:
        text = f"'{name}' is no published configuration for this; known: {', '.join(known)}"
        raise RgfError(text + did_you_mean(name, known))
    return parse(PUBLISHED[name][1], kind)
