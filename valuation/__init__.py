"""Valuation: quotes in, fair prices and edges out."""
