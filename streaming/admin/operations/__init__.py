"""The operators' dashboard and health view: whether all is well, since when, and what to do."""
