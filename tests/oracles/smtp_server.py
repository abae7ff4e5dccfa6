"""A server for e-mails, which keeps what it receives.

usage: smtp_server.py PORT FOLDER [CERTIFICATE KEY USER PASSWORD]
With a certificate it needs STARTTLS and this log-in. Each message becomes a file of the folder whose first line is its receiver.
Addresses that begin with "reject" get 550, those that begin with "later" get 451.
"""

import ssl
import sys
import threading
from pathlib import Path

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

port, folder, *secure = sys.argv[1:]
folder = Path(folder)


class Keeper:
    count = 0

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("reject"):
            return "550 5.1.1 no such mailbox"
        if address.startswith("later"):
            return "451 4.3.2 try again later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        Keeper.count += 1
        unfinished = folder / f"{Keeper.count}.tmp"
        unfinished.write_bytes(" ".join(envelope.rcpt_tos).encode() + b"\n" + envelope.content)
        unfinished.rename(folder / f"{Keeper.count}.eml")
        return "250 OK"


def log_in(server, session, envelope, mechanism, data):
    is_right = (data.login.decode(), data.password.decode()) == (user, password)
    return AuthResult(success=is_right, handled=False)


settings = {}
if secure:
    certificate, key, user, password = secure
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    settings = dict(tls_context=context, require_starttls=True, auth_required=True, authenticator=log_in)
Controller(Keeper(), hostname="127.0.0.1", port=int(port), **settings).start()
print("ready", flush=True)
threading.Event().wait()
