#!/usr/bin/env bash
# Installs what the tests need, then checks and tests everything. Arguments go to pytest.
set -euo pipefail
here=$(cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/.." && pwd)
cd -- "$here"

missing=()
for pair in parallel:parallel rg:ripgrep git:git shellcheck:shellcheck zsh:zsh fish:fish groff:groff-base; do
    command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
done
if ((${#missing[@]})) && [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${missing[@]}"; } </dev/null >/dev/null ||
        printf 'run-tests: could not install: %s\n' "${missing[*]}" >&2
fi

python=${PYTHON:-python3}
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
venv=.venvs/test-$version-$(cat setup.cfg pyproject.toml | sha256sum | cut -c1-12)
if [[ ! -x $venv/bin/pytest ]]; then
    "$python" -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --editable ".[test,lint,bench]"
    env -u PYTHONDONTWRITEBYTECODE "$venv/bin/python" -m compileall -q "$venv"/lib/python*/site-packages || true
fi
env -u PYTHONDONTWRITEBYTECODE "$venv/bin/python" -m compileall -q parallel_runner

export PATH=$here/$venv/bin:$PATH
ruff check .
ruff format --check .
mypy
lint-imports
! command -v shellcheck >/dev/null || shellcheck bin/*.sh .ci/run
exec python -m pytest "$@"
