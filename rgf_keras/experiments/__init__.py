"""What a researcher runs: an assessment, a score, a study. Importing imports no Keras."""

import importlib
from typing import TYPE_CHECKING, Any

from rgf_keras import config
from rgf_keras.config import *  # noqa: F403 (configurations, so that a study file imports from here)

if TYPE_CHECKING:
    from rgf_keras.experiments.assessment.assess import Assessment, assess  # noqa: F401
    from rgf_keras.experiments.scores.result import Score  # noqa: F401
    from rgf_keras.experiments.scores.score import score  # noqa: F401
    from rgf_keras.experiments.studies.run import run_study  # noqa: F401
    from rgf_keras.experiments.studies.study import Bound, Study  # noqa: F401

# Where names are that are imported when they are first used.
LAZY = {
    "Assessment": "assessment.assess",
    "assess": "assessment.assess",
    "Score": "scores.result",
    "score": "scores.score",
    "run_study": "studies.run",
    "Bound": "studies.study",
    "Study": "studies.study",
}

__all__ = [*config.__all__, *LAZY]


def __getattr__(name: str) -> Any:
    if name not in LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{LAZY[name]}"), name)
