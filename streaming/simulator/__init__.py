"""A simulated odds provider that speaks The Odds API v4 over real HTTP on loopback.

`market` (with `event`, `quoting`, `catalogue`) is the seeded market, `odds_api` turns it into
answers, `server` serves them, `faults` breaks them on request, `replay` serves a recording
instead, `recorder` writes one. Nothing here imports Django.
"""
