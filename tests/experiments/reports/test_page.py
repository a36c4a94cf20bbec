"""Reports: what is on the page, that nothing is loaded or executed, and the other formats."""

import csv
import html.parser
import re
import shutil
from dataclasses import replace
from types import SimpleNamespace

import optuna
import pytest
import reported_study
from reported_study import NAME

from rgf_keras.cli.report import compare_command, report_command
from rgf_keras.errors import RgfError
from rgf_keras.experiments.studies import ranking
from rgf_keras.reports import compare, outcome, page, render, values
from rgf_keras.tracking.records import Records


class Reader(html.parser.HTMLParser):
    """Text, and where everything on a page comes from."""

    def __init__(self, content):
        super().__init__()
        self.text, self.sources, self.tags, self.attributes = "", [], [], []
        self.feed(content)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [name for name, _ in attributes]
        wanted = ("src", "srcset", "href", "action", "data")
        self.sources += [value for name, value in attributes if name in wanted]

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope="module")
def workspace(finished_workspace):
    return finished_workspace


@pytest.fixture(scope="module")
def record(workspace):
    return optuna.load_study(study_name=NAME, storage=f"sqlite:///{workspace}/optuna.db")


@pytest.fixture(scope="module")
def records(workspace):
    return Records(f"sqlite:///{workspace}/mlflow.db")


@pytest.fixture(scope="module")
def study_page(record, records):
    return page.study_page(record, records)


@pytest.fixture(scope="module")
def run(record, records):
    return records.run(record.trials[0].user_attrs["mlflow_run_id"], "baseline")


def test_the_page_answers_the_question_with_intervals(study_page, record):
    text = Reader(render.render(study_page, "html")).text
    summary = outcome.study_summary(record)
    assert reported_study.QUESTION in text
    assert summary["answer"] in text
    assert "memorization gap" in text
    gap = record.trials[summary["best"]].user_attrs["metrics"]
    assert f"[{gap['rgf/gap_low']:#.3g}, {gap['rgf/gap_high']:#.3g}]" in text


def test_the_page_loads_nothing_and_runs_nothing_of_others(study_page):
    found = Reader(render.render(study_page, "html"))
    assert found.sources
    assert all(source.startswith("data:image/") for source in found.sources)
    assert "b" not in found.tags  # the question has one
    assert found.tags.count("script") == 1
    assert not [name for name in found.attributes if name.startswith("on")]
    assert "link" not in found.tags


def test_the_tables_hold_the_numbers_of_the_assessments(study_page, run):
    tables = {table.key: table for table in study_page.tables}
    baseline = tables["p_r"].columns.index("baseline")
    assert tables["p_r"].rows[0][0] == "0"
    assert tables["p_r"].rows[0][baseline] == "0.00 [0.00, 0.04]"
    assert tables["p_r"].rows[1][:2] == ["1 •", "1.00 [0.96, 1.00]"]
    assert tables["p_u"].rows[0][1] == "0.50 [0.40, 0.60]"
    assert tables["z"].rows[0][baseline] == "−8.2"  # (0 − 0.5)/√(0.25 · 0.75 · 2/100)
    assert tables["z_paper"].rows[0][baseline] == "–"
    assert tables["counts"].rows[0][1:3] == ["50 / 50", "100 / 0 (z −8.2)"]
    assert tables["verdicts"].rows[1][baseline] == "M"
    assert tables["verdicts"].rows[-2] == ["number memorized", *tables["verdicts"].rows[-2][1:]]
    assert [row[:2] for row in tables["oracles"].rows] == [
        ["the class", "97.0%"],
        ["colour", "100.0%"],
    ]


def test_importance_is_not_shown_where_noise_is_unknown(study_page):
    assert study_page.importance == {}


def test_all_formats(study_page, tmp_path):
    render.write(study_page, tmp_path / "csv", "csv")
    files = {path.stem: path for path in (tmp_path / "csv").iterdir()}
    assert set(files) == {table.key for table in study_page.tables}
    with open(files["p_u"], newline="") as file:
        assert list(csv.reader(file))[1] == ["0", "0.50 [0.40, 0.60]"]
    markdown = render.render(study_page, "md")
    assert "| 0 | −8.2 |" in markdown
    latex = render.render(study_page, "latex")
    assert latex.count(r"\begin{tabular}") == latex.count(r"\bottomrule") == len(study_page.tables)
    body = re.sub(r"^%.*|\\label{.*}", "", latex, flags=re.MULTILINE)
    assert not re.search(r"(?<!\\)[#_%]", body)


def test_latex_is_escaped():
    assert render._latex(r"50 % of a_b & \c") == r"50 \% of a\_b \& \textbackslash{}c"


def test_a_run_of_its_own(run):
    found = page.run_page(run)
    assert found.answer.startswith("Yes: of 11 cases 11 memorized")
    assert len(found.grids) == 2
    assert "rgf_gap" not in render.render(found, "html")


def test_runs_side_by_side(record, records, run):
    other = records.run(record.trials[1].user_attrs["mlflow_run_id"], "trial 1")
    found = compare.compare_page([run, other])
    assert "trial 1 memorizes less" in found.answer
    assert [row.name for row in found.differing] == ["spectral_decoupling.weight"]
    assert found.metrics[0].name == "memorization gap"
    assert [title for title, _ in found.grids] == ["balanced", "baseline", "trial 1"]
    assert "overlap" in values.overlap(run.metrics, run.metrics, "rgf/gap")
    assert "overlap" not in found.caution


@pytest.mark.parametrize(
    ("low", "answer"), [(0.3, "No difference found: "), (0.45, "near memorizes less: ")]
)
def test_intervals_that_overlap_are_no_difference(low, answer):
    near = {"rgf/gap": 0.35, "rgf/gap_low": 0.2, "rgf/gap_high": 0.4}
    far = {"rgf/gap": 0.5, "rgf/gap_low": low, "rgf/gap_high": 0.6}
    runs = [SimpleNamespace(label=n, metrics=m) for n, m in (("near", near), ("far", far))]
    assert compare._answer(runs, "rgf/gap").startswith(answer)


def test_repeats_are_shown_by_their_means(tmp_path, mlflow_database):
    shutil.copy(mlflow_database, tmp_path)
    record = reported_study.make(tmp_path, repeats=2)
    found = page.study_page(record, Records(f"sqlite:///{tmp_path}/mlflow.db"))
    objective = found.metrics[0]
    assert objective.remark.startswith("mean of 2 seeds; difference over fresh trainings -0.")
    assert found.importance == {"weight": pytest.approx(1.0)}  # trials differ, trainings do not
    winner = ranking.repeats(record)[ranking.best(record).number].objective
    assert objective.values[-1].startswith(f"{winner.value:#.3g} [")
    assert found.caution == ""
    render.render(found, "html")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nothing", "no study is 'nothing'; known: reported"),
        ("reported/99", "no trial 'reported/99'; known: 0, 1"),
        ("0123456789abcdef0123456789abcdef", "no run '0123456789abcdef0123456789abcdef'"),
        ("parent", "holds no assessment"),
    ],
)
def test_unknown_names_are_told(workspace, tmp_path, record, name, message):
    name = record.user_attrs["mlflow_run_id"] if name == "parent" else name
    with pytest.raises(RgfError, match=message):
        report_command(name, tmp_path / "x.html", workspace=workspace)
    assert not (tmp_path / "x.html").exists()


def test_nothing_recorded_and_nothing_finished_are_told(tmp_path):
    for first, what in (("0" * 32, "records"), ("a/0", "studies")):
        with pytest.raises(RgfError, match=f"no {what} in"):
            compare_command(first, "a/1", workspace=tmp_path)
    with pytest.raises(RgfError, match="no finished trial"):
        page.study_page(optuna.create_study(study_name="new"), None)


def test_an_output_that_cannot_be_written_is_told(study_page, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RgfError, match="choose another -o"):
        render.write(study_page, tmp_path / "file" / "report.html", "html")


def test_a_run_that_draws_few_classes_cannot_be_told(run, monkeypatch):
    few = [replace(row, verdict="too few samples") for row in run.table[:8]]
    monkeypatch.setitem(run.__dict__, "table", [*few, *run.table[8:]])  # it is a cached property
    answer = page.run_page(run).answer
    assert answer.startswith("Cannot tell: of 11 cases 8 too few samples")


def test_samples_of_every_trial_can_be_shown_beside_the_baselines(study_page, record):
    titles = [title for title, _ in study_page.grids]
    names = [row[0].text for row in study_page.trials[1]]
    assert set(titles) == {"balanced", *names}
    assert len(study_page.folded) == len(record.trials) - 2
    assert not {"balanced", "baseline", study_page.models[-1]} & study_page.folded
    html = render.render(study_page, "html")
    assert html.count('aria-expanded="false"') == len(record.trials)
    assert "memorization gap" in study_page.pareto.text
