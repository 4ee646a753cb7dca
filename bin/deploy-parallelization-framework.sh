#!/usr/bin/env bash
# Sets parallel-runner up in this checkout: an environment in .venvs/, then the home, then a sample batch.
# Usage: deploy-parallelization-framework.sh [--max-instances N] [--home DIR] [--extras LIST] [--dry-run] [--uninstall]
set -euo pipefail

here=$(cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/.." && pwd)
step="reading the arguments" remedy="see --help" building=""
extras="" dry_run="" uninstall="" pass=()

say() { printf '%s\n' "$*"; }
fail() { trap - ERR; printf 'deploy: failed while %s: %s\ndeploy: what to do: %s\n' "$step" "$1" "$remedy" >&2; exit "${2:-1}"; }
cleanup() { if [[ -n $building ]]; then rm -rf -- "$building"; fi; }
trap cleanup EXIT
trap 'fail "the command on line $LINENO ended with code $?"' ERR

need_value() { [[ $# -ge 2 ]] || fail "$1 needs a value" 102; }
while (($#)); do
    case $1 in
        --max-instances) need_value "$@"; pass+=(--max-instances "$2"); shift 2 ;;
        --home) need_value "$@"; pass+=(--home "$(realpath -m -- "$2")"); shift 2 ;;
        --extras) need_value "$@"; extras=$2; shift 2 ;;
        --dry-run) dry_run=1; shift ;;
        --uninstall) uninstall=1; shift ;;
        -h | --help) sed -n '2,3s/^# //p' "${BASH_SOURCE[0]}"; exit 0 ;;
        *) fail "unknown argument: $1" 102 ;;
    esac
done
[[ $extras =~ ^[a-z,]*$ ]] || fail "--extras $extras: expected names with commas between" 102

cd -- "$here"
if [[ -n $uninstall ]]; then
    if [[ -n $dry_run ]]; then say "would remove $here/.venv and $here/.venvs; config, logs and state would stay"; exit 0; fi
    rm -rf -- .venv .venvs
    say "removed $here/.venv and $here/.venvs"
    say "left as they are: config, logs and state of your homes"
    exit 0
fi

step="looking for Python" remedy="install Python 3.10 or later: apt install python3 python3-venv"
python=""
for candidate in ${PYTHON:+"$PYTHON"} python3.13 python3.12 python3.11 python3.10 python3; do
    if "$candidate" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2])' 2>/dev/null; then
        # Of an environment's Python its base: else deploying with our own in front of PATH would build another one.
        python=$("$candidate" -c 'import sys; print(getattr(sys, "_base_executable", ""))')
        [[ -x $python ]] || python=$(command -v -- "$candidate")
        break
    fi
done
[[ -n $python ]] || fail "no Python from 3.10 on was found on PATH"
version=$("$python" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])')

step="checking for venv" remedy="apt install python${version%.*}-venv"
uv=$(command -v uv || true)
if [[ -z $uv ]]; then
    "$python" -c 'import ensurepip, venv' 2>/dev/null || fail "$python has no ensurepip, which building an environment needs"
fi

hash=$({ cat setup.cfg pyproject.toml; printf '%s\n' "$version" "$python" "$extras" "$here"; } | sha256sum | cut -c1-12)
target=.venvs/$hash
requirement=$here${extras:+[$extras]}
if [[ -n $dry_run ]]; then
    if [[ -d $target ]]; then
        say "would keep the environment $target (it is up to date)"
    else
        say "would build $target with $python ($version)${uv:+ and uv}, install $requirement, compile and test it"
    fi
    say "would link .venv to $target"
    say "would run: parallel-runner deploy ${pass[*]-}"
    exit 0
fi

step="taking the lock" remedy="wait for the other deployment, or see: fuser $here/.venvs/lock"
mkdir -p .venvs
exec 9>.venvs/lock
flock -w 600 9 || fail "another deployment holds .venvs/lock"

if [[ ! -d $target ]]; then
    step="building the environment" remedy="read the lines above; check the network and the disk, then run this again"
    building=$here/$target.new
    rm -rf -- "$building"
    if [[ -n $uv ]]; then
        "$uv" venv --quiet --python "$python" "$building"
        "$uv" pip install --quiet --python "$building/bin/python" --editable "$requirement"
    else
        "$python" -m venv "$building"
        "$building/bin/python" -m pip install --quiet --disable-pip-version-check --editable "$requirement"
    fi
    step="compiling bytecode"
    env -u PYTHONDONTWRITEBYTECODE "$building/bin/python" -m compileall -q parallel_runner "$building"/lib/python*/site-packages || true
    step="testing the environment"
    "$building/bin/python" -m parallel_runner --version >/dev/null
    # The scripts in bin/ name their interpreter: they are told the name that the environment is about to have.
    grep -rlIZ -- "$building" "$building/bin" "$building/pyvenv.cfg" | xargs -0r sed -i "s|$building|$here/$target|g"
    mv -T -- "$building" "$target"
    building=""
    say "built $target with Python $version"
fi

step="switching .venv" remedy="remove $here/.venv if it is no link, then run this again"
before=$(readlink .venv || true)
if [[ $before != "$target" ]]; then
    [[ ! -e .venv || -L .venv ]] || fail ".venv is there and is no link"
    ln -sfn -- "$target" .venv.new && mv -T -- .venv.new .venv
    find .venvs -mindepth 1 -maxdepth 1 -type d ! -name "$hash" ${before:+! -name "${before##*/}"} ! -name 'test-*' -exec rm -rf {} +
    say "linked .venv to $target${before:+ (before: $before, kept)}"
fi
exec 9>&-

step="setting up the home" remedy="read the lines above"
exec .venv/bin/python -m parallel_runner deploy "${pass[@]}"
