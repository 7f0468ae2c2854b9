"""What people enter, checked in one place for the admin and the command line."""
