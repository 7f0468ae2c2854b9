"""The pages for bettors: the board of edges, an event's odds, an edge.

A page is made in three steps: `filters` reads what the reader chose, `edge_rows`, `odds_grid` and
`history` read the database, and `words` says it as a bettor would. `views` joins them.
"""
