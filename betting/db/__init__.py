"""SQL, and what every reader of the tables shares."""
