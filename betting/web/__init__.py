"""The web server and what it serves: the admin, the API and the board's URLs."""
