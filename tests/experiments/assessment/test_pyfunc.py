"""A trained model as MLflow loads it."""

import shutil

import mlflow
import numpy as np
import pandas
import pytest

from rgf_keras.config import AssessConfig
from rgf_keras.experiments.assessment import models, pyfunc
from rgf_keras.models import sample_uint8
from rgf_keras.tracking.mlflow_tracker import MlflowTracker


@pytest.mark.backend
def test_mlflow_samples_from_a_recorded_model(tmp_path, mlflow_database, skewed_digits):
    uri = f"sqlite:///{shutil.copy(mlflow_database, tmp_path)}"
    config = AssessConfig().with_values({"model.family": "vae"})
    model = models.build_model(config, skewed_digits)
    path = models.save(model, config, skewed_digits, tmp_path)
    tracker = MlflowTracker(uri, "assess", tmp_path / "spool", tmp_path / "artifacts")
    with tracker, tracker.run("assess", {}) as run:
        pyfunc.log_model(run, path)
    artifacts = mlflow.MlflowClient(uri).download_artifacts(run.id, "model", str(tmp_path))
    loaded = mlflow.pyfunc.load_model(artifacts)
    table = pandas.DataFrame({"num_samples": [3]})
    images = loaded.predict(table, params={"seed": 7})
    np.testing.assert_array_equal(images, sample_uint8(model, 3, seed=7))
    assert images.shape == (3, 28, 28, 3)
