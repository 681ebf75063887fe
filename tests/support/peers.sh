#!/bin/sh
# Unpacks what the tests and benches run beside Gatepost, and what may not be installed: Debian's mail
# servers conflict with each other, and an installed server would start a service. Each peer lies with
# its libraries under target/peers/NAME and is run from there; what is there already is left alone.
#
#     sh tests/support/peers.sh postgresql postfix exim
set -eu
cd "$(dirname "$0")/../.."

peers=target/peers

say() { echo "peers: $*" >&2; }

# The lists of packages may be missing, or older than the archive.
updated=
update() {
    [ -z "$updated" ] && [ "$(id -u)" = 0 ] || return 0
    updated=1
    apt-get update -qq || say "apt-get update failed: going on with the lists that are there"
}

# unpack NAME PACKAGE…: these, and the libraries that their installation would bring.
unpack() {
    name=$1
    shift
    libraries=$(apt-get install -s --no-install-recommends "$@" 2>/dev/null |
        sed -n 's/^Inst \(lib[^ ]*\) .*/\1/p' | grep -v '^libllvm' || true)
    say "unpacking $* under $peers/$name (not installed, no service)"
    part=$peers/$name.part
    rm -rf "$part"
    mkdir -p "$part/packages"
    # shellcheck disable=SC2086 # a list of words
    # (root's apt would hand the download to a user that cannot write here)
    if ! (cd "$part/packages" && apt-get download -qq -o APT::Sandbox::User=root "$@" $libraries >&2); then
        say "could not be downloaded: $*" $libraries
        return 1
    fi
    for package in "$part"/packages/*.deb; do
        dpkg -x "$package" "$part"
    done
    rm -r "$part/packages"
    # Whole or not at all: an interrupted run must not leave half a server.
    rm -rf "${peers:?}/$name"
    mv "$part" "$peers/$name"
}

# complete NAME PROGRAM: fails when the loader would not find all its libraries.
complete() {
    folders=$(find "$PWD/$peers/$1/usr/lib" -maxdepth 2 -type d \( -name '*-linux-gnu' -o -name postfix \) | tr '\n' ':')
    # A few packages put theirs beside those of the machine's kind.
    folders=$folders$PWD/$peers/$1/usr/lib
    lost=$(LD_LIBRARY_PATH=$folders ldd "$2" | awk '/not found/ {print $1}' | sort -u | tr '\n' ' ')
    [ -z "$lost" ] || {
        say "$2 misses libraries: $lost"
        return 1
    }
}

# The newest server that Debian offers here, unless one is in PATH or installed.
postgresql() {
    for place in $(echo "$PATH" | tr : ' ') /usr/lib/postgresql/*/bin; do
        if [ -x "$place/postgres" ] && [ -x "$place/initdb" ]; then return 0; fi
    done
    if ! ls "$peers"/postgresql/usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1; then
        apt-cache show postgresql-15 >/dev/null 2>&1 || update
        server=$(apt-cache search --names-only '^postgresql-[0-9]+$' | cut -d' ' -f1 | sort -t- -k2 -n | tail -n 1)
        [ -n "$server" ] && unpack postgresql "$server" || return 1
    fi
    for place in "$peers"/postgresql/usr/lib/postgresql/*/bin; do
        complete postgresql "$place/postgres" && complete postgresql "$place/initdb" || return 1
    done
}

# With Cyrus SASL's mechanisms, so that it can log in as a client; also smtp-source, the load generator.
postfix() {
    if [ ! -x "$peers/postfix/usr/lib/postfix/sbin/master" ]; then
        apt-cache show postfix >/dev/null 2>&1 || update
        unpack postfix postfix libsasl2-modules || { update && unpack postfix postfix libsasl2-modules; } || return 1
    fi
    complete postfix "$peers/postfix/usr/lib/postfix/sbin/smtpd" && complete postfix "$peers/postfix/usr/sbin/smtp-source"
}

# A client that sends by BDAT, which Postfix does not.
exim() {
    if [ ! -x "$peers/exim/usr/sbin/exim4" ]; then
        apt-cache show exim4-daemon-light >/dev/null 2>&1 || update
        unpack exim exim4-daemon-light || { update && unpack exim exim4-daemon-light; } || return 1
    fi
    complete exim "$peers/exim/usr/sbin/exim4"
}

# The signer that Postfix is measured with.
opendkim() {
    if [ ! -x "$peers/opendkim/usr/sbin/opendkim" ]; then
        apt-cache show opendkim >/dev/null 2>&1 || update
        unpack opendkim opendkim || { update && unpack opendkim opendkim; } || return 1
    fi
    complete opendkim "$peers/opendkim/usr/sbin/opendkim"
}

for peer in "$@"; do
    "$peer" || {
        say "the tests need $peer (Debian's postgresql-15, postfix, exim4-daemon-light), unpacked under $peers/$peer"
        exit 1
    }
done
