"""What `manage.py run` does: the processes, their set-up, replays, and what it shows."""
