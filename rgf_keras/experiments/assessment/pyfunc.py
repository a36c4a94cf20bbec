"""A trained model as an MLflow model: ``mlflow.pyfunc.load_model("runs:/ID/model")`` samples.

Nothing is unpickled: MLflow calls :func:`_load_pyfunc` here, which reads what an assessment saved.
KERAS_BACKEND may be any.
"""

import platform
import tempfile
import time
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import keras
import numpy as np
import yaml

from rgf_keras import __version__, strict_json
from rgf_keras.experiments.assessment import models
from rgf_keras.models import sample_uint8
from rgf_keras.tracking.tracker import Run

FOLDER = "model"  # of a run
COLUMN = "num_samples"
PARAMS = {"seed": ("long", 0), "fast": ("boolean", False)}


class Sampler:
    """What MLflow calls."""

    def __init__(self, model: keras.Model):
        self.model = model

    def predict(self, model_input: Any, params: Mapping[str, Any] | None = None) -> np.ndarray:
        """Sample images.

        Args:
            model_input: a table with a column ``num_samples``, whose sum is sampled.
            params: ``seed`` of the latents, and ``fast`` for models that take many steps.

        Returns:
            (num_samples, H, W, C) uint8.
        """
        num_samples = int(np.sum(np.asarray(model_input[COLUMN])))
        given = {name: default for name, (_, default) in PARAMS.items()} | dict(params or {})
        return sample_uint8(self.model, num_samples, int(given["seed"]), bool(given["fast"]))


def _load_pyfunc(path: str) -> Sampler:
    """What MLflow calls with the path of the model's file."""
    return Sampler(models.load(Path(path)))


def log_model(run: Run, path: Path) -> None:
    """Log a saved model so that MLflow loads it.

    Args:
        run: where to.
        path: see :func:`rgf_keras.experiments.assessment.models.save`.
    """
    backend = keras.backend.backend()
    packages = {"rgf-keras": __version__, "keras": keras.__version__}
    packages |= {backend: metadata.version(backend), "mlflow": metadata.version("mlflow")}
    requirements = [f"{name}=={version}" for name, version in packages.items()]
    python = platform.python_version()
    texts = {
        "MLmodel": yaml.safe_dump(_description(path.name, python), sort_keys=False),
        "requirements.txt": "\n".join(requirements) + "\n",
        "python_env.yaml": yaml.safe_dump(
            {"python": python, "dependencies": ["-r requirements.txt"]}
        ),
    }
    run.log_artifact(path, FOLDER)
    with tempfile.TemporaryDirectory() as folder:
        for name, text in texts.items():
            file = Path(folder, name)
            file.write_text(text, encoding="utf-8")
            run.log_artifact(file, FOLDER)


def _description(file: str, python: str) -> dict[str, Any]:
    """The file ``MLmodel``."""
    columns = [{"type": "long", "name": COLUMN, "required": True}]
    params = [
        {"name": name, "type": kind, "default": default, "shape": None}
        for name, (kind, default) in PARAMS.items()
    ]
    return {
        "flavors": {
            "python_function": {
                "loader_module": __name__,
                "data": file,
                "env": {"virtualenv": "python_env.yaml"},
                "python_version": python,
            }
        },
        "mlflow_version": metadata.version("mlflow"),
        "signature": {
            "inputs": strict_json.dumps(columns),
            "outputs": None,
            "params": strict_json.dumps(params),
        },
        "utc_time_created": time.strftime("%Y-%m-%d %H:%M:%S.000000", time.gmtime()),
    }
