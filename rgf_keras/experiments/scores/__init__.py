"""The K-fold memorization score."""
