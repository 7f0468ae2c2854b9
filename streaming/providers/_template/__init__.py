"""A working adapter to copy: `docs/adding-a-provider.md` says how.

It speaks a small protocol of its own and is tested like every other adapter, but it is not in the
registry: nobody can poll it. `answer.py` holds the shape of an answer and what its prices mean,
`adapter.py` the requests, the key, the refusals and the snapshot.

```text
GET /v1/odds/basketball_nba?markets=h2h,totals
{"sport": "basketball_nba", "title": "NBA", "events": [
  {"id": "e1", "starts_at": "2026-03-01T19:30:00Z", "home": "Gulls", "away": "Owls", "books": [
    {"key": "alder", "title": "Alder", "seen_at": "2026-03-01T18:00:01Z", "prices": [
      {"market": "h2h", "outcome": "home", "odds": 1.74},
      {"market": "spreads", "outcome": "away", "point": 3.5, "odds": null}]}]}]}
```

`odds` are decimal, and null while the price is withdrawn. `seen_at` is when the service last looked
at the bookmaker. A refusal is ``{"error": {"code": "unknown_sport", "message": "…"}}``.
"""

from streaming.providers._template.adapter import Template

__all__ = ["Template"]
