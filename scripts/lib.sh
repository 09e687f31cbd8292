# Shared by the scripts beside it; sourced from the top of the checkout, POSIX sh.

fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# Prints a Python that is new enough and can make environments. $PYTHON, when set, is the only candidate.
find_python() {
  without_venv=
  # A name that a version manager only pretends to have fails to run, and is passed over like any other.
  for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11 python}; do
    "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 || continue
    if "$candidate" -c 'import ensurepip, venv' >/dev/null 2>&1; then
      command -v "$candidate"
      return
    fi
    without_venv=$candidate
  done
  if [ -n "$without_venv" ]; then
    fail "\`$without_venv\` has no ensurepip, so it cannot make an environment: install it (on Debian and Ubuntu: apt-get install python3-venv)"
  fi
  fail "no Python 3.11 or newer among ${PYTHON:-python3, python3.11 to python3.14 and python}: install one, or name it in \$PYTHON"
}

# What an environment was made from: where it stands (its scripts hold the path), the locks, and the metadata.
environment_sum() {
  { pwd -P; cat pyproject.toml webhook/__init__.py scripts/lock/runtime.txt scripts/lock/dev.txt; } | cksum
}

# ensure_venv runtime|dev: .venv holds the locked packages and this checkout, installed editable.
# The development lock is a superset of the runtime's, so an environment of kind dev serves both.
ensure_venv() {
  stamp=.venv/.made-from
  sum=$(environment_sum)
  made_kind= made_sum= made_at=
  if [ -f "$stamp" ]; then
    { read -r made_kind; read -r made_sum; read -r made_at; } <"$stamp" || true
  fi
  kind=$1
  [ "$made_kind" != dev ] || kind=dev
  here=$(pwd -P)
  if [ -n "$made_at" ] && [ "$made_at" != "$here" ]; then
    made_kind=
    rm -rf .venv                                 # the checkout was moved or copied: the old paths are in every script
  fi
  if [ "$made_kind" = "$kind" ] && [ "$made_sum" = "$sum" ] && .venv/bin/python -c '' 2>/dev/null; then
    return
  fi
  if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    python=$(find_python)
    echo "making .venv with $("$python" --version)" >&2
    "$python" -m venv --clear .venv
  fi
  echo "installing the $kind lock into .venv" >&2
  rm -f "$stamp"
  set -- .venv/bin/python -m pip install --quiet --disable-pip-version-check
  "$@" --require-hashes -r "scripts/lock/$kind.txt"
  "$@" --no-build-isolation --no-deps --editable .
  printf '%s\n' "$kind" "$sum" "$here" >"$stamp"
}

# ensure_tools FOLDER LOCK: an environment of its own for what the product never needs, from scripts/lock/LOCK.txt.
ensure_tools() {
  if [ ! -x "$1/bin/python" ]; then
    python=$(find_python)
    "$python" -m venv "$1"
  fi
  "$1/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "scripts/lock/$2.txt"
}

# ensure_browser: the Chromium that pages are tested in, out of Debian's or Ubuntu's archive where the machine has none.
# Without one those tests are skipped, and say so: this never fails.
ensure_browser() {
  for name in chromium chromium-browser google-chrome google-chrome-stable; do
    if found=$(command -v "$name"); then
      echo "browser: $found"
      return
    fi
  done
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "browser: none; to get one, as root: apt-get install chromium" >&2
    return
  fi
  echo "browser: installing Debian's chromium" >&2
  export DEBIAN_FRONTEND=noninteractive
  { apt-get install --yes --quiet --no-install-recommends chromium ||
    { apt-get update --quiet && apt-get install --yes --quiet --no-install-recommends chromium; }; } >&2 ||
    echo "browser: chromium cannot be installed here" >&2
}

# ensure_promtool: what Prometheus itself makes of the alerts, out of Debian's or Ubuntu's package, of which nothing is
# installed. Without it that test is skipped, and says so: this never fails.
ensure_promtool() {
  kept=$HOME/.cache/netpol-preflight/promtool
  if found=$(PATH=$PATH:$kept/usr/bin command -v promtool); then
    echo "promtool: $found"
    return
  fi
  if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
    echo "promtool: none; to get one, as root: apt-get install prometheus" >&2
    return
  fi
  package=$(mktemp -d)
  (cd "$package" && { apt-get download --quiet prometheus || { apt-get update --quiet && apt-get download --quiet prometheus; }; } &&
    mkdir -p "$kept" && dpkg-deb --extract prometheus_*.deb "$kept") >&2 || echo "promtool: it cannot be had here" >&2
  rm -rf "$package"
}
