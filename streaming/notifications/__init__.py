"""Who is told of what has happened, and how that went."""
