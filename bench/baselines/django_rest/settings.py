"""Django's settings: a database and nothing that is not asked for."""

import os
from urllib.parse import parse_qs, urlsplit

_URL = urlsplit(os.environ["DATABASE_URL"])

ALLOWED_HOSTS = ["127.0.0.1"]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": _URL.path[1:],
        "USER": _URL.username,
        "PASSWORD": _URL.password,
        "HOST": _URL.hostname or parse_qs(_URL.query)["host"][0],
        "PORT": _URL.port or "",
        "CONN_MAX_AGE": None,
    }
}
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "UNAUTHENTICATED_USER": None,
}
ROOT_URLCONF = "bench.baselines.django_rest.views"
SECRET_KEY = "of no use here"  # noqa: S105 - nothing is signed with it
TIME_ZONE = "UTC"
USE_TZ = True
