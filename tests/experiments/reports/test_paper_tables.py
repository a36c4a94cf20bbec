"""The papers' tables of records made by hand: their own tests, what is left out, columns."""

import dataclasses
import math

import numpy as np
import pytest

from rgf_keras.metrics import rgf_table
from rgf_keras.reports.paper_tables import paper_tables, paper_verdicts, printed
from rgf_keras.reproduce import rgf


@dataclasses.dataclass(frozen=True)
class Found:
    """What tables read of a recorded run."""

    label: str
    table: list
    params: dict
    metrics: dict = dataclasses.field(default_factory=dict)
    factor_values: tuple = ("red", "green")


def rows(tested, known, test="sample"):
    """A table of [common, rare] counts by class; the last row is all together."""
    both = [np.array([*counts, np.sum(counts, axis=0)]) for counts in (tested, known)]
    names = [str(i) for i in range(len(tested))]
    return rgf_table.build(*both, names, 1, test)


HALF = [[50, 50]] * 3
RUN = Found("GAN colour", rows([[95, 5], [0, 120], [3, 2]], HALF), {"data.factor": "colour"})


def tables(*runs):
    return {table.key: table for table in paper_tables(list(runs))}


def column(table, label="GAN colour"):
    return [row[table.columns.index(label)] for row in table.rows]


def test_the_papers_z_has_the_samples_own_variance():
    p_all = 127 / 225
    z = [
        (0.05 - 0.5) / math.sqrt(0.05 * 0.95 / 100),
        (p_all - 0.5) / math.sqrt(p_all * (1 - p_all) / 225),
    ]
    shown = column(tables(RUN)["z_paper"])
    assert shown[1:3] == ["–", "few"], "infinite, too few samples"
    assert [shown[0], shown[3]] == [printed(each) for each in z]


def test_equation_1_has_all_samples():
    # M = 225 samples of all classes
    z = (0.05 - 0.5) / math.sqrt(0.5 * 0.5 / 225)
    table = tables(RUN)["z_equation_1"]
    assert column(table)[0] == printed(z)
    assert "M = 225" in table.note
    # of several trainings, the first of each
    several = [np.stack([x, x[::-1]]) for x in (np.array([[9, 1], [10, 90], [19, 91]]),) * 2]
    many = rgf_table.build(
        np.tile(several[0], (2, 1, 1)), np.tile(several[1], (2, 1, 1)), "ab", 1, "trainings"
    )
    known, tested = rgf_table.first_training(many[0])
    assert known.tolist() == tested.tolist() == [9, 1]


def test_table_4_leaves_out_rows_with_too_few_samples():
    table = tables(RUN)["verdicts_paper"]
    assert column(table) == ["M", "M", "–", "L", "1", "1 of 3", "2 of 3", "0 of 3"]
    assert [row[0] for row in table.rows][4:6] == ["left out: too few", "number learned"]
    (line, example) = rgf.agreement([RUN])
    assert line.startswith("GAN: 1 of 3 cases learned (33%); the paper")
    assert line.endswith("; 1 more have too few samples")
    assert "'1' goes from 0.50 to 1.00" in example


@pytest.mark.parametrize(
    ("z", "word"),
    [(1.95, "learned"), (-1.95, "learned"), (1.97, "deviates"), (-1.97, "memorized")],
)
def test_a_printed_z_is_learned_within_1_96(z, word):
    (row,) = [dataclasses.replace(RUN.table[0], z_sample=z)]
    assert paper_verdicts([row]) == [word]


def test_columns_are_balanced_models_and_factors():
    accuracies = {"oracle/class_accuracy": 0.97, "oracle/factor_accuracy": 1.0}
    again = dataclasses.replace(RUN, label="GAN-SD colour", metrics=accuracies)
    first = dataclasses.replace(RUN, metrics=accuracies)
    other = Found(
        "VAE thinning", rows(HALF, [[60, 40]] * 3), {"data.factor": "thinning"}, accuracies
    )
    found = tables(first, again, other)
    assert found["p_u"].columns == ["class", "GAN colour", "VAE thinning"], "SD has the GAN's"
    assert found["p_r"].columns == ["class", "GAN colour", "GAN-SD colour", "VAE thinning"]
    assert found["oracles"].columns == ["oracle of", "colour", "thinning"]
    assert found["oracles"].rows == [
        ["the class", "97.0%", "97.0%"],
        ["the factor", "100.0%", "100.0%"],
    ]
