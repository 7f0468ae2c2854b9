"""Runs commands of `manage.py`, each in a fork of one process that has imported what they import.

A command that is started takes more than a second to import all of Hardline, and a moment for what
it does. What it reads and says is the same here: `manage.main` runs with its arguments, in a
process of its own. One JSON object a line says what to run; its exit status is answered.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from pathlib import Path

import django
from django.core.management import get_commands, load_command_class
from django.db.migrations.loader import MigrationLoader

import manage

OURS = ("betting", "streaming")


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "betting.settings")
    sys.argv = ["manage.py"]  # by which a command's log lines go where its result does not
    django.setup()
    for name, app in get_commands().items():
        if app in OURS:
            load_command_class(app, name)
    MigrationLoader(None)
    gc.freeze()  # a fork that ends need not go through what it has not made
    for line in sys.stdin:
        request = json.loads(line)
        if os.fork() == 0:
            os.chdir(request["directory"])
            for number, name in ((1, "stdout"), (2, "stderr")):
                os.dup2(os.open(Path(request[name]), os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
            sys.argv = request["command"]
            manage.main()
            return
        _, status = os.wait()
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
