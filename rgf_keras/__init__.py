"""Measure how much an image generator memorizes, and search the mitigation that helps most.

Importing this package imports neither Keras nor a backend: set ``KERAS_BACKEND`` first, then
import the subpackage you need (``datasets``, ``models``, ``training``, ``metrics``,
``experiments``).
"""

__version__ = "0.1.0"
