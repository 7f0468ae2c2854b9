"""Django and Celery settings, all derived from the typed `betting.config`."""

from __future__ import annotations

from pathlib import Path

from betting import timing
from betting.config import get_config
from betting.db.databases import databases
from betting.logs.rendering import logging_settings
from betting.runtime import broker
from betting.runtime.embedded import (
    broker_url,
    cache_options,
    redis_url,
    secret_key,
)
from betting.web import security, theme

BASE_DIR = Path(__file__).resolve().parent.parent
CONFIG = get_config()

SECRET_KEY = secret_key(CONFIG)
DEBUG = CONFIG.web.debug
ALLOWED_HOSTS = list(CONFIG.web.allowed_hosts)
ROOT_URLCONF = "betting.web.urls"
WSGI_APPLICATION = "betting.web.wsgi.application"
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en-us"
FORMAT_MODULE_PATH = ["betting.web.formats"]

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "betting.web.admin_app.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "django_celery_results",
    "rest_framework",
    "rest_framework.authtoken",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "betting",
    "betting.web",
    "streaming",
    "valuation",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "betting.web.security.PagePolicy",
    "betting.web.security.refuse_null_characters",
]
CONTENT_SECURITY_POLICY = {"DIRECTIVES": security.DIRECTIVES}
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        # Found before the theme's own of the same name.
        "DIRS": [BASE_DIR / "betting" / "web" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

STATIC_URL = "static/"
# An image has this directory, into which its build collects them: the files of all packages need
# not be searched for at each start. A checkout has none, and nothing has to be collected first.
_COLLECTED = BASE_DIR / "staticfiles"
STATIC_ROOT = str(_COLLECTED) if _COLLECTED.is_dir() else None
WHITENOISE_USE_FINDERS = STATIC_ROOT is None
WHITENOISE_AUTOREFRESH = False

DATABASES = databases(CONFIG)
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": redis_url(CONFIG),
        "KEY_PREFIX": "hardline:cache",
        "OPTIONS": {
            **cache_options(CONFIG),
            "socket_timeout": timing.REDIS_TIMEOUT_SECONDS,
            "socket_connect_timeout": timing.REDIS_TIMEOUT_SECONDS,
        },
    }
}
# Off the loopback, TLS is required unless HARDLINE_WEB_HTTPS=false.
_IS_HTTPS = CONFIG.web.is_https
SESSION_COOKIE_SECURE = _IS_HTTPS
CSRF_COOKIE_SECURE = _IS_HTTPS
CSRF_FAILURE_VIEW = "betting.web.errors.expired_form"
SECURE_SSL_REDIRECT = _IS_HTTPS
# Probes and scrapers connect from inside, without the proxy that terminates TLS.
SECURE_REDIRECT_EXEMPT = [r"^health/", r"^metrics$"]
SECURE_HSTS_SECONDS = 30 * 86_400 if _IS_HTTPS else 0
# HSTS for subdomains and preloading are the decision of the domain's owner, not of one host.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

# The board, and its login; the admin has a login of its own.
LOGIN_URL = "board:login"
LOGIN_REDIRECT_URL = "board:board"

UNFOLD = theme.UNFOLD

# --- The REST API: docs/adr/0016-rest-api.md ---

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        # First, so that the answer to an anonymous request is 401 and asks for a token.
        "rest_framework.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["betting.web.api.parsers.BoundedJSONParser"],
    "DEFAULT_PAGINATION_CLASS": "betting.web.api.pagination.Pages",
    "DEFAULT_SCHEMA_CLASS": "betting.web.api.openapi.Schema",
    "EXCEPTION_HANDLER": "betting.web.api.problems.answer",
    "URL_FORMAT_OVERRIDE": None,
    # Use the connection's address: anybody can write a header.
    "NUM_PROXIES": 0,
    "NON_FIELD_ERRORS_KEY": "request",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Hardline",
    "DESCRIPTION": "Odds, fair prices and edges, and the pipeline that makes them.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    # Fields of the same name with different choices.
    "ENUM_NAME_OVERRIDES": {
        "EventStatus": "betting.models.EventStatus",
        "QuoteStatus": "betting.models.QuoteStatus",
        "ChangeKind": "betting.models.ChangeKind",
        "FairPriceState": "valuation.models.FairPriceState",
        "CircuitPhase": "streaming.models.CircuitState",
        "LetterStatus": "streaming.models.LetterStatus",
        "LetterKind": "streaming.models.LetterKind",
        "PollOutcome": "streaming.models.PollOutcome",
        "ActionOutcome": "streaming.models.ActionOutcome",
        "HealthStatus": "streaming.models.HealthStatus",
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "betting.web.api.openapi.with_problems",
    ],
}

LOGGING = logging_settings(CONFIG.log)

# --- Celery: docs/adr/0004-celery.md ---

CELERY_BROKER_URL = broker_url(CONFIG)
CELERY_BROKER_USE_SSL = broker.tls_options(CONFIG)
CELERY_RESULT_BACKEND = "django-db"
CELERY_RESULT_EXPIRES = None  # `streaming.prune` deletes them
CELERY_TIMEZONE = "UTC"
CELERY_TASK_SERIALIZER = "json"
CELERY_RESULT_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]

CELERY_TASK_QUEUES = broker.task_queues(CONFIG)
CELERY_TASK_CREATE_MISSING_QUEUES = False
CELERY_TASK_DEFAULT_QUEUE = "coalesce"
CELERY_TASK_ROUTES = {
    "streaming.tick": {"queue": "poll"},
    "streaming.poll_provider": {"queue": "poll"},
    "streaming.send_score_polls": {"queue": "poll"},
    "streaming.poll_scores": {"queue": "poll"},
    "streaming.coalesce_line_changes": {"queue": "coalesce"},
    "streaming.sweep": {"queue": "coalesce"},
    "streaming.quarantine": {"queue": "coalesce"},
    "streaming.prune": {"queue": "poll"},
    "streaming.check_health": {"queue": "poll"},
    "streaming.deliver": {"queue": "deliver"},
    # Not behind the deliveries, whose queue is what an alert may be about.
    "streaming.send_alerts": {"queue": "poll"},
    "streaming.store_spooled_letters": {"queue": "poll"},
    "streaming.send_replays": {"queue": "poll"},
    "streaming.replay_payload": {"queue": "poll"},
    "valuation.recompute_markets": {"queue": "valuation"},
}
CELERY_TASK_IGNORE_RESULT = True
# A failure is stored as a dead letter by a hook. The result backend is written before the hooks
# run: an error of it must not keep them from running.
CELERY_TASK_STORE_ERRORS_EVEN_IF_IGNORED = not CONFIG.dead_letters_enabled
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_SOFT_TIME_LIMIT = timing.TASK_SOFT_LIMIT_SECONDS
CELERY_TASK_TIME_LIMIT = timing.TASK_HARD_LIMIT_SECONDS
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 2, "interval_start": 0.1, "interval_max": 0.5}

# A message that cannot be run as a task becomes a dead letter: docs/adr/0010-dead-letters.md.
CELERY_WORKER_CONSUMER = "streaming.dead_letters.celery_hooks:Consumer"
CELERY_WORKER_LOST_WAIT = 2.0  # seconds until a killed process's message is requeued (default 10)
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_ETA_TASK_LIMIT = 1000
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 5.0
CELERY_WORKER_ENABLE_SOFT_SHUTDOWN_ON_IDLE = True
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = True
# Flower asks for them every five seconds. Publishing them takes a value worker a third of its time.
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_EVENT_QUEUE_EXPIRES = 60
CELERY_EVENT_QUEUE_TTL = 5

CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# A full broker refuses messages: let workers wait for room instead of exiting.
CELERY_BROKER_CHANNEL_ERROR_RETRY = True
CELERY_BROKER_TRANSPORT_OPTIONS = broker.transport_options(CONFIG)
# RabbitMQ lets go of the messages of a worker that is silent twice as long.
CELERY_BROKER_HEARTBEAT = 10

# Static entries only: the database, not beat, knows which provider is due.
CELERY_BEAT_SCHEDULER = "betting.beat:Scheduler"
CELERY_BEAT_SCHEDULE_FILENAME = str(CONFIG.home / "beat-schedule")
CELERY_BEAT_SCHEDULE = {
    "tick": {
        "task": "streaming.tick",
        "schedule": timing.TICK_SECONDS,
        # The newest tick replaces all earlier ones: expire a backlog.
        "options": {"expires": timing.TICK_SECONDS * 2},
    },
    "sweep": {
        "task": "streaming.sweep",
        "schedule": timing.SWEEP_SECONDS,
        "options": {"expires": timing.SWEEP_SECONDS * 2},
    },
    "store-spooled-letters": {
        "task": "streaming.store_spooled_letters",
        "schedule": 5.0,
        "options": {"expires": 10.0},
    },
    "send-replays": {
        "task": "streaming.send_replays",
        "schedule": 1.0,  # the unit of `replays.PER_SECOND`
        "options": {"expires": 2.0},
    },
    "send-alerts": {
        "task": "streaming.send_alerts",
        "schedule": 5.0,
        "options": {"expires": 10.0},
    },
    "check-health": {
        "task": "streaming.check_health",
        "schedule": CONFIG.health.interval_seconds,
        "options": {"expires": CONFIG.health.interval_seconds},
    },
    "prune": {
        "task": "streaming.prune",
        "schedule": 3600.0,
        "options": {"expires": 3600.0},
    },
}
if CONFIG.poll.scores_interval_seconds:
    CELERY_BEAT_SCHEDULE["send-score-polls"] = {
        "task": "streaming.send_score_polls",
        "schedule": CONFIG.poll.scores_interval_seconds,
        "options": {"expires": CONFIG.poll.scores_interval_seconds},
    }
