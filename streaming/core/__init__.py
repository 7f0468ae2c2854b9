"""Pure decisions: plain functions of data, policy and `now`. No clock, no I/O, no Django."""
