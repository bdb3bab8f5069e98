"""A mail server that keeps what it gets, told line by line what to do. Each line is JSON `{"do": ...}`, each answer
`{"ok": ...}` or `{"error": ...}`."""

import email
import json
import ssl
import sys
import threading
from email.policy import default

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult


class Kept:
    def __init__(self):
        self.letters = []
        self.refusal = None
        self.lock = threading.Lock()

    async def handle_RCPT(self, server, session, envelope, address, options):
        if self.refusal:
            return self.refusal
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(envelope.content, policy=default)
        parts = {part.get_content_type(): part.get_content().replace("\r\n", "\n") for part in message.walk() if not part.is_multipart()}
        letter = {
            "from": str(message["from"]),
            "to": str(message["to"]),
            "subject": str(message["subject"]),
            "headers": {name.lower(): str(value) for name, value in message.items()},
            "text": parts.get("text/plain", ""),
            "html": parts.get("text/html", ""),
            "tls": server.transport.get_extra_info("ssl_object") is not None,
            "user": session.auth_data.login.decode() if session.auth_data else None,
        }
        # Mail comes in another thread than questions about it.
        with self.lock:
            self.letters.append(letter)
        return "250 kept"


kept = Kept()
controller = None


def authenticate(server, session, envelope, mechanism, data):
    good = data.login == b"postman" and data.password == b"knock twice"
    return AuthResult(success=good, auth_data=data) if good else AuthResult(success=False, handled=False)


def start(request):
    global controller
    context = None
    if request.get("certificate"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(request["certificate"], request["key"])
    mode = request["mode"]
    needs_login = request.get("login", False)

    class Server(Controller):
        def factory(self):
            return SMTP(
                self.handler,
                hostname="mail.test",
                tls_context=context if mode == "starttls" else None,
                require_starttls=mode == "starttls",
                authenticator=authenticate if needs_login else None,
                auth_required=needs_login,
                auth_require_tls=False,
            )

    # Port 0 would not be told back by the library.
    port = request["port"]
    controller = Server(kept, hostname="127.0.0.1", port=port, ssl_context=context if mode == "tls" else None)
    controller.start()
    return {"port": port}


def refuse(request):
    kept.refusal = request["with"]
    return {}


def letters(request):
    with kept.lock:
        taken, kept.letters = kept.letters, []
    return taken


def stop(request):
    controller.stop()
    return {}


ACTIONS = {"start": start, "refuse": refuse, "letters": letters, "stop": stop}

for line in sys.stdin:
    request = json.loads(line)
    try:
        answer = {"ok": ACTIONS[request["do"]](request)}
    except Exception as error:  # every failure is an answer
        answer = {"error": repr(error)}
    print(json.dumps(answer), flush=True)
