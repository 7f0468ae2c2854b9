"""Quotes in, fair prices and edges out."""
