"""Studies of several objectives: the front by hand, its intervals, and what is refused."""

import dataclasses
import json
from types import SimpleNamespace

import json_records
import optuna
import pytest
from rich.console import Console
from toy_study import BASELINE, assessment

from rgf_keras.cache import Cache
from rgf_keras.errors import Diverged, RgfError
from rgf_keras.experiments import Bound, Study
from rgf_keras.experiments.studies.ranking import front
from rgf_keras.experiments.studies.run import run_study
from rgf_keras.experiments.studies.storage import open_storage
from rgf_keras.experiments.studies.study import plan
from rgf_keras.reports import outcome, page, render
from rgf_keras.tracking.tracker import MemoryTracker

OBJECTIVES = ["rgf/gap", "quality/frechet_oracle"]


def suggest(trial):
    """λ trades the gap for quality; two steps more of everything else are worse in both."""
    weight = trial.suggest_float("weight", 0.0, 1.0)
    worse = trial.suggest_categorical("worse", [False, True])
    return BASELINE.with_values({"spectral_decoupling.weight": weight, "seed": int(worse)})


def evaluate(config, context):
    metrics = assessment(config).metrics
    metrics["rgf/gap"] += 0.3 * config.seed
    return metrics


STUDY = Study(
    "two",
    "Which λ trades memorization for quality?",
    BASELINE,
    suggest,
    minimize=OBJECTIVES,
    subject_to=(Bound("quality/frechet_oracle", at_most=1.15, relative=True),),
    num_trials=12,
    sampler="random",
)


def run(folder, study=STUDY, evaluate=evaluate, tracker=None, **kwargs):
    return run_study(
        study,
        "two",
        folder / "work",
        open_storage(f"journal:///{folder}/optuna.journal"),
        tracker or MemoryTracker(),
        Cache(folder / "cache"),
        evaluate=evaluate,
        **kwargs,
    )


def test_the_front_is_what_no_trial_beats(tmp_path):
    record = run(tmp_path)
    kept = [t for t in record.trials if t.params.get("weight", 0) <= 0.75]  # 10 + 2λ ≤ 11.5
    expected = [
        trial.number
        for trial in kept
        if not any(
            all(x <= y for x, y in zip(other.values, trial.values, strict=True))
            and other.values != trial.values
            for other in kept
        )
    ]
    assert 1 < len(expected) < len(kept) < 12
    summary = outcome.study_summary(record)
    assert sorted(summary["front"]) == expected == sorted(trial.number for trial in front(record))
    gaps = [record.trials[number].values[0] for number in summary["front"]]
    assert gaps == sorted(gaps)
    assert sorted(t.number for t in record.best_trials) == expected  # by Optuna's own API
    assert f"{len(expected)} of {len(kept)} trials within the bounds" in summary["answer"]
    assert (summary["best"], summary["finding"], summary["minimize"]) == (None, False, OBJECTIVES)
    assert "finding" not in f"{summary['answer']} {summary['caution']}".lower()
    assert "trained once" in summary["caution"]
    assert json.loads(json.dumps(summary))["front"] == summary["front"]
    console = Console(width=120, record=True)
    console.print(outcome.study_table(summary))
    assert console.export_text().count("yes") >= len(expected)
    assert "rgf/gap 0." in outcome.trial_line(record.trials[1], OBJECTIVES, 12)


def test_members_have_intervals_over_their_trainings(tmp_path):
    def scattering(config, context):
        metrics = evaluate(config.with_values({"seed": config.seed // 100}), context)
        return metrics | {"rgf/gap": metrics["rgf/gap"] + 0.01 * (config.seed % 100)}

    def seeded(trial):
        config = suggest(trial)
        return config.with_values({"seed": 100 * config.seed})

    study = dataclasses.replace(STUDY, trainings=3, num_trials=4, suggest=seeded)
    summary = outcome.study_summary(run(tmp_path, study, scattering))
    baseline = summary["trials"][0]
    gap = baseline["over_trainings"]["rgf/gap"]
    # 0.50, 0.51, 0.52: the mean, and Student's 4.303 standard errors of 0.01 / √3
    assert gap["value"] == pytest.approx(0.51)
    assert gap["high"] - gap["low"] == pytest.approx(2 * 4.3027 * 0.01 / 3**0.5, rel=1e-4)
    assert baseline["metrics"]["rgf/gap_low"] == gap["low"]
    assert "flatter" in summary["caution"]
    json_records.check("study show (several objectives)", json.loads(json.dumps(summary)))


def test_trials_without_a_result_are_never_on_the_front(tmp_path):
    def failing(config, context):
        if context.folder.name in ("trial-0001", "trial-0003"):
            raise Diverged("loss/generator", 7)
        return {name: 7.0 + value for name, value in evaluate(config, context).items()}

    study = dataclasses.replace(STUDY, subject_to=(), num_trials=5)  # worst is 1
    summary = outcome.study_summary(run(tmp_path, study, failing))
    assert not {1, 3} & {*summary["front"]}
    assert 0 in summary["front"]


def test_nothing_within_the_bounds(tmp_path):
    study = dataclasses.replace(
        STUDY, subject_to=[Bound("rgf/class_coverage", at_least=2.0)], num_trials=3
    )
    summary = outcome.study_summary(run(tmp_path, study))
    assert summary["front"] == []
    assert summary["answer"] == "No trial keeps the bounds."
    outcome.study_table(summary)
    assert outcome.study_figure(tmp_path / "study.png", summary)


def test_a_study_goes_on_and_is_recorded(tmp_path):
    tracker = MemoryTracker()
    run(tmp_path, num_trials=2, tracker=tracker)
    record = run(tmp_path, num_trials=4, tracker=tracker)
    summary = outcome.study_summary(record)
    outcome.record_study(summary, record, tracker, tmp_path)
    parent = next(each for each in tracker.runs.values() if each.parent is None)
    assert parent.params["minimize"] == "rgf/gap, quality/frechet_oracle"
    assert {"study.png", "study.json"} <= parent.artifacts.keys()
    assert parent.tags["front"] == str(summary["front"])
    with pytest.raises(RgfError, match="another baseline, objective or bounds"):
        run(tmp_path, dataclasses.replace(STUDY, minimize="rgf/gap"))


def test_the_report_draws_the_front(tmp_path):
    record = run(tmp_path)

    def look_up(id, label="", known=None):
        return SimpleNamespace(
            label=label, tags={"command": "rgf study run two.py"}, curves={}, files=(), table=[],
            file=lambda name: None, params={}, metrics=known and known[0], factor_values=[],
        )  # fmt: skip

    report = page.study_page(record, SimpleNamespace(run=look_up))
    summary = outcome.study_summary(record)
    assert report.answer == summary["answer"]
    assert report.models[0] == "baseline"
    assert len(report.models) == len({0, *summary["front"]})
    assert [row.remark for row in report.metrics][:2] == ["an objective"] * 2
    path = tmp_path / "report.html"
    render.write(report, path, "html")
    assert "the grey stairs are the front" in " ".join(path.read_text().split())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"repeats": 3}, "no single best trial to repeat: .* received 3; give trainings=3"),
        ({"pruner": optuna.pruners.MedianPruner}, "has no pruner"),
        ({"minimize": ["rgf/gap", "rgf/gap"]}, "minimize must name metrics, each once"),
        ({"minimize": []}, "minimize must name metrics"),
        ({"minimize": 3}, "minimize must name metrics"),
    ],
)
def test_what_a_study_of_several_objectives_cannot_be(change, message):
    with pytest.raises(RgfError, match=message):
        dataclasses.replace(STUDY, **change)


def test_what_is_refused_before_anything_runs(tmp_path):
    pytest.importorskip("cmaes")
    with pytest.raises(RgfError, match="the sampler cmaes has one objective; choose tpe"):
        dataclasses.replace(STUDY, sampler="cmaes").check()
    with pytest.raises(RgfError, match="minimize quality/fretchet: an assessment does not measure"):
        dataclasses.replace(STUDY, minimize=["rgf/gap", "quality/fretchet"]).check()
    assert plan(STUDY)["minimize"] == OBJECTIVES
    assert plan(STUDY)["repeats"] == 0


def test_one_objective_in_a_list_is_one_objective():
    one = Study("one", "?", BASELINE, suggest, minimize=["rgf/gap"])
    assert one.key == dataclasses.replace(one, minimize="rgf/gap").key
    assert (one.repeats, plan(one)["minimize"]) == (3, "rgf/gap")
