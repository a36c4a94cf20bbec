"""A memorization score for the terminal."""

from rich.table import Table

from rgf_keras.experiments.scores.report import summary
from rgf_keras.experiments.scores.result import Score


def table(score: Score) -> Table:
    """One line per epoch that is scored."""
    title = (
        f"memorization score M (nats) of {len(score.images)} images of {score.images.name}, "
        f"{score.num_repeats} × {score.config.num_folds} fits"
    )
    view = Table(title=title)
    for column in ("epoch", "min", "median", "q0.95", "q0.999", "max", "held-out log p"):
        view.add_column(column, justify="right")
    for epoch, numbers in summary(score)["by_epoch"].items():
        names = ("min", "median", "q0.95", "q0.999", "max")
        cells = [numbers[f"memorization/{name}"] for name in names]
        cells.append(numbers["quality/held_out_log_prob"])
        view.add_row(str(epoch), *(f"{cell:.1f}" for cell in cells))
    return view
