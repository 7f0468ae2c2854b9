"""Betfair: recordings of its Exchange Stream."""
