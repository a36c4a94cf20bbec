"""A finished study with all that a report shows, made in seconds: the numbers follow formulas."""

import json

import numpy as np
import optuna
from toy_study import BASELINE, suggest

from rgf_keras.cache import Cache
from rgf_keras.experiments import Assessment, Study
from rgf_keras.experiments.studies.run import run_study
from rgf_keras.experiments.studies.storage import open_storage
from rgf_keras.figures import images as figures
from rgf_keras.metrics import rgf_table
from rgf_keras.reports import outcome
from rgf_keras.tracking.mlflow_tracker import MlflowTracker

NAME = "reported"
QUESTION = "Does <b>λ</b> & Co. help?"
NUM_CLASSES, PER_CLASS, EPOCHS = 10, 100, 4


def table(weight, config):
    """Half of every class is green in the balanced model; λ moves the skewed one towards it."""
    ones = np.full(NUM_CLASSES, 50)
    skewed = np.round(np.where(np.arange(NUM_CLASSES) == 1, 100 - 40 * weight, 50 * weight))
    both = [np.stack([PER_CLASS - x, x], axis=1).astype(int) for x in (skewed, ones)]
    both = [np.concatenate([x, x.sum(axis=0, keepdims=True)]) for x in both]
    names = [str(digit) for digit in range(NUM_CLASSES)]
    return rgf_table.build(*both, names, 1)


def epochs(level):
    return [{"real_loss/f0": 0.7, "real_loss/f1": 0.7 + level / epoch} for epoch in range(1, 5)]


def assess(config, context):
    """Logs what a real assessment logs."""
    run, work = context.run, context.folder
    weight = config.spectral_decoupling.weight
    rows = table(weight, config)
    low, high = rgf_table.gap_interval(rows, 0, 200)
    metrics = {
        "rgf/gap": rgf_table.mean_gap(rows),
        "rgf/class_coverage": rgf_table.class_coverage(rows, 10),
        **{f"rgf/z_{name}": z for name, z in rgf_table.by_name(rows, "z_two_sample").items()},
        **{"rgf/gap_low": low, "rgf/gap_high": high},
        "quality/frechet_oracle": 10 + 2 * weight,
        "quality/frechet_oracle_low": 9 + 2 * weight,
        "quality/frechet_oracle_high": 11 + 2 * weight,
        **{"copying/c_t": 1.5, "copying/c_t_low": 1.0, "copying/c_t_high": 2.0},
        **{"oracle/class_accuracy": 0.97, "oracle/factor_accuracy": 1.0},
    }
    run.log_params(config.flat())
    curve = epochs(1 - weight)
    for step, logs in enumerate(curve, 1):
        run.log_metrics({"loss/generator": weight + 1 / step, **logs}, step)
    run.log_metrics(metrics, EPOCHS)
    record = {"factor_values": ["red", "green"], "table": rgf_table.to_records(rows)}
    texts = {
        "rgf_table.json": json.dumps(record),
        "epochs.json": json.dumps({"balanced": epochs(0), "skewed": curve}),
        "config.yaml": config.to_yaml(),
    }
    for name, text in texts.items():
        (work / name).write_text(text)
        run.log_artifact(work / name)
    images = np.full((16, 28, 28, 3), (0, round(255 * weight), 128), np.uint8)
    for name in ("samples-balanced", "samples-skewed", "copies"):
        run.log_artifact(figures.grid(work / f"{name}.png", images))
    run.log_image(work / "copies.png", "copies", 0)
    for step in (2, EPOCHS):
        run.log_image(figures.grid(work / "samples.png", images), "samples", step)
    return Assessment(rows, metrics, {})


def make(workspace, num_trials=7, **kwargs):
    """Run the study; returns Optuna's record."""
    storage = open_storage(f"sqlite:///{workspace}/optuna.db")
    uri = f"sqlite:///{workspace}/mlflow.db"
    study = Study(NAME, QUESTION, BASELINE, suggest, num_trials=num_trials, repeats=0)
    work, artifacts = workspace / "work", workspace / "artifacts"
    with MlflowTracker(uri, NAME, workspace / "spool", artifacts) as tracker:
        cache = Cache(workspace / "cache")
        record = run_study(study, NAME, work, storage, tracker, cache, evaluate=assess, **kwargs)
        outcome.record_study(outcome.study_summary(record), record, tracker, work / NAME)
    return optuna.load_study(study_name=NAME, storage=storage)
