"""The one exception type that the command line turns into a single line and exit code 2."""


class RgfError(Exception):
    """Something the user can mend: the message names the thing and the remedy in one line."""


def how_to_install(extra: str) -> str:
    """The command that adds one of pyproject's extras."""
    return f"pip install -c constraints.txt -e '.[{extra}]'"


class Diverged(RgfError):
    """Training produced a loss that is not finite.

    Args:
        metric: name of the metric that is not finite.
        step: the update (counted from 0) at which it happened.
    """

    def __init__(self, metric: str, step: int):
        super().__init__(
            f"training diverged: {metric} is not finite at step {step}; "
            "lower the learning rate or the regularization weight"
        )
        self.metric = metric
        self.step = step

    def __reduce__(self) -> tuple[type, tuple[str, int]]:
        return Diverged, (self.metric, self.step)  # so that it may come from another process
