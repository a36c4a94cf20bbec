"""Memorization rejection over several thresholds."""
