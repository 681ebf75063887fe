"""Reads reports as a program of somebody else would: by Python's email package. Prints what each says of each
recipient, and stops at the first field that RFC 3464 requires and that is not there."""

import email
import email.parser
import email.policy
import email.utils
import pathlib
import sys


def need(condition, file, what):
    if not condition:
        sys.exit(f"{file}: {what}")


def blocks(part, raw):
    """The blocks of fields: of the old type they are parsed already, of the new one nobody knows them."""
    if part.get_content_type() == "message/delivery-status":
        return [dict(block.items()) for block in part.get_payload() if block.items()]
    boundary = raw.split('boundary="')[1].split('"')[0]
    text = raw.split("--" + boundary)[2].split("\r\n\r\n", 1)[1]
    parser = email.parser.HeaderParser(policy=email.policy.SMTPUTF8)
    return [dict(parser.parsestr(block).items()) for block in text.split("\r\n\r\n") if block.strip()]


def read(path):
    data = path.read_bytes()
    raw = data.decode("utf-8", "replace")
    message = email.message_from_bytes(data, policy=email.policy.SMTPUTF8)
    name = path.stem
    need(not message.defects, name, message.defects)
    need(message.get_content_type() == "multipart/report", name, message.get_content_type())
    need(message.get_param("report-type") == "delivery-status", name, "report-type")
    need(message["Auto-Submitted"] == "auto-replied", name, "Auto-Submitted")
    need(str(message["From"]) == "Mail Delivery System <MAILER-DAEMON@example.com>", name, message["From"])
    need(email.utils.parsedate_to_datetime(message["Date"]), name, "Date")
    need(message["Message-ID"].startswith("<em_"), name, "Message-ID")
    need(message["In-Reply-To"] == "<order-7@example.com>", name, "In-Reply-To")
    parts = message.get_payload()
    # Of what cannot be read any more nothing comes back.
    need(len(parts) == (2 if name == "unreadable" else 3), name, "parts")
    need(parts[0].get_content_type() == "text/plain" and len(parts[0].get_content()) > 200, name, "text")
    need(all(not part.defects for part in parts), name, "defects")
    first, *recipients = blocks(parts[1], raw)
    need(first["Reporting-MTA"] == "dns; mail.example.com", name, "Reporting-MTA")
    need(email.utils.parsedate_to_datetime(first["Arrival-Date"]), name, "Arrival-Date")
    need(recipients, name, "recipients")
    for block in recipients:
        for field in ["Final-Recipient", "Action", "Status", "Last-Attempt-Date"]:
            need(field in block, name, f"no {field} in {block}")
        line = f"{block['Action']} {block['Status']} {block['Final-Recipient']}"
        for word, field in [("from", "Original-Recipient"), ("by", "Remote-MTA"), ("until", "Will-Retry-Until")]:
            line += f" {word} {block[field]}" if field in block else ""
        line += f" envelope {first['Original-Envelope-Id']}" if "Original-Envelope-Id" in first else ""
        failed = block["Action"] in ("failed", "delayed")
        need(failed == ("Diagnostic-Code" in block), name, "Diagnostic-Code")
        sys.stdout.buffer.write(f"{name}: {line}\n".encode())
    for part in parts[2:]:
        need(b"order-7@example.com" in part.as_bytes(), name, "the message")


for argument in sys.argv[1:]:
    read(pathlib.Path(argument))
