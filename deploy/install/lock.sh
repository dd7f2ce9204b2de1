#!/bin/sh
# Writes the hashed locks; run it through `make lock`. No download address may get into them.
set -eu
cd "$(dirname "$0")/../.."
compile() {
    .venv/bin/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras --no-header --no-annotate \
        --no-emit-find-links --no-emit-index-url --no-emit-trusted-host --no-emit-options "$@"
}
compile requirements-build.in -o requirements-build.txt
compile pyproject.toml --extra server -o requirements-server.txt
compile pyproject.toml --extra server --extra card -c requirements-server.txt -o requirements-card.txt
compile requirements-dev.in -c requirements-card.txt -c requirements-build.txt -o requirements-dev.txt
