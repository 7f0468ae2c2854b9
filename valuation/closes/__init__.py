"""Closing prices: the last ones before an event starts, and what edges were worth by them."""
