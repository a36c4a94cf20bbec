"""The one exception type that the command line turns into a single line and exit code 2."""

import difflib
from collections.abc import Iterable

from rgf_keras.masking import masked


class RgfError(Exception):
    """Something the user can mend: the message names the thing and the remedy in one line.

    What is secret in addresses is not in it.
    """

    def __str__(self) -> str:
        return masked(super().__str__())


class LostLease(RgfError):
    """Somebody else may be at what this process was at, which therefore writes nothing more."""


class ArgumentError(RgfError, ValueError):
    """An argument that a function cannot take."""

    __init__ = Exception.__init__  # TensorFlow raises such errors out of what it traces as they are


def how_to_install(extra: str) -> str:
    """The command that adds one of pyproject's extras."""
    return f"pip install 'rgf-keras[{extra}]'"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The known name that is nearest to a misspelt one, as the end of a sentence; or nothing.

    >>> did_you_mean("color", ["colour", "thinning"])
    "; did you mean 'colour'?"
    """
    nearest = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean '{nearest[0]}'?" if nearest else ""


def unknown_name(
    what: str, name: object, known: Iterable[str], forms: Iterable[str] = ()
) -> ArgumentError:
    """The error about a name that nobody knows.

    Args:
        what: kind of thing that is looked for.
        name: what is not known.
        known: names that are.
        forms: what names may look like otherwise, e.g. ``folder:PATH``.

    >>> print(unknown_name("colour", "gren", ["red", "green"]))
    unknown colour 'gren'; known: red, green; did you mean 'green'?
    """
    names = list(known)
    nearest = did_you_mean(str(name), names)
    return ArgumentError(f"unknown {what} '{name}'; known: {', '.join([*names, *forms])}{nearest}")


def first_line(error: BaseException, address: str = "") -> str:
    """An exception's message, cut to one short line, without what addresses hide.

    Args:
        error: any exception.
        address: what it is about, see :func:`rgf_keras.masking.masked`.

    >>> first_line(ValueError("no such key\\nhere"))
    'no such key'
    """
    lines = masked(str(error), address).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__


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
