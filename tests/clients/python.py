"""What tests/clients/python.rs has Python's smtplib do: one function a test, named on the command line.

    python3 python.py FUNCTION PORT CA LOGIN PASSWORD MESSAGE
"""

import json
import smtplib
import ssl
import sys
from datetime import datetime, timedelta, timezone
from email.message import EmailMessage

DOES, PORT, CA, LOGIN, PASSWORD, MESSAGE = sys.argv[1:]
TO = ["one@elsewhere.example", "two@elsewhere.example"]
TRUST = ssl.create_default_context(cafile=CA)


def message():
    with open(MESSAGE, "rb") as file:
        return file.read()


def private():
    """Connected, and nobody listens."""
    smtp = smtplib.SMTP("127.0.0.1", int(PORT), timeout=20)
    smtp.ehlo("client.example")
    assert smtp.has_extn("starttls") and not smtp.has_extn("auth"), smtp.esmtp_features
    smtp.starttls(context=TRUST)
    smtp.ehlo("client.example")
    assert not smtp.has_extn("starttls"), smtp.esmtp_features
    return smtp


def logged_in():
    smtp = private()
    assert {"PLAIN", "LOGIN", "SCRAM-SHA-256"} <= set(smtp.esmtp_features["auth"].split()), smtp.esmtp_features
    smtp.login(LOGIN, PASSWORD)
    return smtp


def starttls_and_every_way_to_log_in():
    for mechanism in ["PLAIN", "LOGIN"]:
        for at_once in [True, False]:
            with private() as smtp:
                smtp.user, smtp.password = LOGIN, PASSWORD
                answer = {"PLAIN": smtp.auth_plain, "LOGIN": smtp.auth_login}[mechanism]
                code, text = smtp.auth(mechanism, answer, initial_response_ok=at_once)
                assert code == 235, (code, text)
                refused = smtp.sendmail(LOGIN, TO, message(), mail_options=["BODY=8BITMIME"])
                assert refused == {}, refused


def tls_from_the_first_byte():
    with smtplib.SMTP_SSL("127.0.0.1", int(PORT), context=TRUST, timeout=20) as smtp:
        smtp.login(LOGIN, PASSWORD)
        smtp.sendmail(LOGIN, TO, message())


def international_addresses():
    mail = EmailMessage()
    mail["From"] = "jörg@example.com"
    mail["To"] = "größe@elsewhere.example"
    mail["Subject"] = "Grüße aus Köln"
    mail["Date"] = "Fri, 21 Nov 2025 08:00:00 +0000"
    mail["Message-ID"] = "<international@example.com>"
    mail.set_content("schön\n", cte="8bit")
    with logged_in() as smtp:
        smtp.send_message(mail)


def delivery_status_options():
    with logged_in() as smtp:
        smtp.sendmail(
            LOGIN,
            TO[:1],
            message(),
            mail_options=["RET=HDRS", "ENVID=QQ+2B314159", "BODY=8BITMIME"],
            rcpt_options=["NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;origin+2Bal@example.net"],
        )


def control_headers():
    """As the library writes them: it folds what is long, and encodes what is not ASCII."""
    mail = EmailMessage()
    mail["From"] = LOGIN
    mail["To"] = TO[0]
    mail["Subject"] = "wishes"
    mail["X-Gatepost-Tag"] = "welcome, spring-2026"
    mail["X-Gatepost-Metadata-Customer"] = "Jürgen Größe"
    mail["X-Gatepost-Metadata-Note"] = "long " * 60
    mail["X-Gatepost-Template-On-Error"] = "original"
    mail["X-Gatepost-Variables"] = json.dumps({"items": [{"name": "thing %d" % n} for n in range(40)]})
    mail["X-Gatepost-Send-At"] = (datetime.now(timezone.utc) + timedelta(hours=2)).isoformat(timespec="seconds")
    mail["X-Gatepost-Expire-After"] = "3h"
    mail["X-Gatepost-Track-Opens"] = "no"
    mail.set_content("hello\n")
    with logged_in() as smtp:
        assert smtp.send_message(mail) == {}
        mail["X-Gatepost-Sned-At"] = "tomorrow"
        try:
            smtp.send_message(mail)
            raise AssertionError("taken")
        except smtplib.SMTPDataError as why:
            assert why.smtp_code == 554 and b"did you mean X-Gatepost-Send-At?" in why.smtp_error, why


def refusals_are_understood():
    with smtplib.SMTP("127.0.0.1", int(PORT), timeout=20) as smtp:
        refused(530, lambda: smtp.sendmail(LOGIN, TO, message()))
    with private() as smtp:
        refused(535, lambda: smtp.login(LOGIN, PASSWORD + "?"))
    with logged_in() as smtp:
        refused(553, lambda: smtp.sendmail("boss@other.example", TO, message()))


def strangers_on_the_mx():
    with smtplib.SMTP("127.0.0.1", int(PORT), timeout=20) as smtp:
        smtp.starttls(context=TRUST)
        assert not smtp.has_extn("auth"), smtp.esmtp_features
        to = ["one@example.com", TO[0], "two@example.com"]
        refusals = smtp.sendmail("someone@far.example", to, message())
        assert list(refusals) == TO[:1] and refusals[TO[0]][0] == 550, refusals
        try:
            smtp.sendmail("someone@far.example", TO, message())
            raise AssertionError("an open relay")
        except smtplib.SMTPRecipientsRefused as why:
            assert {code for code, _ in why.recipients.values()} == {550}, why.recipients


def refused(code, attempt):
    try:
        attempt()
    except smtplib.SMTPResponseException as why:
        assert why.smtp_code == code, why
    else:
        raise AssertionError(f"no {code}")


globals()[DOES]()
