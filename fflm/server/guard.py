"""What must not come in, and what every answer says to the browser: an ASGI middleware around the application."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

MOST_BYTES = 256 * 1024  # of a request
SECONDS_TO_SEND = 10.0  # in which a request must have come in
CLIENTS = 10_000  # addresses whose requests are counted
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


def is_loopback(host: str) -> bool:
    """Tell whether an address is reached from this machine alone.

    Examples
    --------
    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("0.0.0.0"), is_loopback("localhost")
    (True, True, False, True)
    """
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Guard:
    """The application behind checks of each request.

    Refused are: hosts that are not those of the page (a page of another name that points to this machine), requests of
    pages of another origin, requests under ``/api/`` without the token, too many in a second from one address, and too
    large or too slow ones. Each has one line of JSON: what is wrong.

    Parameters
    ----------
    application
    hosts : tuple of str, optional
        Names that the browser may call the server by; None for any, where a token protects it.
    token : str, optional
        What requests under ``/api/`` must bear, as ``Authorization: Bearer TOKEN``.
    rate : float, optional
        Requests a second from one address, after a first burst of 2 seconds' worth; None for any number.
    clock : callable
        Seconds, for tests.
    """

    def __init__(
        self,
        application: Application,
        hosts: tuple[str, ...] | None = LOOPBACK_NAMES,
        token: str | None = None,
        rate: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._application, self._hosts, self._token, self._rate, self._clock = application, hosts, token, rate, clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # requests left, and when that was so

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer what is wrong with it."""
        if scope["type"] == "lifespan":
            await self._application(scope, receive, send)
            return
        if scope["type"] != "http":  # no other protocol is spoken here
            await send({"type": "websocket.close", "code": 1008})
            return
        status, problem = self._refusal(scope)
        body = b""
        if status == 200:
            body, status, problem = await self._body(scope, receive)
        if status != 200:
            await self._refuse(send, status, problem)
            return
        sent = False

        async def receive_body() -> Message:
            nonlocal sent
            if sent:
                return await receive()
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._application(scope, receive_body, _with_headers(send))

    def _refusal(self, scope: Scope) -> tuple[int, str]:
        """Return 200, or the status and the reason why a request is refused before it is read."""
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        host = headers.get("host", "")
        if self._hosts is not None and _name(host) not in self._hosts:
            return 403, f"this server is called {' or '.join(self._hosts)}, not by the name in the address"
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2] != host:
            return 403, "requests of pages of another origin are refused"
        client = (scope.get("client") or ("", 0))[0]
        if self._rate is not None and not self._allowed(client):
            return 429, f"more than {self._rate:g} requests a second; wait a moment"
        if self._token is not None and scope["path"].startswith(("/api/", "/openapi")):
            given = headers.get("authorization", "").partition("Bearer ")[2].encode("latin-1")
            if not secrets.compare_digest(given, self._token.encode("latin-1")):
                return 401, "the token is missing or wrong: open the address that `fflm serve` printed"
        return 200, ""

    def _allowed(self, client: str) -> bool:
        """Count a request of a client, and tell whether it may come in."""
        assert self._rate is not None
        now, most = self._clock(), max(1.0, 2.0 * self._rate)
        left, then = self._left.pop(client, (most, now))
        left = min(most, left + (now - then) * self._rate)
        self._left[client] = (left - 1.0 if left >= 1.0 else left), now
        while len(self._left) > CLIENTS:
            self._left.popitem(last=False)
        return left >= 1.0

    async def _body(self, scope: Scope, receive: Receive) -> tuple[bytes, int, str]:
        """Read the whole request; a status other than 200 says why it was given up."""
        parts, size = [], 0
        try:
            async with asyncio.timeout(SECONDS_TO_SEND):
                while True:
                    message = await receive()
                    if message["type"] != "http.request":  # the client has gone
                        return b"", 400, "the request ended early"
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    if size > MOST_BYTES:
                        return b"", 413, f"a request must have at most {MOST_BYTES:,} bytes"
                    if not message.get("more_body", False):
                        return b"".join(parts), 200, ""
        except TimeoutError:
            return b"", 408, f"the request did not come in within {SECONDS_TO_SEND:g} seconds"

    async def _refuse(self, send: Send, status: int, problem: str) -> None:
        send = _with_headers(send)
        headers = [(b"content-type", b"application/json")]
        headers += [(b"www-authenticate", b"Bearer")] if status == 401 else []
        headers += [(b"retry-after", b"1")] if status == 429 else []
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps({"error": problem}).encode()})


def _name(host: str) -> str:
    """Return the name in a Host header, without the port."""
    return host[: host.find("]") + 1] if host.startswith("[") else host.partition(":")[0]


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
            message["headers"] = [*message.get("headers", []), *own]
        await send(message)

    return sending
