"""Measured runs: captured, compared, and one version against another."""
