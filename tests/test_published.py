"""Published configurations against a table of the papers' values, and on the command line."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from rgf_keras.cli import app
from rgf_keras.config import AssessConfig, ScoreConfig, published
from rgf_keras.errors import RgfError

# Keys by dotted name; see the papers, and for learning rates and epochs of the VAE's and DDPM's
# assessments docs/papers/rgf.md: they are ours.
RGF = {
    **{"data.name": "mnist", "data.per_class": 6000},
    **{"data.factor": "colour", "data.rare_class": 1},
    **{"oracle.epochs": 8, "oracle.batch_size": 64, "oracle.learning_rate": 0.01},
    **{"oracle.momentum": 0.5, "evaluation.num_samples": 1000, "oracle.min_accuracy": 0.92},
}
MR = {
    **{"data.name": "cifar10", "data.factor": "none", "training.batch_size": 64},
    **{"training.player_turns.discriminator": 5, "training.optimizer.name": "adam"},
    **{"training.optimizer.learning_rate": 2e-4, "training.optimizer.beta_1": 0.5},
    "training.optimizer.arguments.beta_2": 0.999,
    **{"training.optimizer.arguments.epsilon": 1e-6, "model.flip": True},
    "rejection.embedding": "torchvision_inception",
    **{"evaluation.embedding": "torchvision_inception", "evaluation.num_samples": 10_000},
}
SCORE = {
    **{"num_repeats": 10, "num_folds": 10, "training.batch_size": 64},
    **{"training.optimizer.name": "adam", "training.optimizer.beta_1": 0.9},
    **{"training.optimizer.arguments.epsilon": 1e-8, "model.initialization": "torch"},
}
EMA = {"training.ema_decay": 0.9999, "training.ema_start": 1000}
STEPS_PER_EPOCH = 50_000 // (5 * 64)
VALUES = {
    "paper/rgf-vae": RGF | {"model.family": "vae"},
    "paper/rgf-gan": RGF | {"model.family": "gan", "training.epochs": 200},
    "paper/rgf-gan-sd": RGF
    | {"training.epochs": 200, "spectral_decoupling.weight": 0.8}
    | {"spectral_decoupling.stop_epoch": 80, "spectral_decoupling.shape": "constant"}
    | {"evaluation.reference": "shared"},
    # Ho et al. 2020, Section 4 and Appendix B
    "paper/rgf-ddpm": RGF
    | {"model.prediction": "epsilon", "model.noise_schedule": "linear", "model.timesteps": 1000}
    | {"model.num_steps": 1000, "model.eta": 1.0, "model.size": "base", "model.dropout": 0.1}
    | {"training.optimizer.learning_rate": 2e-4, "training.optimizer.beta_1": 0.9}
    | {"training.batch_size": 128, "training.ema_decay": 0.9999},
    "paper/rgf-cars": {"data.name": "compcars", "data.rare_class": 0, "oracle.class_epochs": 100},
    "paper/sagan": MR | {"model.family": "sagan", "model.width": 64, "model.latent_dim": 128},
    "paper/sagan-diffaug": MR | {"model.family": "sagan", "model.augment": True},
    "paper/biggan": MR
    | EMA
    | {"model.family": "biggan", "model.width": 96, "model.latent_dim": 80}
    | {"model.shared_dim": 128, "model.augment": False},
    "paper/biggan-diffaug": MR | EMA | {"model.family": "biggan", "model.augment": True},
    "paper/vae-mnist": SCORE
    | {"data.name": "mnist", "model.architecture": "mnist_mlp", "model.flip": False}
    | {"training.optimizer.learning_rate": 1e-3, "training.epochs": 100}
    | {"num_samples": 256, "every": 5},
    "paper/vae-mnist-1e-4": SCORE | {"training.optimizer.learning_rate": 1e-4, "every": 5},
    "paper/vae-cifar10": SCORE
    | {"data.name": "cifar10", "model.architecture": "cifar_conv", "model.flip": True}
    | {"num_samples": 128, "every": 50, "training.epochs": 100},
    "paper/vae-celeba": SCORE
    | {"data.name": "celeba", "model.architecture": "celeba_conv", "model.flip": True}
    | {"num_samples": 128, "every": 25, "training.epochs": 50}
    | {"data.held_out_split": "validation"},
}


def test_all_are_looked_up():
    assert VALUES.keys() == published.PUBLISHED.keys()


@pytest.mark.parametrize("name", VALUES)
def test_its_values_are_the_papers(name):
    kind, _ = published.PUBLISHED[name]
    flat = published.find(name, kind).flat()
    assert {key: flat[key] for key in VALUES[name]} == VALUES[name]


@pytest.mark.parametrize(("name", "steps"), [("sagan", 100_000), ("biggan-diffaug", 200_000)])
def test_epochs_are_the_papers_steps(name, steps):
    config = published.find(f"paper/{name}", AssessConfig)
    assert config.training.images_per_step == 5 * 64
    assert config.training.epochs * STEPS_PER_EPOCH == pytest.approx(steps, rel=1e-3)


def test_the_diffusion_process_is_ho_et_als():
    from rgf_keras.models import noise_schedules, sampling

    model = published.find("paper/rgf-ddpm", AssessConfig).model
    schedule = noise_schedules.SCHEDULES[model.noise_schedule](model.timesteps)
    np.testing.assert_allclose(schedule.betas, np.linspace(1e-4, 0.02, 1000))
    steps = sampling.sampling_steps(schedule, model.num_steps, model.eta)
    assert steps.timesteps.tolist() == [*range(999, -1, -1)]
    # Algorithm 2 with σ² = β̃ = (1 − ᾱ_{t−1})/(1 − ᾱ_t) · β_t
    before = np.append(1.0, schedule.alphas_cumprod[:-1])
    variance = (1 - before) / (1 - schedule.alphas_cumprod) * schedule.betas
    np.testing.assert_allclose(steps.noise[::-1] ** 2, variance, rtol=1e-4, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("paper/rgf-gann", r"'paper/rgf-gann' is no published .*; did you mean 'paper/rgf-gan'\?"),
        ("paper/vae-mnist", "known: paper/rgf-vae"),
    ],
)
def test_others_are_refused_with_those_that_there_are(name, message):
    with pytest.raises(RgfError, match=message):
        published.find(name, AssessConfig)


def test_a_name_stands_for_a_file(tmp_path):
    options = ["--dry-run", "--json", "--workspace", str(tmp_path), "--set", "data.name=mnist-10k"]
    own = [*options, "--set", "data.per_class=700"]
    done = CliRunner().invoke(app, ["assess", "paper/rgf-gan-sd", *own])
    plan = json.loads(done.stdout)
    assert plan["spectral_decoupling"]["stop_epoch"] == 80
    assert plan["data"]["name"] == "mnist-10k", "what is set comes on top"
    done = CliRunner().invoke(app, ["score", "paper/vae-mnist-1e-4", *options])
    assert json.loads(done.stdout)["config"]["training"]["optimizer"]["learning_rate"] == 1e-4
    (tmp_path / "reject.yaml").write_text("data: {rarity: 1.0}\n")
    for file, rarity in (([str(tmp_path / "reject.yaml")], 1.0), ([], 0.5)):
        done = CliRunner().invoke(app, ["reject", *file, *options])
        assert json.loads(done.stdout)["config"]["data"]["rarity"] == rarity
    done = CliRunner().invoke(app, ["reject", *options, "--set", "data.rarity=0.75"])
    assert json.loads(done.stdout)["config"]["data"]["rarity"] == 0.75


def test_what_was_set_is_known():
    config = ScoreConfig.model_validate({"data": {"name": "mnist"}})
    assert config.sets("data.name")
    assert not config.sets("data.num_images")
    assert not config.sets("model.beta")
