"""Reports and comparisons of what is no assessment with a factor: scores, metrics of one's own."""

import json
import shutil

import numpy as np
import optuna
import pytest
from toy_study import BASELINE, suggest

from rgf_keras.cache import Cache
from rgf_keras.cli.report import compare_command
from rgf_keras.errors import RgfError
from rgf_keras.experiments import Bound, Study
from rgf_keras.experiments.studies.run import run_study
from rgf_keras.experiments.studies.storage import open_storage
from rgf_keras.figures.images import grid
from rgf_keras.metrics import rgf_table
from rgf_keras.reports import compare, outcome, page, render
from rgf_keras.tracking.mlflow_tracker import MlflowTracker
from rgf_keras.tracking.records import Records

RUNS = {
    "score": {"memorization/quantile": 3.0, "memorization/min": -1.0, "mine/size": 1.0},
    "other score": {"memorization/quantile": 2.0, "memorization/min": -2.0, "mine/size": 1.0},
    "copies": {"rgf/gap": 0.0, "copying/c_t": -3.0, "copying/c_t_low": -4.0,
               "copying/c_t_high": -2.0, "quality/frechet_pixels": 9.0},
    "sharper": {"mine/sharpness": 0.5, "rgf/class_coverage": 0.9},
    "vaguer": {"mine/sharpness": 0.4, "rgf/class_coverage": 0.5},
    "mine": {"mine/sharpness": 0.3},
    "nothing": {},
}  # fmt: skip


def evaluate(config, context):
    weight = config.spectral_decoupling.weight
    return {"mine/error": (weight - 0.4) ** 2, "mine/size": 3 + weight}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory, mlflow_database):
    """Runs of several kinds, and a study whose evaluate function is the user's own."""
    workspace = tmp_path_factory.mktemp("workspace")
    shutil.copy(mlflow_database, workspace)
    study = Study(
        "own",
        "Which weight errs least?",
        BASELINE,
        suggest,
        minimize="mine/error",
        subject_to=[Bound("mine/size", at_least=0.5, relative=True)],
        num_trials=6,
        repeats=0,
        evaluate=evaluate,
    )
    storage = open_storage(f"sqlite:///{workspace}/optuna.db")
    places = workspace / "spool", workspace / "artifacts"
    with MlflowTracker(f"sqlite:///{workspace}/mlflow.db", "own", *places) as tracker:
        cache = Cache(workspace / "cache")
        optuna_study = run_study(study, "own", workspace / "work", storage, tracker, cache)
        outcome.record_study(
            outcome.study_summary(optuna_study), optuna_study, tracker, workspace / "work" / "own"
        )
        ids = {name: log(tracker, name, metrics, workspace) for name, metrics in RUNS.items()}
    (workspace / "ids.json").write_text(json.dumps(ids))
    return workspace


def log(tracker, name, metrics, workspace):
    folder = workspace / name
    folder.mkdir()
    tags = {"answer": "0.95 quantile of M: 3.00 nats"} if "score" in name else {}
    with tracker.run(name, tags) as run:
        run.log_metrics({**metrics, "epoch": 1, "loss/vae": 2.0})
        run.log_params({"seed": len(name)})
        if name == "copies":
            run.log_artifact(write(folder / "rgf_table.json", metrics, factorless_table()))
        if name == "score":
            run.log_artifact(write(folder / "score.json", metrics))
            run.log_artifact(grid(folder / "log_prob.png", np.zeros((4, 8, 8, 1), np.uint8)))
    return run.id


def write(path, metrics, table=()):
    path.write_text(json.dumps({"metrics": metrics, "table": table, "factor_values": ["all"]}))
    return path


def factorless_table():
    counts = np.array([[50], [50], [100]])
    return rgf_table.to_records(rgf_table.build(counts, counts, ["0", "1"], 1))


@pytest.fixture(scope="module")
def records(workspace):
    return Records(f"sqlite:///{workspace}/mlflow.db")


@pytest.fixture(scope="module")
def record(workspace, records):
    ids = json.loads((workspace / "ids.json").read_text())
    return lambda name: records.run(ids[name], name)


def test_a_study_of_ones_own_metrics_is_reported_under_their_names(workspace, records):
    optuna_study = optuna.load_study(study_name="own", storage=f"sqlite:///{workspace}/optuna.db")
    report = page.study_page(optuna_study, records)
    assert "has the lowest mine/error within the bounds" in report.answer
    assert [row.name for row in report.metrics] == ["mine/error", "mine/size"]
    assert report.metrics[1].remark == "bound ≥ 0.5 × baseline"
    assert report.trials[0] == ["trial", "weight", "mine/error", "mine/size", "within bounds"]
    html = render.render(report, "html")
    assert not [*report.tables, *report.grids, *report.copies, *report.pictures]
    assert "memoriz" not in html
    assert "Fréchet" not in html
    for kind in ("md", "latex"):
        render.render(report, kind)
    assert (workspace / "work" / "own" / "study.png").exists()


def test_without_a_quality_there_is_no_chart(tmp_path, mlflow_database):
    study = Study("?", "?", BASELINE, suggest, "mine/error", (), 3, evaluate=evaluate)
    storage = open_storage(f"sqlite:///{tmp_path}/optuna.db")
    with MlflowTracker(f"sqlite:///{tmp_path}/mlflow.db", "own", tmp_path / "spool") as tracker:
        optuna_study = run_study(study, "?", tmp_path, storage, tracker, Cache(tmp_path))
    summary = outcome.study_summary(optuna_study)
    assert summary["quality"] is None
    assert outcome.study_figure(tmp_path / "study.png", summary) is None
    assert not (tmp_path / "study.png").exists()
    assert "within" not in summary["answer"]
    outcome.study_table(summary)
    report = page.study_page(optuna_study, Records(f"sqlite:///{tmp_path}/mlflow.db"))
    assert report.pareto is None


def test_a_score_is_reported_with_its_answer_and_pictures(record):
    report = page.run_page(record("score"))
    assert report.answer == "0.95 quantile of M: 3.00 nats"
    assert [title for title, _ in report.pictures] == ["score: log prob"]
    assert [row.name for row in report.metrics] == ["quantile of M (nats)", "mine/size"]
    assert "oracle" not in render.render(report, "html")


def test_images_without_a_factor_are_asked_about_copies(record):
    report = page.run_page(record("copies"))
    assert report.question == "Does the model copy training images?"
    assert report.answer.startswith("Yes: ")
    assert "C_T −3.00 [−4.00, −2.00]" in report.answer
    assert report.tables == []
    assert "memorization gap" not in [row.name for row in report.metrics]


def test_scores_are_compared_by_how_much_they_memorize(record):
    found = compare.compare_page([record("score"), record("other score")])
    assert found.question == "Which memorizes less, score or other score?"
    assert found.answer.startswith("other score memorizes less: its quantile of M (nats) is 2.00")
    assert [row.name for row in found.differing] == ["seed"]
    assert [row.name for row in found.metrics][-1] == "mine/size"
    compare.table(found)
    json.dumps(compare.comparison([record("score"), record("other score")]))


def test_trials_are_compared_by_the_objective_of_their_study(workspace, capsys):
    compare_command("own/0", "own/1", workspace=workspace)
    text = " ".join(capsys.readouterr().out.split())
    assert "has the lower mine/error" in text
    assert "weight" in text


def test_runs_outside_a_study_are_compared_by_what_is_known_of_their_metrics(record):
    pair = compare.compare_page([record("vaguer"), record("sharper")])
    assert pair.answer == "sharper has the higher classes covered: 90%, vaguer 50%."
    assert pair.question == "How do vaguer and sharper differ?"
    unknown = compare.compare_page([record("mine"), record("sharper")])
    assert unknown.answer == "It is not known which values of their metrics are better."
    assert [row.name for row in unknown.metrics] == ["mine/sharpness"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("score", "mine"), "no metric that both have: score has memorization/quantile"),
        (("nothing", "mine"), "run nothing holds no assessment, score or metrics: none was logged"),
    ],
)
def test_what_cannot_be_compared_is_told(record, names, message):
    with pytest.raises(RgfError, match=message):
        compare.compare_page([record(name) for name in names])
