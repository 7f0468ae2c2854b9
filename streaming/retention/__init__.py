"""Retention: deleting rows that are old enough."""
