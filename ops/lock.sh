#!/bin/sh
# Writes the two lock files anew; needs uv. They name no index, and hold for Python 3.11 and newer.
set -eu
cd "$(dirname "$0")/.."
common="--universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-emit-find-links"
uv pip compile $common --upgrade pyproject.toml -o requirements.lock
uv pip compile $common --upgrade pyproject.toml --group dev -o requirements-dev.lock
