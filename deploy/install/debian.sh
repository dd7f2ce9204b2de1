#!/bin/sh
# Installs the Debian packages that a target of the Makefile needs, or says which to install where it may not.
# Usage: debian.sh base|card|test|bench
set -eu

base="python3-venv ca-certificates"
card="pcscd vsmartcard-vpcd opensc swig libpcsclite-dev gcc libc6-dev python3-dev"
test="$card chromium fonts-noto-cjk postgresql npm"
bench="$test wrk"

provided() { # A package that is not installed counts where the machine has the program from elsewhere.
    case "$1" in
    python3-venv) "${PYTHON:-python3}" -c 'import ensurepip, venv' 2>/dev/null ;;
    python3-dev) "${PYTHON:-python3}" -c 'import os, sysconfig as s; raise SystemExit(not os.path.exists(s.get_path("include") + "/Python.h"))' 2>/dev/null ;;
    npm) command -v npm >/dev/null ;;
    gcc) command -v gcc >/dev/null ;;
    swig) command -v swig >/dev/null ;;
    postgresql) ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 ;;
    *) return 1 ;;
    esac
}

case "$1" in
base) wanted=$base ;;
card) wanted=$card ;;
test) wanted=$test ;;
bench) wanted=$bench ;;
*) echo "usage: $0 base|card|test|bench" >&2 && exit 2 ;;
esac

missing=""
for package in $wanted; do
    provided "$package" && continue
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q '^install ok installed$' || missing="$missing $package"
done
[ -z "$missing" ] && exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing Debian packages:$missing ..."
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    # shellcheck disable=SC2086  # the list is words
    apt-get install -y -qq --no-install-recommends $missing >/dev/null
    exit 0
fi

echo "These Debian packages are missing:$missing" >&2
echo "Install them with:  sudo apt-get install --no-install-recommends$missing" >&2
# The sandbox can do without a card reader; the tests can not do without what they test.
[ "$1" = card ] && exit 0
exit 1
