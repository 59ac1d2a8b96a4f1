"""DATABASE_URL, as libpq writes it and asyncpg takes it."""

# Options of libpq that asyncpg does not know: it would send them to the server, which refuses them as settings it does
# not know either. Hosted databases put some of them into the URLs they give out. None changes what a connection is.
_LIBPQ_ALONE = frozenset(
    {
        "channel_binding",
        "client_encoding",
        "connect_timeout",
        "fallback_application_name",
        "gssdelegation",
        "gssencmode",
        "hostaddr",
        "keepalives",
        "keepalives_count",
        "keepalives_idle",
        "keepalives_interval",
        "load_balance_hosts",
        "max_protocol_version",
        "min_protocol_version",
        "sslcertmode",
        "sslcompression",
        "sslcrldir",
        "sslsni",
        "tcp_user_timeout",
    }
)


def driver_url(url: str) -> str:
    """The URL without the options that only libpq knows (PostgreSQL manual, section 34.1.2).

    Those that ask for more security than asyncpg can give, such as `require_auth`, stay, and fail.
    """
    address, mark, query = url.partition("?")
    options = [option for option in query.split("&") if option.partition("=")[0] not in _LIBPQ_ALONE]
    return f"{address}{mark}{'&'.join(options)}" if options else address
