"""What `--json` prints, by command: the keys, and what they mean.

Keys stay: a version may add some, and one that goes is deprecated first. ``name`` in braces stands
for any name, ``[]`` for each of a list; what follows a dot is within.
"""

from dataclasses import fields, is_dataclass
from typing import Any, get_args, get_origin, get_type_hints

from rgf_keras.experiments.audit.result import ClassTest, Copy
from rgf_keras.experiments.audit.result import Difference as SetDifference
from rgf_keras.metrics.calibration import Calibration
from rgf_keras.metrics.differences import Difference, Mean
from rgf_keras.metrics.rgf_table import Row

METRICS = {"{metric}": "a number; null where there is none"}


def _of(kind: Any) -> dict[str, str]:
    """The fields of what is printed as it is, and theirs."""
    keys: dict[str, str] = {}
    hints = get_type_hints(kind)
    for name in (each.name for each in fields(kind)):
        hint, inner = hints[name], get_args(hints[name])
        many = "[]" if get_origin(hint) in (list, tuple) else ""
        one = inner[0] if many else hint
        keys |= _within(f"{name}{many}", "", _of(one) if is_dataclass(one) else {})
    return keys


def _within(name: str, about: str, keys: dict[str, str]) -> dict[str, str]:
    return {name: about, **{f"{name}.{key}": text for key, text in keys.items()}}


TABLE = _within("table[]", "the z-table, a row per class and one of all; NaN as text", _of(Row))
STUDY = {
    "study": "its name",
    "question": "what is asked",
    "minimize": "the objective's metric; of several a list",
    "subject_to[]": "bounds, as text",
    "quality": "the metric that stands for quality, or null",
    **_within(
        "trials[]",
        "those that have ended",
        {
            "trial": "its number",
            "baseline": "whether it is the baseline",
            **_within("parameters", "what was chosen", {"{name}": "a value"}),
            "value": "of the objective; null if it has no result",
            "pruned": "whether it was ended early",
            "feasible": "whether it keeps the bounds",
            "reason": "why it has no result, else empty",
            "broken[]": "which bounds it breaks",
            **_within("limits", "what metrics were bounded by", METRICS),
            **_within("metrics", "all that was measured", METRICS),
            **_within(
                "repeats",
                "over fresh trainings; null if there were none",
                {
                    **_within("objective", "mean and interval", _of(Mean)),
                    **_within("difference", "to the baseline, or null", _of(Difference)),
                    **_within("violations", "of the bounds, kept up to 0", METRICS),
                },
            ),
            "mlflow_run_id": "its run",
        },
    ),
    "best": "the best trial's number",
    "answer": "one sentence",
    "finding": "whether it is better than the baseline by more than trainings scatter",
    **_within(
        "differences",
        "of the best trial and the baseline over fresh trainings",
        _within("{metric}", "difference and interval", _of(Difference)),
    ),
    "caution": "what to know before believing it, else empty",
}
FRONT = STUDY | {
    "best": "null",
    "front[]": "numbers of the trials that no other beats in all objectives",
    **_within(
        "trials[].over_trainings",
        "where a trial has several",
        _within("{metric}", "an objective's mean and interval", _of(Mean)),
    ),
}
PLANS = {
    "assess --dry-run": {"{key}": "the configuration"},
    "calibrate --dry-run": {
        "balanced": "trainings on balanced data",
        "skewed": "trainings on skewed data",
        "compared[]": "R_r and R_u",
        "config": "the configuration",
    },
    "audit --dry-run": {
        "train": "images",
        "test": "images",
        **_within("generated", "images, by set", {"{name}": "images"}),
        "references[]": "images of each",
        "comparisons_per_space": "of two images",
    },
    "reject --dry-run": {"thresholds[]": "number, auto or null", "config": "the configuration"},
    "score --dry-run": {
        "images": "that are scored",
        "fits": "trainings",
        "at_once": "fits that run at a time",
        "steps_per_fit": "training steps",
        "scored_epochs": "how many",
        "cost": "in words",
        "config": "the configuration",
    },
    "study run --dry-run": {
        "name": "of the study",
        "question": "what is asked",
        "minimize": "the objective's metric; of several a list",
        "subject_to[]": "bounds, as text",
        **_within("search_space", "in words", {"{name}": "what it may be"}),
        "sampler": "its name",
        "num_trials": "budget",
        "trainings": "seeds of each trial",
        "repeats": "fresh seeds in the end",
        "epochs_per_trial": "of the baseline",
        "baseline": "the configuration, flat",
        "workspace": "folder",
    },
    "reproduce --dry-run": {
        "name": "of the study",
        "runs[]": "their names",
        **_within(
            "cost",
            "if nothing is kept from before",
            {
                "steps": "of training",
                "training_seconds": "that these take here",
                "seconds": "that all takes here",
            },
        ),
    },
}
RECORDS: dict[str, dict[str, str]] = {
    "study run": STUDY,
    "study show": STUDY,
    "study show (several objectives)": FRONT,
    "study list": {"{name}": "title of a study that comes with the package"},
    "data preview": {
        "[]": "a row per set and class",
        "[].set": "balanced, skewed or held out",
        "[].class": "its name",
        "[].{value}": "images with this value of the factor",
    },
    "data list": {
        **_within("data_sets", "", {"{name}": "where it is, or how to get it"}),
        "cache": "folder",
        **_within("kept", "", _within("{kind}", "", {"files": "number", "bytes": "size"})),
        "spool": "folder",
        "waiting_bytes": "that wait for MLflow",
        **_within("at_most", "", {"cache_bytes": "bound", "spool_bytes": "bound"}),
    },
    "assess": {**_within("metrics", "see the metrics' page", METRICS), **TABLE},
    "calibrate": {
        **_of(Calibration),
        "counts": "of every training, by class and value",
    },
    "audit": {
        "found": "whether any set copies",
        "train": "what the training images are called",
        **_within("sizes", "", {"train": "images", "test": "images"}),
        **_within(
            "samples[]",
            "the generated sets",
            {
                "name": "of the set",
                **_within("metrics", "see the metrics' page", METRICS),
                "alarms[]": "what says that it copies",
                "worst_space": "where it copies most",
                **_within(
                    "sensitivity", "", _within("{space}", "", {"{kind}": "share that is found"})
                ),
                **_within("classes[]", "C_T of each class", _of(ClassTest)),
                **TABLE,
            },
        ),
        **_within("differences[]", "of sets to the first one", _of(SetDifference)),
        **_within("copies[]", "every copy", _of(Copy)),
        "notes[]": "what to know",
        "train_sha256": "fingerprint of the training images",
        "settings": "of the audit",
    },
    "reject": {
        "[]": "a row per threshold",
        "[].threshold": "number, auto or null",
        **_within("[].metrics", "see the metrics' page", METRICS),
        "[].mean_distance": "d̄ of the training images",
        "[].best": "the best look while training",
        "[].c_t_by_{name}": "C_T by class, embedding or reference",
    },
    "score": {
        "num_images": "that are scored",
        "num_repeats": "L",
        "num_folds": "K, as text",
        **_within("metrics", "see the metrics' page", METRICS),
        **_within("by_epoch", "", _within("{epoch}", "", METRICS)),
        "losses[]": "mean of the folds, by epoch",
        **_within("elbo", "", {"{name}[]": "by epoch"}),
    },
    "reproduce": {
        **_within(
            "tables[]",
            "the paper's",
            {
                **{"key": "short name", "title": "heading", "columns[]": "headings"},
                **{"rows[][]": "cells, as text", "note": "how to read it"},
            },
        ),
        "agreement[]": "how it compares, in words",
    },
    "compare": {
        **_within("differing", "parameters that differ", {"{name}[]": "a text for each run"}),
        **_within(
            "runs[]",
            "both",
            {"run": "its name", "mlflow_run_id": "its run", **_within("metrics", "", METRICS)},
        ),
    },
    "info": {
        "{name}": "backend, platform, versions and source, as text",
        "installed_backends[]": "names",
        "devices[]": "names",
    },
    **PLANS,
}
