"""The parts of `manage.py run`: the processes, their set-up, replays, and what it shows."""
