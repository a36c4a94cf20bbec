"""YAML as people write it: what would only keep a reader busy is refused at once."""

from pathlib import Path
from typing import Any

import yaml

from rgf_keras.errors import RgfError, first_line

MAX_BYTES = 2**18  # a configuration has a few thousand
MAX_DEPTH = 40
MAX_DIGITS = 100
# What PyYAML's constructors raise for values that are none, e.g. the date 2020-13-45.
BAD_VALUES = (ValueError, TypeError, KeyError, AttributeError, OverflowError)


class _Loader(yaml.SafeLoader):
    """Without aliases, of which a few hundred bytes stand for gigabytes; of bounded depth."""

    depth = 0

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

    def number(self, node: Any) -> Any:
        if len(node.value) > MAX_DIGITS:
            problem = f"a number has {len(node.value)} digits"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        return self.construct_yaml_int(node)


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.number)


def load(text: str) -> Any:
    """The value of a YAML text.

    Raises:
        RgfError: it is none, holds aliases, is nested too deep or too long.
    """
    if len(text) > MAX_BYTES:
        raise RgfError(f"is longer than {MAX_BYTES // 1024} KB, which no configuration is")
    try:
        return yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        own = isinstance(error, yaml.composer.ComposerError) or "digits" in str(error.problem)
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
