"""Tables for the terminal."""

import io
import math

import numpy as np
from rich.console import Console

from rgf_keras.metrics import rgf_table
from rgf_keras.reports import outcome, page, values


def test_a_z_table_fits_80_columns_and_has_no_nan():
    counts_u = np.array([[50, 60], [1000, 2000], [0, 0], [1050, 2060]])
    counts_r = np.array([[99, 9], [1, 2999], [0, 0], [100, 3008]])
    names = ("0", "1", "9")
    table = rgf_table.build(counts_r, counts_u, names, 1)
    console = Console(width=80, file=io.StringIO(), force_terminal=False)
    console.print(outcome.assessment_table(table))
    text = console.file.getvalue()
    assert "…" not in text
    assert "nan" not in text
    (line,) = (line for line in text.splitlines() if line.split()[:2] == ["1", "(rare)"])
    assert line.split()[2:6] == ["3000", "67", "[65,", "68]"]
    assert line.rstrip().endswith("memorized")


def test_an_interval_of_too_few_samples_is_none():
    metrics = {"copying/c_t": -3.0, "copying/c_t_low": math.nan, "copying/c_t_high": math.nan}
    assert values.interval(metrics, "copying/c_t") == "−3.00"
    assert not values.overlaps(metrics, metrics, "copying/c_t")
    assert values.overlap(metrics, metrics, "copying/c_t") == ""
    assert page._copying(metrics).startswith("No sign of it; C_T −3.00, ")
    assert (
        page._copying({**metrics, "copying/c_t_high": -1.0, "copying/c_t_low": -5.0})[:3] == "Yes"
    )
