"""A shop to log in to and order from, for tests of scenarios that read what they receive.

A second implementation of the routes in docs/TARGET.md ("The shop"), in Python's standard library alone.
It checks tokens, sessions, CSRF tokens and orders by what it remembers, where the built-in target checks
signatures, so that a client must return exactly what it was given. With --journal it writes a line of
JSON for each request that it received, before it answers.

What it makes up (tokens, sessions, ids) depends on the id of the request, if there is one: the same
requests get the same answers, in whatever order they come.

Prints `listening on http://127.0.0.1:PORT`. SIGTERM ends it at once.
"""

import argparse
import base64
import csv
import gzip
import hashlib
import html
import http.server
import json
import os
import secrets
import signal
import sys
import threading
import time
import urllib.parse

FAULTS = {
    "missing_token": "POST /token answers without access_token",
    "broken_json": "POST /orders answers with half of its JSON",
    "wrong_id": "GET /orders/ID shows the id of another order",
    "no_csrf": "GET /login shows a form without csrf",
    "wrong_name": "GET /account greets someone else",
    "server_error": "any route answers 500",
}


def arguments():
    parser = argparse.ArgumentParser(description="A shop to test against.")
    parser.add_argument("--journal", help="file for a line of JSON per request")
    parser.add_argument("--id-header", default="Z6-Id", help="field with the id of a request")
    parser.add_argument("--client-secret", help="the one secret that POST /token accepts")
    parser.add_argument("--users", help="CSV file with the columns email and password: who may log in")
    parser.add_argument("--unique-users", action="store_true", help="409 for a user's second login")
    parser.add_argument("--token-uses", type=int, help="uses of a token, unless the query says so")
    parser.add_argument("--fault", action="append", default=[], metavar="NAME=N",
                        help="every N-th request that can have it has this fault: " + "; ".join(
                            f"{name}: {what}" for name, what in FAULTS.items()))
    return parser.parse_args()


class Refusal(Exception):
    def __init__(self, status, text, **fields):
        super().__init__(text)
        self.status, self.text, self.fields = status, text, fields


class Shop:
    """What the server remembers, under one lock."""

    def __init__(self, options):
        self.options = options
        self.lock = threading.Lock()
        self.received = 0
        self.tokens = {}    # token -> [client, end in seconds, uses left or None]
        self.visitors = {}  # session -> csrf, until it is used
        self.sessions = {}  # session -> user
        self.orders = {}    # id -> order
        self.keys = {}      # Idempotency-Key -> (order as sent, id)
        self.signed_in = set()
        self.users = None
        if options.users:
            with open(options.users, encoding="utf-8-sig", newline="") as file:
                self.users = {row["email"]: row["password"] for row in csv.DictReader(file)}
        self.faults = {}    # name -> [every, requests so far]
        for fault in options.fault:
            name, _, every = fault.partition("=")
            if name not in FAULTS or not every.isdigit() or int(every) == 0:
                sys.exit(f"--fault {fault}: NAME=N with one of {', '.join(FAULTS)}")
            self.faults[name] = [int(every), 0]
        self.journal = None
        if options.journal:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND
            self.journal = os.open(options.journal, flags, 0o600)

    def fault(self, request, name):
        """Whether this request has the fault; counts it as one that can have it."""
        is_hit = request.parameter("fault") == name
        if name in self.faults:
            with self.lock:
                state = self.faults[name]
                state[1] += 1
                is_hit = is_hit or state[1] % state[0] == 0
        if is_hit:
            request.fault = name
        return is_hit

    def write(self, request, status):
        with self.lock:
            self.received += 1
            number = self.received
        if self.journal is None:
            return
        line = {
            "number": number, "id": request.id, "method": request.method, "target": request.target,
            "route": request.route, "status": status, "fault": request.fault,
            "content_type": request.headers.get("Content-Type"),
            "authorization": request.headers.get("Authorization"),
            "cookie": request.headers.get("Cookie"),
            "idempotency_key": request.headers.get("Idempotency-Key"),
            "body_bytes": len(request.body), "body_sha256": hashlib.sha256(request.body).hexdigest(),
            "body": request.body.decode("utf-8", "replace"),
        }
        if request.id:
            parts = request.id.split("-")
            line["population"], line["actor"], line["step"] = (int(part, 16) for part in parts[:3])
        # One write to a file that is open for appending: lines of several threads do not mix.
        os.write(self.journal, (json.dumps(line) + "\n").encode())


class Request:
    def __init__(self, handler, body, id_header):
        self.method, self.target, self.headers = handler.command, handler.path, handler.headers
        self.body = body
        self.path, _, query = self.target.partition("?")
        self.query = urllib.parse.parse_qs(query, keep_blank_values=True)
        self.id = self.headers.get(id_header)
        self.route, self.fault = "none", None

    def parameter(self, name):
        return self.query.get(name, [None])[0]

    def number(self, name, default):
        text = self.parameter(name)
        if text is None:
            return default
        if not text.isdigit() or int(text) == 0:
            raise Refusal(400, f"`{name}` must be a number from 1")
        return int(text)

    def invent(self, what):
        """A text that no other request gets: always the same for a request with an id."""
        if self.id is None:
            return secrets.token_hex(16)
        return hashlib.sha256(f"{what} {self.id}".encode()).hexdigest()[:32]

    def media_type(self):
        return self.headers.get_content_type() if "Content-Type" in self.headers else None

    def object(self):
        if self.media_type() != "application/json":
            raise Refusal(415, "the Content-Type must be application/json")
        try:
            found = json.loads(self.body)
        except ValueError as error:
            raise Refusal(400, f"the body is not JSON: {error}")
        if not isinstance(found, dict):
            raise Refusal(400, "the body is not a JSON object")
        return found

    def fields(self):
        """The texts of a form or of a JSON object."""
        if self.media_type() == "application/json":
            return {name: text for name, text in self.object().items() if isinstance(text, str)}
        if self.media_type() != "application/x-www-form-urlencoded":
            raise Refusal(415, "the Content-Type must be of JSON or of a form")
        try:
            pairs = urllib.parse.parse_qsl(
                self.body.decode("ascii"), keep_blank_values=True, strict_parsing=True, errors="strict")
        except ValueError as error:
            raise Refusal(400, f"malformed form: {error}")
        if len({name for name, _ in pairs}) != len(pairs):
            raise Refusal(400, "a field is there twice")
        return dict(pairs)

    def session(self):
        """The cookie `session`; other cookies do not matter."""
        for pair in self.headers.get("Cookie", "").split("; "):
            name, equals, value = pair.partition("=")
            if equals and name == "session":
                return value
        return None


def required(fields, name):
    text = fields.get(name)
    if not text:
        raise Refusal(400, f"`{name}` is missing")
    return text


# Each route takes the shop and the request, and returns status, fields and body. A body that is no bytes is
# sent as JSON.

def give_token(shop, request):
    authorization = request.headers.get("Authorization", "")
    if authorization.startswith("Basic "):
        text = base64.b64decode(authorization[6:], validate=True).decode()
        client, _, secret = text.partition(":")
    else:
        fields = request.fields()
        client, secret = required(fields, "client"), required(fields, "secret")
    right = shop.options.client_secret
    if secret == "wrong" or right is not None and secret != right:
        raise Refusal(401, "the secret of this client is wrong", WWW_Authenticate="Basic")
    expires_ms = request.number("expires_ms", 3_600_000)
    uses = request.number("uses", shop.options.token_uses)
    token = request.invent("token")
    with shop.lock:
        shop.tokens[token] = [client, time.monotonic() + expires_ms / 1000, uses]
    answer = {"access_token": token, "token_type": "Bearer", "expires_in": expires_ms // 1000}
    if shop.fault(request, "missing_token"):
        del answer["access_token"]
    return 200, {}, answer


def who(shop, request):
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    with shop.lock:
        known = shop.tokens.get(token) if scheme == "Bearer" else None
        is_valid = known is not None and time.monotonic() < known[1] and known[2] != 0
        if is_valid and known[2] is not None:
            known[2] -= 1
    if not is_valid:
        raise Refusal(401, "a valid Bearer token is needed", WWW_Authenticate="Bearer")
    return 200, {}, {"client": known[0]}


def cookie(session):
    return f"session={session}; Path=/; HttpOnly; SameSite=Lax"


def login_form(shop, request):
    session, csrf = request.invent("visitor"), request.invent("csrf")
    with shop.lock:
        shop.visitors[session] = csrf
    field = f'<input type="hidden" name="csrf" value="{csrf}">'
    if shop.fault(request, "no_csrf"):
        field = ""
    page = f"""<!DOCTYPE html>
<title>Sign in</title>
<!-- <input name="csrf" value="not this one"> -->
<form method="post" action="/login">
  {field}
  <p><input name="user"> <input name="password" type="password"> <button>Sign in</button></p>
</form>
"""
    return 200, {"Set-Cookie": cookie(session), "Content-Type": "text/html"}, page.encode()


def sign_in(shop, request):
    fields = request.fields()
    visitor = request.session()
    with shop.lock:
        # A csrf token is good for one attempt.
        expected = shop.visitors.pop(visitor, None)
    by_form = expected is not None or "csrf" in fields
    if by_form and (expected is None or fields.get("csrf") != expected):
        raise Refusal(403, "`csrf` is not that of this session's login form")
    user, password = required(fields, "user"), required(fields, "password")
    if password == "wrong" or shop.users is not None and shop.users.get(user) != password:
        raise Refusal(401, "user or password is wrong", WWW_Authenticate="Cookie")
    session = request.invent("session")
    with shop.lock:
        if shop.options.unique_users and user in shop.signed_in:
            raise Refusal(409, "this user has signed in before")
        shop.signed_in.add(user)
        shop.sessions[session] = user
    if by_form:
        return 303, {"Set-Cookie": cookie(session), "Location": "/account"}, b""
    return 200, {"Set-Cookie": cookie(session)}, {"user": user}


def account(shop, request):
    with shop.lock:
        user = shop.sessions.get(request.session())
    if user is None:
        raise Refusal(401, "sign in at /login first", WWW_Authenticate="Cookie")
    if shop.fault(request, "wrong_name"):
        user = "someone else"
    page = f"<!DOCTYPE html>\n<title>Account</title>\n<p>Hello, {html.escape(user).replace('&#x27;', '&#39;')}!</p>\n"
    return 200, {"Content-Type": "text/html"}, page.encode()


def search(shop, request):
    text = request.parameter("q")
    if not text:
        raise Refusal(400, "`q` is missing")
    page = request.number("page", 1)
    items = [{"id": n, "sku": "ABC"[n % 3] + f"-{n % 3 + 1}", "name": f"{text} {n}", "price": n + 0.5}
             for n in range(10 * page - 9, min(10 * page, 25) + 1)]
    return 200, {}, {"q": text, "page": page, "total": 25, "items": items}


def create_order(shop, request):
    order = request.object()
    sku, quantity, note = order.get("sku"), order.get("quantity"), order.get("note")
    # A bool is an int in Python, and no number in JSON.
    is_number = isinstance(quantity, int) and not isinstance(quantity, bool)
    if not isinstance(sku, str) or not is_number or quantity < 1 or not isinstance(note, (str, type(None))):
        raise Refusal(422, "wrong types")
    key = request.headers.get("Idempotency-Key")
    number = request.invent("order")
    with shop.lock:
        if key in shop.keys:
            if shop.keys[key][0] != order:
                raise Refusal(422, "another order was created with this Idempotency-Key")
            number = shop.keys[key][1]
        elif key is not None:
            shop.keys[key] = (order, number)
        shop.orders[number] = {"id": number, "sku": sku, "quantity": quantity, "note": note}
        created = dict(shop.orders[number])
    if shop.fault(request, "broken_json"):
        created = json.dumps(created)[:20].encode()
    return 201, {"Location": f"http://{request.headers['Host']}/orders/{number}"}, created


def read_order(shop, request):
    with shop.lock:
        order = shop.orders.get(request.path.removeprefix("/orders/"))
    if order is None:
        raise Refusal(404, "there is no such order")
    if shop.fault(request, "wrong_id"):
        order = order | {"id": "0" * 32}
    return 200, {}, order


ROUTES = {
    ("POST", "/token"): give_token,
    ("POST", "/oauth/token"): give_token,
    ("GET", "/api/me"): who,
    ("GET", "/login"): login_form,
    ("POST", "/login"): sign_in,
    ("GET", "/account"): account,
    ("GET", "/search"): search,
    ("POST", "/orders"): create_order,
    ("GET", "/orders/ID"): read_order,
}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    shop = None

    def log_message(self, *_):
        pass

    def read_body(self):
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return body

    def serve(self):
        shop = self.shop
        request = Request(self, self.read_body(), shop.options.id_header)
        path = "/orders/ID" if request.path.startswith("/orders/") else request.path
        route = ROUTES.get((request.method, path))
        try:
            if route is None:
                raise Refusal(404, "no such route")
            request.route = f"{request.method} {path}"
            if shop.fault(request, "server_error"):
                raise Refusal(500, "a fault that was asked for")
            status, fields, body = route(shop, request)
        except Refusal as refusal:
            status, body = refusal.status, {"error": refusal.text}
            fields = {name.replace("_", "-"): value for name, value in refusal.fields.items()}
        shop.write(request, status)
        self.answer(status, fields, body)

    def answer(self, status, fields, body):
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        fields = {"Content-Type": "application/json"} | fields
        if "gzip" in self.headers.get("Accept-Encoding", ""):
            body = gzip.compress(body)
            fields["Content-Encoding"] = "gzip"
        self.send_response(status)
        for name, value in fields.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    do_GET = do_POST = do_PUT = do_DELETE = serve


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 1024
    daemon_threads = True

    def handle_error(self, *_):
        # A client that leaves is no error of the server.
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(*_)


def main():
    Handler.shop = Shop(arguments())
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    server = Server(("127.0.0.1", 0), Handler)
    print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
