"""Hides what only some systems have, so that what needs it fails as it would on the others."""

import os
import sys

MODULES = ("fcntl", "resource", "termios", "pwd", "grp")
FUNCTIONS = ("sched_getaffinity", "fork", "O_NOFOLLOW")


def hide():
    """Call it once other libraries are imported, which take what the system has."""
    for name in MODULES:
        sys.modules[name] = None
    for name in FUNCTIONS:
        if hasattr(os, name):  # this system may lack it too
            delattr(os, name)
