# shellcheck shell=bash
# What the scripts beside it share. Sourcing it goes to the project's folder and
# puts .venv/bin first on the path; the functions install only what is not there yet.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
cd "$root" || exit
export PATH="$root/.venv/bin:$PATH" PIP_DISABLE_PIP_VERSION_CHECK=1

say() { printf '%s\n' "$*" >&2; }
die() { say "$(basename "$0"): $*"; exit 1; }

# .venv/.done holds copies of what .venv was made from: a lock file that equals its copy is installed.
is_done() { cmp -s "$1" ".venv/.done/${1##*/}"; }
mark_done() { cp "$1" .venv/.done/; }

find_python() {
  local candidate
  for candidate in "${PYTHON:-python3}" python3.14 python3.13 python3.12 python3.11; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  die "Python 3.11 or newer is needed; python3 is $(python3 --version 2>/dev/null || echo missing)." \
    "On Debian or Ubuntu: apt-get install python3 python3-venv. Another one is named with PYTHON=/path/to/python."
}

# A virtual environment cannot be moved, so one that was made in another place is made anew.
make_venv() {
  [[ -x .venv/bin/python && "$(cat .venv/.done/root 2>/dev/null)" == "$root" ]] && return
  local python
  rm -rf .venv # before looking for a Python: not the one in there
  python=$(find_python)
  "$python" -c 'import ensurepip, venv' 2>/dev/null ||
    die "$python has no venv module. On Debian or Ubuntu: apt-get install python3-venv"
  say "Making .venv with $("$python" --version) …"
  "$python" -m venv .venv
  mkdir .venv/.done
  echo "$root" >.venv/.done/root
}

# install_locked NAME: what requirements/NAME.txt lists, checked against its hashes
install_locked() {
  make_venv
  is_done "requirements/$1.txt" && return
  say "Installing requirements/$1.txt into .venv …"
  python -m pip install --quiet --require-hashes -r "requirements/$1.txt"
  mark_done "requirements/$1.txt"
}

# install_registro runtime|dev: the project itself, editable, on top of its locked requirements
install_registro() {
  install_locked "$1"
  mark_done requirements/runtime.txt # dev.txt holds all of it
  is_done pyproject.toml && return
  python -m pip install --quiet --no-index --no-build-isolation --no-deps -e .
  mark_done pyproject.toml
}

# Node 20 or newer with npm: the system's, else the one that PyPI has, in .venv.
provide_node() {
  local version
  version=$(node --version 2>/dev/null) || version=v0
  version=${version#v}
  if ((${version%%.*} < 20)) || ! command -v npm >/dev/null; then install_locked node; fi
}

# install_node_packages runtime|dev: node_modules as package-lock.json has it
install_node_packages() {
  cmp -s package-lock.json "node_modules/.done-$1" && return
  provide_node
  say "Installing node_modules ($1) …"
  if [[ $1 == dev ]]; then
    npm ci --loglevel=error >&2
    cp package-lock.json node_modules/.done-dev
  else
    npm ci --loglevel=error --omit=dev >&2
  fi
  cp package-lock.json node_modules/.done-runtime
}
