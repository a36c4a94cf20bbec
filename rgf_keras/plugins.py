"""What users bring of their own, found by name: models, data sets, factors, metrics and more.

A name is, in this order, one of ours; ``module:attr``; ``file.py:attr``, looked for from the
current folder and then beside the study file; or an entry point of the group ``rgf_keras.GROUP``
that an installed package declares.
"""

import importlib
import importlib.util
import inspect
import sys
import zlib
from collections.abc import Callable, Iterable, Mapping
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

from rgf_keras.errors import ArgumentError, RgfError, did_you_mean, first_line, unknown_name

# By group, what one of its members is called.
GROUPS = {
    "models": "model",
    "datasets": "data set",
    "factors": "factor",
    "features": "feature extractor",
    "regularizers": "regularizer",
    "metrics": "metric",
    "oracles": "oracle",
}


def resolve(group: str, name: str, known: Mapping[str, Any] | None = None) -> Any:
    """An object by its name.

    Args:
        group: one of ``GROUPS``.
        name: see above.
        known: ours, by name.

    Raises:
        ArgumentError: nobody knows the name; its module or file does not exist, or has no such
            attribute.
        RgfError: the module fails when it is imported.

    >>> resolve("metrics", "math:hypot")(3, 4)
    5.0
    """
    if known and name in known:
        return known[name]
    place, _, attribute = name.rpartition(":")
    if place and attribute:
        module = _run_file(name, place) if place.endswith(".py") else _import(name, place)
        if not hasattr(module, attribute):
            names = [each for each in vars(module) if not each.startswith("_")]
            nearest = did_you_mean(attribute, names)
            raise ArgumentError(f"'{name}': {place} has no '{attribute}'{nearest}")
        return getattr(module, attribute)
    check(group, name, known or ())
    return attempt(name, installed(group)[name].load)


def check(group: str, name: str, known: Iterable[str] = (), key: str = "") -> None:
    """Refuse a name that :func:`resolve` would not find, as far as that is told without running it.

    Args:
        group: one of ``GROUPS``.
        name: see above.
        known: names of ours.
        key: what errors name first.

    Raises:
        ArgumentError: nobody knows the name, or its module or file does not exist.

    >>> check("metrics", "math:hypot")
    >>> check("metrics", "maths:hypot")
    Traceback (most recent call last):
        ...
    rgf_keras.errors.ArgumentError: 'maths:hypot': there is no module maths here or beside the \
study file
    """
    try:
        _check(group, name, known)
    except ArgumentError as error:
        raise ArgumentError(f"{key}: {error}") if key else error from None


def _check(group: str, name: str, known: Iterable[str]) -> None:
    place, _, attribute = name.rpartition(":")
    names = [*known, *installed(group)]
    if name in names:
        return
    if not (place and attribute):
        raise unknown_name(GROUPS[group], name, names, ("module:attr", "file.py:attr"))
    if place.endswith(".py"):
        _find_file(name, place)
    else:
        _find_module(name, place)


def installed(group: str) -> dict[str, metadata.EntryPoint]:
    """What installed packages offer, by name."""
    return {point.name: point for point in metadata.entry_points(group=f"rgf_keras.{group}")}


def is_guest(name: str) -> bool:
    """Whether a name can only be a guest's: ``module:attr`` or ``file.py:attr``.

    >>> is_guest("my_gan.py:MyGAN"), is_guest("gan")
    (True, False)
    """
    return ":" in name


def call(function: Callable[..., Any], arguments: Mapping[str, Any], /, **offered: Any) -> Any:
    """Call a guest's function with its arguments and what it has parameters for of the offered.

    >>> call(lambda seed, width: (seed, width), {"width": 8}, seed=1, image_shape=(8, 8, 1))
    (1, 8)
    """
    parameters = inspect.signature(function).parameters
    # A class hands its ``**kwargs`` to its base, which for models is Keras' and knows none of it.
    takes_all = any(each.kind is each.VAR_KEYWORD for each in parameters.values())
    takes_all = takes_all and not isinstance(function, type)
    wanted = {name: x for name, x in offered.items() if takes_all or name in parameters}
    return function(**{**wanted, **arguments})


def attempt(name: str, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Call what a guest of this name has brought.

    Raises:
        RgfError: it fails, for whatever reason; told in one line.
    """
    try:
        return function(*args, **kwargs)
    except RgfError:
        raise
    except (Exception, SystemExit) as error:  # whatever the guest's code raises
        raise RgfError(f"'{name}' fails: {type(error).__name__}: {first_line(error)}") from error


def add_folder(folder: Path) -> None:
    """Make the modules in a folder importable, after everything that is already."""
    path = str(folder.resolve())
    if path not in sys.path:
        sys.path.append(path)


def _find_module(name: str, place: str) -> None:
    """Refuse a module whose package does not exist; what is in a package only its code tells."""
    add_folder(Path())
    importlib.invalidate_caches()
    package = place.partition(".")[0]
    if not package or (package not in sys.modules and importlib.util.find_spec(package) is None):
        raise _no_module(name, place)


def _no_module(name: str, place: str) -> ArgumentError:
    return ArgumentError(f"'{name}': there is no module {place} here or beside the study file")


def _import(name: str, place: str) -> ModuleType:
    _find_module(name, place)
    try:
        return attempt(name, importlib.import_module, place)
    except RgfError as error:
        cause = error.__cause__
        if isinstance(cause, ModuleNotFoundError) and f"{place}.".startswith(f"{cause.name}."):
            raise _no_module(name, place) from None
        raise


def _find_file(name: str, place: str) -> Path:
    paths = (Path(folder, place) for folder in (".", *sys.path))
    path = next((path.resolve() for path in paths if path.is_file()), None)
    if path is None:
        raise ArgumentError(f"'{name}': {place} does not exist here or beside the study file")
    return path


def _run_file(name: str, place: str) -> ModuleType:
    path = _find_file(name, place)
    # Files of the same name in other folders are other modules.
    module_name = f"rgf_guest_{path.stem}_{zlib.crc32(str(path).encode()):08x}"
    if module_name in sys.modules:
        return sys.modules[module_name]
    spec = importlib.util.spec_from_file_location(module_name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    add_folder(path.parent)  # what the file imports from beside itself
    sys.modules[module_name] = module
    try:
        attempt(name, spec.loader.exec_module, module)
    except RgfError:
        del sys.modules[module_name]
        raise
    return module
