"""Backtests: what rules would have claimed and won on recorded prices and results."""
