"""What people and programs read: the admin, the API, the board's URLs and the web server."""
