"""Fixed against adaptive polling: the same changes, and as many polls.

`schedule` makes fixtures and the times of their changes from a seed, `tapes` reads them from
recordings; `policies` decide when to poll; `waits` compares the times from change to poll;
`comparison` runs all, and `tables` shows it.
"""
