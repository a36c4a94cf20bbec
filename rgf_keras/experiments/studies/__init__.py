"""Optuna studies: their trials, the processes that run them, and the ranking."""
