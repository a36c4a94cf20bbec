"""What verdicts over trainings are worth, on fresh seeds of three models (hours on two cores).

References are kept in the cache folder.
"""

import pytest

from rgf_keras.cache import Cache
from rgf_keras.config import AssessConfig, parse
from rgf_keras.experiments.assessment.calibrate import calibrate
from rgf_keras.tracking.tracker import Context, MemoryTracker

pytestmark = pytest.mark.slow

SEED = 100  # none that the test was made with
GAN = {"family": "gan", "architecture": "mlp", "units": [256, 512], "dropout": 0.3}
MODELS = {
    "gan": (GAN, {"epochs": 12, "optimizer": {"learning_rate": 3e-4}}),
    "vae": ({"family": "vae"}, {"epochs": 25, "optimizer": {"learning_rate": 1e-3}}),
    "diffusion": (
        {"family": "diffusion", "size": "small", "prediction": "v", "noise_schedule": "cosine"},
        {"epochs": 12, "optimizer": {"learning_rate": 1e-3}},
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_false_calls_and_power(tmp_path, name):
    model, training = MODELS[name]
    tree = {
        **{"seed": SEED, "model": model, "training": training, "oracle": {"epochs": 16}},
        "evaluation": {"reference": "shared", "fast": True, "num_trainings": 3},
    }
    run = MemoryTracker().start("calibration", {})
    context = Context(run, tmp_path, Cache())
    found = calibrate(parse(tree, AssessConfig), context, num_seeds=8, num_skewed=3).calibration
    print(name, *found.false_calls, *found.found, *found.gaps, sep="\n")
    by_test = {(c.test, c.trainings, c.references): c for c in found.false_calls}
    alone = by_test["trainings", 1, 7]
    assert alone.low <= 0.05 <= alone.high
    assert by_test["two_sample", 1, 1].low > 0.05
    power = {(c.test, c.trainings, c.references): c.rate for c in found.found}
    assert power["trainings", 3, 3] > 0.5
    assert min(found.gaps[0].skewed) > found.gaps[0].nothing
