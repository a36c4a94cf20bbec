"""YAML as people write it: what would only keep a reader busy is refused at once.

YAML 1.1, which PyYAML reads, takes ``no`` for false, ``012`` for ten, ``1:30`` for ninety and a day
for a date, and of a key that is given twice the last value. Here numbers are those of YAML 1.2, a
key is given once, and what has no quotes keeps its text until it is known what it is for: a field
that wants a text gets it as it was written.
"""

import re
from collections.abc import Collection, Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from rgf_keras.errors import RgfError, first_line

MAX_BYTES = 2**18  # a configuration has a few thousand
MAX_DEPTH = 40
MAX_DIGITS = 100
# What PyYAML's constructors raise for values that are none, e.g. the date 2020-13-45.
BAD_VALUES = (ValueError, TypeError, KeyError, AttributeError, OverflowError)
# Where texts are wanted that no field's type tells of: values of a factor, as tables have them.
AS_WRITTEN = ("factor_parameters", "values")
NUMBERS = {
    "int": r"[-+]?[0-9]+(_[0-9]+)*|0o[0-7]+|0x[0-9a-fA-F]+",
    "float": r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)"
    r"|\.(nan|NaN|NAN)",
}
NOT_RESOLVED = ("int", "float", "timestamp", "value")  # as YAML 1.1 does

Place = tuple[str | int, ...]  # keys and positions, the outermost first


@dataclass(frozen=True)
class Plain:
    """A number, a boolean or null that was written without quotes.

    Attributes:
        value: what it is.
        text: as it was written.
    """

    value: Any
    text: str

    def __str__(self) -> str:
        return self.text


class _Loader(yaml.SafeLoader):
    """Without aliases, of which a few hundred bytes stand for gigabytes; of bounded depth."""

    depth = 0
    yaml_implicit_resolvers = {  # noqa: RUF012 (as PyYAML has it)
        first: [each for each in every if each[0].rpartition(":")[2] not in NOT_RESOLVED]
        for first, every in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        if not isinstance(node, yaml.MappingNode):
            return super().construct_mapping(node, deep)
        tree: dict[Hashable, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _refusal("a key must be a text", key)
            if key.value in tree:
                raise _refusal(f"the key '{key.value}' is given twice", key)
            tree[key.value] = self.construct_object(value, deep=True)
        return tree

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        value = super().construct_object(node, deep)
        is_plain = isinstance(node, yaml.ScalarNode) and not node.style
        return Plain(value, node.value) if is_plain and not isinstance(value, str) else value

    def compose_node(self, parent: Any, index: Any) -> Any:
        event: Any = self.peek_event()
        problem = None
        if isinstance(event, yaml.AliasEvent):
            problem = f"the alias *{event.anchor} is not read; write the value out"
        elif self.depth >= MAX_DEPTH:
            problem = f"it is nested more than {MAX_DEPTH} deep"
        if problem:
            raise yaml.composer.ComposerError(None, None, problem, event.start_mark)
        self.depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1

    def integer(self, node: Any) -> int:
        text = self.construct_scalar(node)
        if len(text) > MAX_DIGITS:
            raise _refusal(f"a number has {len(text)} digits", node)
        return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))

    def real(self, node: Any) -> float:
        return float(
            self.construct_scalar(node).lower().replace(".inf", "inf").replace(".nan", "nan")
        )


def _refusal(problem: str, node: Any) -> "RefusedText":
    return RefusedText(None, None, problem, node.start_mark)


class RefusedText(yaml.constructor.ConstructorError):
    """What YAML allows, and is not read here."""


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.integer)
_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.real)
for _kind, _pattern in NUMBERS.items():
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_kind}", re.compile(f"({_pattern})$"), list("-+.0123456789")
    )


def load(text: str) -> Any:
    """The value of a YAML text; numbers, booleans and nulls are :class:`Plain`.

    Raises:
        RgfError: it is none, holds aliases, is nested too deep or too long.
    """
    if len(text) > MAX_BYTES:
        raise RgfError(f"is longer than {MAX_BYTES // 1024} KB, which no configuration is")
    try:
        return yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        own = isinstance(error, yaml.composer.ComposerError | RefusedText)
        where = f" (line {mark.line + 1}{f': {error.problem}' if own else ''})" if mark else ""
        raise RgfError(f"is no YAML{where}") from None
    except (yaml.YAMLError, *BAD_VALUES) as error:
        raise RgfError(f"is no YAML ({first_line(error)})") from None


def read(path: str | Path) -> Any:
    """The value of a YAML file.

    Raises:
        RgfError: the file cannot be read, or as for :func:`load`.
    """
    path = Path(path)
    try:
        if path.exists() and not path.is_file():
            raise RgfError(f"cannot read {path}: it is no regular file")
        with open(path, encoding="utf-8-sig") as file:
            text = file.read(MAX_BYTES + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise RgfError(f"cannot read {path}: {getattr(error, 'strerror', error)}") from None
    try:
        return load(text)
    except RgfError as error:
        raise RgfError(f"{path} {error}") from None


def values(tree: Any, texts: Collection[Place] = (), place: Place = (), words: bool = False) -> Any:
    """A tree without :class:`Plain`.

    Args:
        tree: of dictionaries and lists.
        texts: places whose text is wanted, as Pydantic names them: with further parts in between,
            e.g. the family of a model.
        place: of the tree in a larger one.
        words: whether ``yes`` and the like stay words.

    >>> values({"a": [Plain(12, "012"), "x"], "b": Plain(False, "no")}, texts=[("b",)])
    {'a': [12, 'x'], 'b': 'no'}
    """
    if isinstance(tree, dict):
        return {key: values(each, texts, (*place, key), words) for key, each in tree.items()}
    if isinstance(tree, list):
        return [values(each, texts, (*place, i), words) for i, each in enumerate(tree)]
    if not isinstance(tree, Plain):
        return tree
    if place[-3:-1] == AS_WRITTEN:  # where a number of one spelling stays one, as in old keys
        return tree.value if str(tree.value) == tree.text else tree.text
    is_text = words and isinstance(tree.value, bool)
    return tree.text if is_text or any(_is_at(place, x) for x in texts) else tree.value


def _is_at(place: Place, named: Place) -> bool:
    """Whether all parts of a place are there in a longer name of it, in their order."""
    rest = iter(named)
    return named[-1:] == place[-1:] and all(part in rest for part in place)
