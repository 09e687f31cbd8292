# Both are Debian 13 with Python 3.13, for what the first compiles the second runs. A release is built only from bases with a
# digest (scripts/check-pins), which stand here as name:tag@sha256:... and are kept current by .github/renovate.json.
ARG BUILD=python:3.13-slim-trixie
ARG RUNTIME=gcr.io/distroless/python3-debian13:nonroot

FROM ${BUILD} AS build
WORKDIR /src
COPY . .
# Every package in the version and with the hash of the lock; nothing after this line comes from outside.
RUN python -m pip download --quiet --only-binary=:all: --require-hashes --requirement scripts/lock/runtime.txt --dest /wheels
RUN python -m pip install --quiet --no-index --find-links /wheels --target /build hatchling
RUN PYTHONPATH=/build python -m hatchling build --target wheel --directory /wheels
# Only what the program depends on: what builds it stays behind.
RUN python -m pip install --quiet --no-index --find-links /wheels --target /app netpol-preflight

FROM ${RUNTIME}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="netpol-preflight" \
      org.opencontainers.image.description="Says at kubectl apply time which NetworkPolicy will drop a workload's declared traffic" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="https://github.com/netpol-preflight/netpol-preflight" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /app /app
# The root file system may be read-only; /tmp is the one place that a program may want to write to.
ENV PYTHONPATH=/app PYTHONSAFEPATH=1 PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 HOME=/tmp
USER 65532:65532
EXPOSE 10250 8080 8081
ENTRYPOINT ["python3", "-m", "webhook"]
