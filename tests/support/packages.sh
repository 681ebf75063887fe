#!/bin/sh
# Makes sure that what the tests need is there: commands from Debian's packages (installed when we are
# root, else named), and PostgreSQL's server programs, which are unpacked under target/peers and never
# installed: an installed PostgreSQL would start a service.
set -eu
cd "$(dirname "$0")/../.."

say() { echo "packages: $*" >&2; }

# --- commands -------------------------------------------------------------------------------------

missing=
need() { command -v "$1" >/dev/null 2>&1 || missing="$missing $2"; }
need cc gcc
need curl curl
need openssl openssl
need python3 python3
need setpriv util-linux
need unshare util-linux
need ip iproute2

updated=
update() {
    [ -z "$updated" ] || return 0
    updated=1
    apt-get update -qq || say "apt-get update failed: going on with the lists that are there"
}

if [ -n "$missing" ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        update
        # shellcheck disable=SC2086 # a list of words
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >&2
    else
        say "the tests need these Debian packages: apt-get install$missing"
        exit 1
    fi
fi

# --- PostgreSQL -------------------------------------------------------------------------------------

peers=target/peers

server_programs() {
    for place in $(echo "$PATH" | tr : ' ') /usr/lib/postgresql/*/bin "$peers"/usr/lib/postgresql/*/bin; do
        if [ -x "$place/postgres" ] && [ -x "$place/initdb" ]; then
            echo "$place"
            return 0
        fi
    done
    return 1
}

# The newest server that Debian offers here, and the libraries that an installation would bring.
unpack() {
    if ! command -v apt-get >/dev/null 2>&1 || ! command -v dpkg >/dev/null 2>&1; then
        say "the tests need PostgreSQL's server programs (initdb, postgres) in PATH"
        return 1
    fi
    if ! apt-cache show postgresql-15 >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then update; fi
    server=$(apt-cache search --names-only '^postgresql-[0-9]+$' | cut -d' ' -f1 | sort -t- -k2 -n | tail -n 1)
    if [ -z "$server" ]; then
        say "the tests need PostgreSQL: install the Debian package postgresql-15"
        return 1
    fi
    libraries=$(apt-get install -s --no-install-recommends "$server" 2>/dev/null |
        sed -n 's/^Inst \(lib[^ ]*\) .*/\1/p' | grep -v '^libllvm' || true)
    say "unpacking $server under $peers (not installed, no service)"
    rm -rf "$peers" "$peers.part"
    mkdir -p "$peers.part/packages"
    # shellcheck disable=SC2086 # a list of words
    # (root's apt would hand the download to a user that cannot write here)
    if ! (cd "$peers.part/packages" && apt-get download -qq -o APT::Sandbox::User=root "$server" $libraries >&2); then
        say "could not be downloaded: $server" $libraries
        return 1
    fi
    for package in "$peers.part"/packages/*.deb; do
        dpkg -x "$package" "$peers.part"
    done
    rm -r "$peers.part/packages"
    # Whole or not at all: an interrupted run must not leave half a server.
    mv "$peers.part" "$peers"
}

place=$(server_programs) || { unpack && place=$(server_programs); } || {
    say "the tests need PostgreSQL: install the Debian package postgresql-15"
    exit 1
}
case $place in
    "$peers"/*) LD_LIBRARY_PATH=$(find "$PWD/$peers/usr/lib" -maxdepth 1 -type d | tr '\n' ':') && export LD_LIBRARY_PATH ;;
esac
for program in initdb postgres; do
    lost=$(ldd "$place/$program" | awk '/not found/ {print $1}' | tr '\n' ' ')
    if [ -n "$lost" ]; then
        say "$place/$program misses libraries: $lost"
        exit 1
    fi
done
