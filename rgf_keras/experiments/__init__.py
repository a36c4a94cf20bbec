"""What a researcher runs: an assessment, a score, a study. Importing imports no Keras."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rgf_keras.config import *  # noqa: F403 (so that a study file imports from here alone)
    from rgf_keras.experiments.assessment.assess import assess  # noqa: F401
    from rgf_keras.experiments.assessment.result import Assessment  # noqa: F401
    from rgf_keras.experiments.scores.result import Score  # noqa: F401
    from rgf_keras.experiments.scores.score import score  # noqa: F401
    from rgf_keras.experiments.studies.ranking import Bound  # noqa: F401
    from rgf_keras.experiments.studies.run import run_study  # noqa: F401
    from rgf_keras.experiments.studies.study import Study  # noqa: F401

# Where names are that are imported when they are first used, as configurations are too.
LAZY = {
    "Assessment": "assessment.result",
    "assess": "assessment.assess",
    "Score": "scores.result",
    "score": "scores.score",
    "run_study": "studies.run",
    "Bound": "studies.ranking",
    "Study": "studies.study",
}


def __getattr__(name: str) -> Any:
    if name in LAZY:
        return getattr(importlib.import_module(f"{__name__}.{LAZY[name]}"), name)
    from rgf_keras import config

    if name == "__all__":
        return [*config.__all__, *LAZY]
    if name not in config.__all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(config, name)
