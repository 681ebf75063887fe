"""Verifies every DKIM signature of the message on standard input with dkimpy, against records given as NAME=RECORD."""

import sys

import dkim

records = dict(argument.split("=", 1) for argument in sys.argv[1:])


def lookup(name, timeout=5):
    name = name.decode() if isinstance(name, bytes) else name
    return records.get(name, "").encode() or None


message = sys.stdin.buffer.read()
verifier = dkim.DKIM(message)
count = sum(1 for name, _ in verifier.headers if name.lower() == b"dkim-signature")
for index in range(count):
    try:
        print(verifier.verify(idx=index, dnsfunc=lookup))
    except dkim.DKIMException as why:
        print(f"False\t{why}", file=sys.stderr)
        print("False")
