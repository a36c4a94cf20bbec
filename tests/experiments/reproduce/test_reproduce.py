"""Which runs a table needs, how it compares with the paper's, and the command from end to end."""

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest

from rgf_keras import reproduce
from rgf_keras.cache import Cache
from rgf_keras.cli.assess import work_folder
from rgf_keras.config import ScoreConfig
from rgf_keras.errors import RgfError
from rgf_keras.experiments import AssessConfig
from rgf_keras.metrics import rgf_table
from rgf_keras.reproduce import cost, rejection, rgf, score
from rgf_keras.reproduce.reproduction import assess_once
from rgf_keras.runtime import locks
from rgf_keras.tracking.tracker import Context


@dataclasses.dataclass(frozen=True)
class Found:
    """What a comparison reads of a recorded run."""

    label: str
    metrics: dict
    params: dict = dataclasses.field(default_factory=dict)
    table: list = dataclasses.field(default_factory=list)


def z_table(verdicts):
    counts = {"learned": (50, 50), "memorized": (100, 0)}
    both = [[*map(counts.get, verdicts)], [(50, 50)] * len(verdicts)]
    rows = rgf_table.build(
        *map(np.array, both),
        [str(i) for i in range(len(verdicts) - 1)],
        1,
    )
    assert [row.verdict for row in rows if not row.rare] == [
        verdict for verdict, row in zip(verdicts, rows, strict=True) if not row.rare
    ]
    return rows


def test_the_paper_has_five_factors_four_models_and_two_rare_classes():
    runs = reproduce.find("rgf", "4", "paper").runs
    assert len(runs) == 40
    rejected = [config for config in runs.values() if config.spectral_decoupling.weight]
    assert {config.spectral_decoupling.stop_epoch for config in rejected} == {80}
    assert {config.data.rare_class for config in runs.values()} == {1, 2}
    assert len(reproduce.find("rgf", "1", "small").runs) == 6


@pytest.mark.parametrize("paper", [*reproduce.PAPERS])
@pytest.mark.parametrize("scale", reproduce.SCALES)
def test_every_table_is_a_study_of_its_runs(paper, scale):
    for table in reproduce.PAPERS[paper][1]:
        wanted = reproduce.find(paper, table, scale)
        study = wanted.study()
        different = {config.to_yaml() for config in wanted.runs.values()}
        assert study.num_trials == len(wanted.runs) == len(different)
        assert study.baseline == next(iter(wanted.runs.values()))
        assert all(char.isalnum() or char in "-_" for char in study.name)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("rgf", "9"), "no table '9'; known: 1, 2, 4"),
        (("none",), "unknown paper"),
        (("rgf", "1", "huge"), "unknown scale"),
    ],
)
def test_what_is_not_there_is_named(arguments, message):
    with pytest.raises(RgfError, match=message):
        reproduce.find(*arguments)


def test_verdicts_are_counted_against_the_papers():
    own = Found("GAN colour", {}, table=z_table(["memorized"] * 11))
    lines = rgf.agreement([own])
    assert lines[0].startswith("GAN: 0 of 11 cases learned (0%)")
    assert "9 of 110 (8%); agrees" in lines[0]
    assert "from 0.50 to 0.00; the paper's from 0.35 to 0.87" in lines[1]
    (line,) = rgf.agreement([Found("DDPM thinning", {}, table=z_table(["learned"] * 11))])
    assert "1 of 110 (1%); differs" in line
    assert rgf._learned("VAE", [["too few"] * 11]) == "VAE: no case has enough samples"


def test_trends_over_the_threshold_are_compared():
    def point(tau, c_t):
        numbers = {"copying/c_t": c_t, "copying/c_t_low": c_t - 1, "copying/c_t_high": c_t + 1}
        return Found(rejection._label("GAN", tau), {"quality/frechet_oracle": 40 - c_t, **numbers})

    points = [point(0.0, -10.0), point(0.10, -5.0), point(0.15, 1.0)]
    copying, quality = rejection.agreement(points)
    assert "rank correlation 1.00" in copying
    assert copying.endswith("the same direction")
    assert "rank correlation −1.00" in quality
    assert quality.endswith("another direction")
    (table,) = reproduce.find("mr", None, "small").tables(points)
    assert table.rows[0][:2] == ["GAN 0.00", "50.0"]
    assert table.rows[0][4:] == ["12.41", "6.35", "5.08", "0.05", "−0.70"]


def test_scores_are_compared():
    def run(label, *values):
        params = {"num_repeats": "1", "num_folds": "4", "training.epochs": "20"}
        return Found(label, dict(zip(score.METRICS, values, strict=True)), params)

    runs = [run("MNIST lr 1e-3", -30.0, 5.0, 80.0), run("MNIST lr 1e-4", -10.0, 3.0, 9.0)]
    first, second, order = score.agreement(runs)
    assert "nats, like the paper's" in first
    assert "nats, unlike the paper's" in second
    assert order.endswith("the paper's order")
    assert reproduce.find("score").tables(runs)[0].rows[0][-3:] == ["−18", "4.4", "205"]


@pytest.mark.backend
def test_each_first_training_has_a_folder_of_its_own(tmp_path, monkeypatch):
    runs = reproduce.find("mr", "tau", "smoke", trainings=2).runs
    own = [config for label, config in runs.items() if label.startswith("GAN 0.00")]
    folders = []

    def assess(config, context):
        folders.append(context.folder)
        assert locks.acquire(context.folder / "command.lock", wait=False) is None

    monkeypatch.setattr("rgf_keras.experiments.assessment.assess.assess", assess)
    for config in own:
        trial = tmp_path / "work" / "study" / "trial-0000"
        assess_once(config, Context(None, trial, Cache(tmp_path)))
        assert folders[-1] == work_folder(config, tmp_path)
    assert [folder.name[len(folders[0].name) :] for folder in folders] == ["", "-1"]


def test_all_that_costs_is_counted(tmp_path):
    values = {
        **{"data.num_train": 640, "training.epochs": 5, "evaluation.every": 2},
        **{"evaluation.num_samples": 300, "evaluation.num_references": 2},
        **{"oracle.num_train": 1280, "oracle.epochs": 3, "oracle.factor_epochs": 7},
    }
    config = AssessConfig().with_values(values)
    sets = {}

    def counted(config):
        works = list(cost._works(config, Cache(tmp_path), sets))
        return [(work.name.split()[0], work.starts, work.steps, work.draws) for work in works]

    # evaluated after epochs 2, 4 and 5; two references, sampled once
    own, *others = counted(config)
    assert own[1:] == (1, 50, 3 * 300)
    assert others[:2] == [("balanced", 1, 50, 300)] * 2
    assert others[2:] == [("class", 1, 3 * 20, 0), ("factor", 1, 7 * 20, 0)]
    names = [name for name, *_ in counted(config.with_values({"data.factor": "none"}))]
    assert "factor" not in names
    both = [config, config.with_values({"data.rare_class": 2, "data.rarity": 0.5})]
    oracles = [work.name for each in both for work in cost._works(each, Cache(tmp_path), sets)]
    assert len({name for name in oracles if "oracle" in name}) == 2, "they see balanced data"
    score = ScoreConfig().with_values(
        {"data.num_images": 300, "num_folds": 3, "num_repeats": 2, "training.epochs": 4}
        | {"num_samples": 8, "every": 2}
    )
    draws = 300 * 8 * 2  # of a fit, after epochs 2 and 4
    (_, *folds), (_, *full) = counted(score)
    assert folds == [1, 2 * 3 * 4 * (200 // 64), 2 * 3 * draws]
    assert full == [0, 4 * (300 // 64), draws]


def test_what_runs_share_costs_once(tmp_path):
    small = {"data.num_train": 640, "training.epochs": 2}
    plain = AssessConfig().with_values({**small, "evaluation.reference": "shared"})
    mitigated = plain.with_values({"spectral_decoupling.weight": 0.5})
    found = cost.estimate([plain, mitigated], Cache(tmp_path))
    # two models under test, and three references that both share
    assert found.steps == (2 + 3) * 2 * 640 // 64
    assert 0 < found.training_seconds < found.seconds - 2 * cost.SECONDS_PER_RUN
    config = ScoreConfig().with_values(
        {"data.num_images": 300, "num_folds": 3, "num_repeats": 1, "training.epochs": 1}
    )
    assert cost.estimate([config], Cache(tmp_path)).steps == 3 * (200 // 64) + 300 // 64


@pytest.mark.backend
def test_turns_and_passes_are_counted(tmp_path):
    config = AssessConfig().with_values(
        {
            "data.num_train": 320,
            "training.batch_size": 32,
            "training.epochs": 3,
            "training.passes_per_epoch": 2,
            "training.player_turns": {"discriminator": 5},
            "evaluation.num_references": 1,
        }
    )
    # a step takes 5 batches of 32, of which two passes through 320 images hold 4
    assert cost.estimate([config], Cache(tmp_path)).steps == 2 * 3 * 4


def test_a_dry_run_says_what_it_would_cost(tmp_path, rgf_here):
    done = rgf_here(tmp_path, "reproduce", "score", "--dry-run", "--json")
    assert json.loads(done.stdout)["runs"] == ["MNIST lr 1e-3", "MNIST lr 1e-4"]
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("paper", [*reproduce.PAPERS])
def test_smoke(paper, tmp_path):
    command = [sys.executable, "-m", "rgf_keras.cli", "reproduce", paper, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["tables"]
    assert found["agreement"]
