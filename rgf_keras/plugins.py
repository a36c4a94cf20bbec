"""What users bring of their own, found by name: models, data sets, factors, metrics and more.

A name is, in this order, one of ours; ``module:attr``; ``file.py:attr``, looked for from the
current folder and then beside the study file; or an entry point of the group ``rgf_keras.GROUP``
that an installed package declares.
"""

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from rgf_keras.errors import RgfError, did_you_mean, first_line

# By group, what one of its members is called.
GROUPS = {
    "models": "model",
    "datasets": "data set",
    "factors": "factor",
    "features": "feature extractor",
    "regularizers": "regularizer",
    "metrics": "metric",
}


def resolve(group: str, name: str, known: Mapping[str, Any] | None = None) -> Any:
    """An object by its name.

    Args:
        group: one of ``GROUPS``.
        name: see above.
        known: ours, by name.

    Raises:
        RgfError: nobody knows the name; its module or file does not exist or fails; the module has
            no such attribute.

    >>> resolve("metrics", "math:hypot")(3, 4)
    5.0
    """
    if known and name in known:
        return known[name]
    place, colon, attribute = name.rpartition(":")
    if colon:
        module = _from_file(name, place) if place.endswith(".py") else _module(name, place)
        if not hasattr(module, attribute):
            names = [each for each in vars(module) if not each.startswith("_")]
            raise RgfError(
                f"'{name}': {place} has no '{attribute}'" + did_you_mean(attribute, names)
            )
        return getattr(module, attribute)
    installed = {point.name: point for point in metadata.entry_points(group=f"rgf_keras.{group}")}
    if name in installed:
        return _guarded(name, installed[name].load)
    names = [*(known or {}), *installed]
    raise RgfError(
        f"unknown {GROUPS[group]} '{name}'{did_you_mean(name, names)}; known: "
        f"{', '.join([*names, 'module:attr', 'file.py:attr'])}"
    )


def is_guest(name: str) -> bool:
    """Whether a name can only be a guest's: ``module:attr`` or ``file.py:attr``."""
    return ":" in name


def call(function: Callable[..., Any], arguments: Mapping[str, Any], **offered: Any) -> Any:
    """Call a guest's function with its arguments and what it has parameters for of the offered.

    >>> call(lambda seed, width: (seed, width), {"width": 8}, seed=1, image_shape=(8, 8, 1))
    (1, 8)
    """
    parameters = inspect.signature(function).parameters
    takes_all = any(each.kind is each.VAR_KEYWORD for each in parameters.values())
    wanted = {name: x for name, x in offered.items() if takes_all or name in parameters}
    return function(**{**wanted, **arguments})


def add_folder(folder: Path) -> None:
    """Make the modules in a folder importable, after everything that is already."""
    path = str(folder.resolve())
    if path not in sys.path:
        sys.path.append(path)


def _module(name: str, place: str) -> Any:
    add_folder(Path())
    importlib.invalidate_caches()
    try:
        found = importlib.util.find_spec(place)
    except (ImportError, ValueError):
        found = None
    if found is None:
        raise RgfError(f"'{name}': there is no module {place} here or beside the study file")
    return _guarded(name, lambda: importlib.import_module(place))


def _from_file(name: str, place: str) -> Any:
    folders = [Path(), *map(Path, sys.path)]
    path = next((folder / place for folder in folders if (folder / place).is_file()), None)
    if path is None:
        raise RgfError(f"'{name}': {place} does not exist here or beside the study file")
    path = path.resolve()
    module_name = f"rgf_guest_{path.stem}"
    known = sys.modules.get(module_name)
    if known is not None and known.__file__ == str(path):
        return known
    spec = importlib.util.spec_from_file_location(module_name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    add_folder(path.parent)  # what the file imports from beside itself
    sys.modules[module_name] = module
    try:
        _guarded(name, lambda: spec.loader.exec_module(module))  # type: ignore[union-attr]
    except RgfError:
        del sys.modules[module_name]
        raise
    return module


def _guarded(name: str, load: Callable[[], Any]) -> Any:
    try:
        return load()
    except Exception as error:  # whatever the guest's code raises
        raise RgfError(f"'{name}' fails: {type(error).__name__}: {first_line(error)}") from error
