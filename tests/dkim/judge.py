"""Reads messages and key records (JSON, base64) and says of each signature of each message what dkimpy thinks of it,
a line for a message: "ok ok", or what is wrong."""

import base64
import json
import sys

import dkim

told = json.load(sys.stdin)
records = {name.encode(): text.encode() for name, text in told["records"].items()}


def record(name, timeout=5):
    return records.get(name)


for text in told["messages"]:
    message = base64.b64decode(text)
    judged = []
    for index in range(told["signatures"]):
        try:
            good = dkim.DKIM(message).verify(idx=index, dnsfunc=record)
            judged.append("ok" if good else "bad")
        except dkim.DKIMException as why:
            judged.append(f"{type(why).__name__}:{why}".replace(" ", "_").replace("\n", "_"))
    print(" ".join(judged))
