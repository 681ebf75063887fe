#!/bin/sh
# Makes sure that what the tests need is there: commands from Debian's packages (installed when we are
# root, else named), and the servers beside us, which are unpacked under target/peers and never
# installed: an installed server would start a service.
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
need msmtp msmtp
need swaks swaks
# swaks does without, but then it cannot speak TLS.
perl -MNet::SSLeay -e 1 >/dev/null 2>&1 || missing="$missing libnet-ssleay-perl"
# A second opinion on our signatures; Debian's packages are Debian's Python's.
/usr/bin/python3 -c 'import dkim, nacl' >/dev/null 2>&1 || missing="$missing python3 python3-dkim python3-nacl"

if [ -n "$missing" ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        apt-get update -qq || say "apt-get update failed: going on with the lists that are there"
        # shellcheck disable=SC2086 # a list of words
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >&2
    else
        say "the tests need these Debian packages: apt-get install$missing"
        exit 1
    fi
fi

# --- servers ---------------------------------------------------------------------------------------

sh tests/support/peers.sh postgresql postfix exim
