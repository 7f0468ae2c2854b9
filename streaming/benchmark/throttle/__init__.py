"""The circuit with its throttle beside the circuit alone, over seeded faults in simulated time.

- `scripts` are what a provider does: a healthy day, and faults in one that is healthy otherwise.
- `trial` polls it, under the circuit as the product decides it, with and without the throttle.
- `table` compares the two of each seed, says what was won and lost, and judges it.
"""
