#!/usr/bin/env bash
# Installs what is missing to build and test: Debian packages, and a Python environment for the
# end-to-end tests in build/venv. Says nothing and takes under a second when all is there.
#
# Usage: tools/setup.sh [--hf] [--browser] [--slurm] [--tsan] [--aarch64] [--cost] [--fuzz]
#                       [--no-python]
#   --hf         also torch and transformers, 2.4 GB, for the tests with label hf
#   --browser    also Chromium and Selenium, 400 MB, for the tests with label browser
#   --slurm      also Slurm and munge, 13 MB, for the tests with label slurm
#   --tsan       also a oneTBB that ThreadSanitizer sees through, in build/tbb-tsan, for preset tsan
#   --aarch64    also a cross compiler and qemu, 350 MB, and Debian's arm64 libraries in
#                build/aarch64-root, for preset aarch64
#   --cost       also valgrind and strace, 90 MB, for the tests with label slow that count
#   --fuzz       also clang and llvm, 130 MB, for preset fuzz
#   --no-python  no Python environment
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

hf=0 browser=0 slurm=0 tsan=0 aarch64=0 cost=0 fuzz=0 python_environment=1
for argument in "$@"; do
  case $argument in
    --hf) hf=1 ;;
    --browser) browser=1 ;;
    --slurm) slurm=1 ;;
    --tsan) tsan=1 ;;
    --aarch64) aarch64=1 ;;
    --cost) cost=1 ;;
    --fuzz) fuzz=1 ;;
    --no-python) python_environment=0 ;;
    -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"; exit 0 ;;
    *) echo "setup: unknown argument $argument (see --help)" >&2; exit 2 ;;
  esac
done

packages=(
  g++ cmake ninja-build ca-certificates
  libfmt-dev nlohmann-json3-dev libcli11-dev libtbb-dev libopenblas-dev libxxhash-dev
  libgtest-dev libgmock-dev libbenchmark-dev libjs-vega
  clang-format clang-tidy python3 python3-venv xfsprogs
)
if ((browser)); then packages+=(chromium chromium-driver); fi
if ((slurm)); then packages+=(slurm-wlm munge); fi
if ((aarch64)); then packages+=(g++-aarch64-linux-gnu qemu-user); fi
if ((cost)); then packages+=(valgrind strace); fi
if ((fuzz)); then packages+=(clang libclang-rt-dev llvm); fi

mkdir -p build
log=$PWD/build/setup.log
quietly() {
  "$@" >"$log" 2>&1 || { tail -n 30 "$log" >&2; echo "setup: failed: $*" >&2; exit 1; }
}

install_packages() {
  local missing=()
  command -v dpkg-query >/dev/null || {
    echo "setup: not a Debian system; needed are: ${packages[*]}" >&2
    return
  }
  local installed
  installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${packages[@]}" 2>/dev/null |
    sed -n 's/^installed //p' || true)
  for package in "${packages[@]}"; do
    grep -qxF "$package" <<<"$installed" || missing+=("$package")
  done
  ((${#missing[@]})) || return 0
  local root=()
  ((EUID == 0)) || root=(sudo)
  echo "setup: installing ${missing[*]}"
  quietly "${root[@]}" apt-get update -qq
  quietly "${root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "${missing[@]}"
}

# The distribution's Python first: python3 on the path may be a shim of a version manager.
find_python() {
  local candidate
  for candidate in /usr/bin/python3 python3; do
    if command -v "$candidate" >/dev/null && "$candidate" -c 'import ensurepip, venv' 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  echo "setup: no Python that can make a virtual environment (python3-venv)" >&2
  exit 1
}

# stamp FILE...: a digest of what an environment was made from.
stamp() { cat "$@" | sha256sum | cut -d ' ' -f 1; }

make_environment() {
  local venv=build/venv wanted
  wanted=$(stamp tools/requirements.txt)
  if [[ $(cat $venv/.requirements 2>/dev/null) != "$wanted" ]]; then
    echo "setup: making the Python environment in $venv"
    [[ -x $venv/bin/python ]] || quietly "$(find_python)" -m venv $venv
    quietly $venv/bin/python -m pip install -q --disable-pip-version-check -r tools/requirements.txt
    echo "$wanted" >$venv/.requirements
  fi

  wanted=$(stamp tools/requirements-browser.txt)
  if ((browser)) && [[ $(cat $venv/.requirements-browser 2>/dev/null) != "$wanted" ]]; then
    echo "setup: adding Selenium"
    quietly $venv/bin/python -m pip install -q --disable-pip-version-check --no-deps \
      -r tools/requirements-browser.txt
    echo "$wanted" >$venv/.requirements-browser
  fi

  ((hf)) || return 0
  wanted=$(stamp tools/requirements-hf.txt)
  if [[ $(cat $venv/.requirements-hf 2>/dev/null) != "$wanted" ]]; then
    echo "setup: adding torch and transformers (2.4 GB)"
    quietly $venv/bin/python -m pip install -q --disable-pip-version-check --no-deps \
      -r tools/requirements-hf.txt
    # Without the CUDA toolkit torch does not start: then it gets the libraries it asks for.
    if ! $venv/bin/python -c 'import torch' 2>/dev/null; then
      quietly $venv/bin/python -m pip install -q --disable-pip-version-check \
        "$(grep '^torch==' tools/requirements-hf.txt)"
    fi
    quietly $venv/bin/python -c 'import torch, transformers'
    echo "$wanted" >$venv/.requirements-hf
  fi
}

# An apt that knows of one folder's package lists alone. private_apt FOLDER KIND ARGUMENT...
private_apt() {
  local work=$1 kind=$2 release
  shift 2
  if [[ ! -e $work/sources.list ]]; then
    mkdir -p "$work/lists/partial" "$work/archives/partial"
    release=$(. /etc/os-release && echo "$VERSION_CODENAME")
    echo "$kind http://deb.debian.org/debian $release main" >"$work/sources.list"
  fi
  quietly apt-get -qq -o "Dir::Etc::sourcelist=$work/sources.list" \
    -o Dir::Etc::sourceparts=/dev/null -o "Dir::State::lists=$work/lists" \
    -o "Dir::Cache::archives=$work/archives" -o APT::Sandbox::User="$(id -un)" "$@"
}

# In the distribution's oneTBB, which is not instrumented, every two tasks look like a race.
make_instrumented_tbb() {
  local target=$PWD/build/tbb-tsan work=$PWD/build/tbb-source
  [[ -e $target/lib/cmake/TBB/TBBConfig.cmake ]] && return
  echo "setup: building oneTBB with ThreadSanitizer in build/tbb-tsan"
  rm -rf "$work"
  private_apt "$work" deb-src update
  (cd "$work" && private_apt "$work" deb-src source --download-only onetbb)
  quietly tar -x -C "$work" --strip-components=1 -f "$work"/onetbb_*.orig.tar.*
  quietly cmake -S "$work" -B "$work/build" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo \
    -DCMAKE_INSTALL_PREFIX="$target" -DCMAKE_INSTALL_LIBDIR=lib \
    -DTBB_TEST=OFF -DTBB_STRICT=OFF -DTBB_SANITIZE=thread
  quietly cmake --build "$work/build" --target install
  rm -rf "$work"
}

# Beside the system and not in it: as installed packages they would have to be of the same versions
# as this machine's own, which an image that is behind its mirror can only reach by upgrading.
make_aarch64_root() {
  local target=$PWD/build/aarch64-root work=$PWD/build/aarch64-packages package
  [[ -e $target/.complete ]] && return
  echo "setup: unpacking Debian's arm64 libraries in build/aarch64-root"
  rm -rf "$work" "$target" && mkdir -p "$target"
  local arm64=(-o APT::Architecture=arm64 -o APT::Architectures=arm64 -o Dir::State::status=/dev/null
    -o "Dir::Cache::pkgcache=" -o "Dir::Cache::srcpkgcache=" -o Debug::NoLocking=1)
  private_apt "$work" deb "${arm64[@]}" update
  private_apt "$work" deb "${arm64[@]}" install -y --download-only --no-install-recommends \
    libfmt-dev nlohmann-json3-dev libcli11-dev libtbb-dev libopenblas-dev libxxhash-dev \
    libgtest-dev libgmock-dev
  for package in "$work"/archives/*.deb; do quietly dpkg-deb -x "$package" "$target"; done
  # Its CMake package names its own files from the root.
  find "$target/usr/lib" -name OpenBLASConfig.cmake -exec sed -i "s|/usr/|$target/usr/|g" {} +
  rm -rf "$work"
  touch "$target/.complete"
}

install_packages
if ((aarch64)); then make_aarch64_root; fi
if ((tsan)); then make_instrumented_tbb; fi
if ((python_environment)); then make_environment; fi
