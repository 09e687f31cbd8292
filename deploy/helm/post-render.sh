#!/bin/sh
# Between Helm's templates and the cluster: what is rendered passes unchanged where `check` finds nothing, and fails else.
# Arguments (`--post-renderer-args`) are those of `netpol-preflight check`: `--against`, `cluster`, `--fail-on`, `never`.
set -eu
# Helm 4 keeps for itself what its plugins say of a failure: it is said where Helm says its own, if that is no file.
if [ -n "${HELM_PLUGIN_NAME:-}" ]; then
  helms=/proc/$PPID/fd/2
  if [ -p "$helms" ] || [ -c "$helms" ]; then exec 2>"$helms"; fi
fi
rendered=$(mktemp)
trap 'rm -f "$rendered"' EXIT
cat >"$rendered"
netpol-preflight check -f - --namespace "${HELM_NAMESPACE:-default}" "$@" <"$rendered" >&2
cat "$rendered"
