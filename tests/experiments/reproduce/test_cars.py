"""Table 3 from end to end, on a small tree in CompCars' format."""

import dataclasses

import true_formats

from rgf_keras import reproduce
from rgf_keras.cache import Cache
from rgf_keras.tracking.tracker import Context, MemoryTracker

FEW = {
    **{"training.epochs": 1, "training.passes_per_epoch": 1, "training.batch_size": 16},
    **{"oracle.epochs": 2, "oracle.class_epochs": 1, "oracle.min_accuracy": 0.0},
    "oracle.batch_size": 16,
    **{"evaluation.num_samples": 60, "evaluation.num_resamples": 2, "model.units": [8]},
}


@dataclasses.dataclass(frozen=True)
class Found:
    """What tables read of a recorded run."""

    label: str
    table: list
    metrics: dict
    params: dict
    factor_values: tuple = ("black", "white")


def test_the_rare_class_is_volkswagen(tmp_path, monkeypatch):
    folder = tmp_path / "data" / "compcars" / "sv_data"
    true_formats.save_compcars(folder, per_cell=12, per_cell_of_test=5)
    monkeypatch.setenv("RGF_DATA_DIR", str(tmp_path / "data"))
    table = reproduce.find("rgf", "3")
    label, config = next(iter(table.runs.items()))
    assert (config.data.rare_class, config.oracle.class_epochs) == (0, 100)
    run = MemoryTracker().start("cars", {})
    chosen, trial = config.with_values(FEW), tmp_path / "work" / table.name / "trial-0000"
    result = table.evaluate(chosen, Context(run, trial, Cache(tmp_path / "cache")))
    # as `rgf assess` keeps it, so that other tables find it
    kept = tmp_path / "work" / f"assess-{chosen.of_one_training().key}"
    assert any(kept.glob("trainings/*"))
    found = Found(label, result.table, result.metrics, run.params)
    tables = {each.key: each for each in table.tables([found])}
    counts = tables["counts"]
    assert [row[0] for row in counts.rows] == ["Volkswagen •", "Toyota", "all"]
    assert sum(map(int, counts.rows[-1][2].partition(" (")[0].split(" / "))) == 60
    (oracles,) = reproduce.find("rgf", "B.2").tables([found])
    assert oracles.columns == ["oracle of", "colour"]
    assert oracles.rows[1][1] == f"{result.metrics['oracle/factor_accuracy']:.1%}"
