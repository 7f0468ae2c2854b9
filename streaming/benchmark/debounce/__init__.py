"""Fixed against adaptive windows of coalescing: recorded changes, replayed in simulated time.

- `tapes` reads streams as they came: each change of a market, and its fair price after it.
- `bursts` makes one of many markets, by which messages are counted.
- `windows` decides when changes are valued: as the product does, or adaptively.
- `replay` plays a tape under one of them, with workers that take their time.
- `frontier` compares both at equal recomputes, with the spread over blocks of changes.
- `mixed` counts reads of events that see some markets newer than others.
- `tables` shows it, and says what was won.
"""
