"""Units of systemd for the processes of one machine, on servers of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from streaming.runner.processes import ROLES

TARGET = "hardline.target"
MIGRATE = "migrate"
ROLES_HERE = tuple(role for role in ROLES if role != "simulator")

#: Variable → the credential, a file of this name in the secrets' folder, that holds its value.
_SECRETS = {
    "DATABASE_URL": "database_url",
    "REDIS_URL": "redis_url",
    "HARDLINE_SECRET_KEY": "secret_key",
    "HARDLINE_HEALTH_TOKEN": "health_token",
}
_ADMIN_SECRETS = {"DJANGO_SUPERUSER_PASSWORD": "admin_password"}
_OF_THE_ADMIN = {MIGRATE, "flower"}

#: A service can write to its state directory and a /tmp of its own, and gain no privileges.
_HARDENING = """\
NoNewPrivileges=yes
CapabilityBoundingSet=
ProtectSystem=strict
ProtectHome=read-only
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
LockPersonality=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
UMask=0077
"""


@dataclass(frozen=True, slots=True)
class Installation:
    """The places of an installation.

    Attributes:
        checkout: the directory of manage.py.
        python: the interpreter with the requirements.
        user: the account that everything runs as.
        configuration: the folder of `hardline.env` and of `secrets/`.
    """

    checkout: Path
    python: Path
    user: str
    configuration: Path = Path("/etc/hardline")


def units(installation: Installation) -> Mapping[str, str]:
    """Return the file name of each unit → its text."""
    written = {f"hardline-{role}.service": _service(installation, role) for role in ROLES_HERE}
    return {
        **written,
        f"hardline-{MIGRATE}.service": _migration(installation),
        TARGET: _target(),
        "hardline-sessions.service": _sessions(installation),
        "hardline-sessions.timer": _timer(),
    }


def _service(installation: Installation, role: str) -> str:
    return f"""\
[Unit]
Description=Hardline: {role}
PartOf={TARGET}
Requires=hardline-{MIGRATE}.service
After=hardline-{MIGRATE}.service network-online.target
Wants=network-online.target
# It waits for its servers itself, for minutes: no number of starts is too many.
StartLimitIntervalSec=0

[Service]
Type=exec
{_process(installation, role, f"role {role}")}Restart=always
RestartSec=2
# To the process alone: a worker ends its tasks first, and then its pool.
KillMode=mixed
TimeoutStopSec=30
{_HARDENING}
[Install]
WantedBy={TARGET}
"""


def _migration(installation: Installation) -> str:
    return f"""\
[Unit]
Description=Hardline: tables and login
PartOf={TARGET}
After=network-online.target
Wants=network-online.target

[Service]
Type=oneshot
RemainAfterExit=yes
{_process(installation, MIGRATE, f"role {MIGRATE}")}TimeoutStartSec=infinity
{_HARDENING}
[Install]
WantedBy={TARGET}
"""


def _sessions(installation: Installation) -> str:
    return f"""\
[Unit]
Description=Hardline: delete the sessions that have ended
Requires=hardline-{MIGRATE}.service
After=hardline-{MIGRATE}.service

[Service]
Type=oneshot
{_process(installation, "sessions", "clearsessions")}{_HARDENING}"""


def _timer() -> str:
    return f"""\
[Unit]
Description=Hardline: delete the sessions that have ended, once a day
PartOf={TARGET}

[Timer]
OnCalendar=daily
RandomizedDelaySec=1h
Persistent=yes

[Install]
WantedBy={TARGET}
"""


def _target() -> str:
    return """\
[Unit]
Description=Hardline: all processes of this machine

[Install]
WantedBy=multi-user.target
"""


def _process(installation: Installation, name: str, arguments: str) -> str:
    """Return what a service runs, as whom, with which settings and secrets."""
    manage = installation.checkout / "manage.py"
    lines = [
        f"User={installation.user}",
        f"WorkingDirectory={installation.checkout}",
        f"ExecStart={_quoted(installation.python)} {_quoted(manage)} {arguments}",
        f"StateDirectory=hardline/{name}",
        "StateDirectoryMode=0700",
        f"Environment=HARDLINE_HOME=%S/hardline/{name} PYTHONUNBUFFERED=1",
        *_secrets(installation.configuration / "secrets", name),
        # After the others, so that what an operator sets there holds.
        f"EnvironmentFile=-{installation.configuration / 'hardline.env'}",
    ]
    return "".join(f"{line}\n" for line in lines)


def _secrets(folder: Path, name: str) -> Iterator[str]:
    """Yield the credentials of a service: systemd reads them as root and shows them to it alone."""
    of_service = _SECRETS | (_ADMIN_SECRETS if name in _OF_THE_ADMIN else {})
    for variable, credential in of_service.items():
        yield f"LoadCredential={credential}:{folder / credential}"
        yield f"Environment={variable}_FILE=%d/{credential}"


def _quoted(path: Path) -> str:
    """Quote a path for a unit's command line.

    >>> _quoted(Path("/srv/50% of it/manage.py"))
    '"/srv/50%% of it/manage.py"'
    """
    text = str(path).replace("%", "%%")
    return f'"{text}"' if " " in text else text
