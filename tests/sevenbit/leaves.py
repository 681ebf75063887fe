"""Two messages: fails when their leaves, decoded, are not the same bytes."""

import email
import sys


def leaves(path):
    with open(path, "rb") as file:
        message = email.message_from_bytes(file.read())
    found = []
    walk(message, found)
    return found


def walk(part, found):
    if part.is_multipart():
        for inner in part.get_payload():
            walk(inner, found)
    else:
        # The reader makes every line end its own.
        body = part.get_payload(decode=True).replace(b"\r\n", b"\n")
        found.append((part.get_content_type(), body))


before, after = leaves(sys.argv[1]), leaves(sys.argv[2])
if before != after:
    sys.exit(f"{before}\n is not\n{after}")
