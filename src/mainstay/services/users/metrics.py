"""What is counted of signing in: without a reason, which would tell who has an account."""

from typing import Literal

from prometheus_client import CollectorRegistry, Counter


class SignInMetrics:
    """Attempts that failed, and refresh tokens that came a second time."""

    def __init__(self, registry: CollectorRegistry) -> None:
        failed = Counter(
            "logins_failed",
            "Attempts refused with 401: to sign in (password), or to stay signed in (refresh).",
            ("kind",),
            registry=registry,
        )
        self._failed = {"password": failed.labels("password"), "refresh": failed.labels("refresh")}
        self._reused = Counter(
            "tokens_reused",
            "Refresh tokens used again, too late for a retry: perhaps stolen. The session has been ended.",
            registry=registry,
        )

    def failed(self, kind: Literal["password", "refresh"]) -> None:
        """Count an attempt that failed."""
        self._failed[kind].inc()

    def reused(self) -> None:
        """Count a refresh token that came a second time."""
        self._reused.inc()
