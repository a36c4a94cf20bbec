"""Imports every module of the package and says which changes what all of a process shares.

What only some systems have is hidden: no module may need it. The arguments are the parts of the
package, the lowest first, so that it is the culprit that is named. What other libraries change when
they are imported is theirs: they are imported first.
"""

import ast
import contextlib
import importlib
import logging
import os
import pkgutil
import sys
import warnings
from pathlib import Path

import matplotlib
import optuna
import portability

import rgf_keras

EXTRAS = {"rgf_keras.models.unet_keras_cv", "rgf_keras.cli.__main__"}


def import_other_libraries():
    for path in Path(rgf_keras.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module] if isinstance(node, ast.ImportFrom) else []
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else names
            for name in names:
                if not name.startswith(("rgf_keras", "keras_cv", "__main__")):
                    with contextlib.suppress(ImportError):  # extras
                        importlib.import_module(name)


def shared_state():
    loggers = {name: logging.getLogger(name) for name in [None, *logging.root.manager.loggerDict]}
    return {
        "the matplotlib backend": matplotlib.rcParams._get("backend"),
        "warnings filters": list(warnings.filters),
        "logging levels": {name: each.level for name, each in loggers.items() if each.level},
        "logging handlers": {n: each.handlers[:] for n, each in loggers.items() if each.handlers},
        "Optuna's verbosity": optuna.logging.get_verbosity(),
        "file descriptors": {fd: _target(fd) for fd in os.listdir("/proc/self/fd")},
        "environment variables": dict(os.environ),
    }


def _target(fd):
    with contextlib.suppress(OSError):
        return os.readlink(f"/proc/self/fd/{fd}")


def main(parts):
    import_other_libraries()
    portability.hide()
    before = shared_state()
    names = [module.name for module in pkgutil.walk_packages(rgf_keras.__path__, "rgf_keras.")]
    for name in sorted(set(names) - EXTRAS, key=lambda name: parts.index(name.split(".")[1])):
        importlib.import_module(name)
        after = shared_state()
        for kind in before:
            if after[kind] != before[kind]:
                print(f"{name} changes {kind}")
        before = after


main(sys.argv[1:])
