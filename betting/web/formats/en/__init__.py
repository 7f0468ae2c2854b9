"""Formats of the one language that the pages are in."""
