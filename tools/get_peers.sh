#!/bin/sh
# tools/get_peers.sh [DIR]: fetches recent VictoriaMetrics and Prometheus, as Debian's unstable suite packages them, into DIR (default .peers/)
# for the tests and benchmarks that compare with them. Nothing is installed on the system; the mirror is the one that apt already uses.
# Does nothing when they are there; delete DIR to fetch newer ones.
set -eu
project=$(CDPATH='' cd -P -- "${0%/*}/.." && pwd -P)
mkdir -p "${1:-$project/.peers}"
dir=$(CDPATH='' cd -P -- "${1:-$project/.peers}" && pwd -P)
bin=$dir/root/usr/bin

if [ ! -x "$bin/victoria-metrics" ] || [ ! -x "$bin/prometheus" ]; then
  command -v apt-get >/dev/null || { echo "get_peers.sh: needs Debian's apt-get; set VM_CMD and PROM_CMD instead" >&2; exit 1; }
  mirror=$(apt-get indextargets --format '$(REPO_URI) $(CODENAME)' | awk -v suite="$(. /etc/os-release && echo "${VERSION_CODENAME:-}")" '$2 == suite { print $1; exit }')
  [ -n "$mirror" ] || mirror=$(apt-get indextargets --format '$(REPO_URI)' | sed -n 1p)
  [ -n "$mirror" ] || { echo "get_peers.sh: apt knows no mirror" >&2; exit 1; }
  rm -rf "$dir/lists" "$dir/packages" "$dir/root.new"
  mkdir -p "$dir/lists/partial" "$dir/packages"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror sid main" > "$dir/sources.list"
  # An apt of its own, with its own package lists and cache.
  apt() {
    apt-get -qq -o Dir::Etc::sourcelist="$dir/sources.list" -o Dir::Etc::sourceparts=- -o Dir::State::lists="$dir/lists" \
      -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o APT::Sandbox::User=root -o Acquire::Retries=3 "$@"
  }
  apt update
  (cd "$dir/packages" && apt download victoria-metrics prometheus)
  for package in "$dir"/packages/*.deb; do dpkg -x "$package" "$dir/root.new"; done
  rm -rf "$dir/root" "$dir/lists" "$dir/packages"
  mv "$dir/root.new" "$dir/root"
fi
echo "export VM_CMD=$bin/victoria-metrics PROM_CMD=$bin/prometheus"
