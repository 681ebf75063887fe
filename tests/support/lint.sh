#!/bin/sh
# Checks the files that no compiler reads, with what this machine has; says what it has not. (YAML, the
# Containerfile and the certificates are read by tests/deployment.rs, which always runs.)
set -eu
cd "$(dirname "$0")/../.."

say() { echo "lint: $*" >&2; }

scripts=$(find . -path ./target -prune -o -path ./.git -prune -o \( -name '*.sh' -o -path ./.ci/run \) -print)
for script in $scripts; do sh -n "$script"; done
if command -v shellcheck >/dev/null 2>&1; then
    # shellcheck disable=SC2086 # a list of words
    shellcheck --severity=warning $scripts
    say "scripts: sh -n, shellcheck"
else
    say "scripts: sh -n (shellcheck is not installed)"
fi

if command -v systemd-analyze >/dev/null 2>&1; then
    copy=$(mktemp -d)
    trap 'rm -rf "$copy"' EXIT
    cp systemd/gatepost.service systemd/gatepost-smtp.socket "$copy"
    # The program is installed nowhere yet; everything else is checked as it stands.
    sed -i 's#^ExecStart=/usr/bin/gatepost#ExecStart=/bin/true#' "$copy/gatepost.service"
    version=$(systemd-analyze --version | sed -n '1s/^systemd \([0-9]*\).*/\1/p')
    if [ "$version" -ge 253 ]; then
        mkdir "$copy/gatepost.service.d"
        cp systemd/gatepost-reload.conf "$copy/gatepost.service.d/"
    fi
    # A word that systemd does not know is only a warning to it, so any line is a failure here.
    if ! said=$(systemd-analyze verify --man=no "$copy/gatepost.service" "$copy/gatepost-smtp.socket" 2>&1) || [ -n "$said" ]; then
        echo "$said" >&2
        exit 1
    fi
    say "units: systemd-analyze verify ($version)"
    # 20 of 100 is "2.0, OK": a looser unit must be meant.
    systemd-analyze security --offline=true --threshold=20 --no-pager "$copy/gatepost.service" >"$copy/rating" 2>&1 ||
        { cat "$copy/rating" >&2; exit 1; }
    say "units:$(tail -n 1 "$copy/rating" | sed 's/^[^O]*/ /')"
else
    say "units: not checked, systemd-analyze (Debian package systemd) is not installed"
fi

if command -v logrotate >/dev/null 2>&1; then
    rotation=$(mktemp)
    # The user of the service need not exist here.
    sed 's/gatepost gatepost/root root/' systemd/gatepost.logrotate >"$rotation"
    if ! said=$(logrotate --debug "$rotation" 2>&1) || echo "$said" | grep -q '^error'; then
        echo "$said" >&2
        exit 1
    fi
    rm "$rotation"
    say "logrotate: --debug"
else
    say "logrotate: not checked, logrotate is not installed"
fi
