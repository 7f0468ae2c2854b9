"""The private servers and the processes of a run."""
