"""Results of events: reading them from files, matching them to events, grading outcomes by them."""
