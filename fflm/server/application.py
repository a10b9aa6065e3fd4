"""The page and the JSON interface as an ASGI application, and the server that runs it."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from importlib.resources import files
from typing import Any, TypeVar

import anyio
import anyio.to_thread
import fastapi
import uvicorn
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from fflm.config import ServeConfig
from fflm.errors import ConfigError, FflmError, option_name, shown
from fflm.server import records
from fflm.server.answers import Answers
from fflm.server.guard import LOOPBACK_NAMES, Application, Guard, is_loopback

AT_ONCE = 2  # requests that are computed at the same time; the others wait
SECONDS = 30.0  # within which an answer must be there
PAGE = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": records.Problem, "description": description}
    for status, description in {
        400: "What is asked can't be done",
        401: "The token is missing",
        403: "Another host or origin",
        408: "The request came too slowly",
        413: "The request is too large",
        422: "The request has unknown fields, or values out of their range",
        429: "Too many requests",
        503: "The answer took too long",
    }.items()
}
Answered = TypeVar("Answered")


def make_application(answers: Answers, hosts: tuple[str, ...] | None, token: str | None, rate: float | None) -> Guard:
    """Make the ASGI application.

    Parameters
    ----------
    answers : Answers
    hosts, token, rate
        As of `Guard`.
    """
    app = fastapi.FastAPI(
        title="fflm serve",
        summary="Predict, sample and score with language models.",
        version="1",
        docs_url=None,  # their pages load what is not ours
        redoc_url=None,
        responses=REFUSALS,
    )
    limiter = anyio.CapacityLimiter(AT_ONCE)

    async def compute(function: Callable[..., Answered], *arguments: Any) -> Answered:
        try:
            with anyio.fail_after(SECONDS):
                return await anyio.to_thread.run_sync(
                    partial(function, *arguments), abandon_on_cancel=True, limiter=limiter
                )
        except TimeoutError:
            raise HTTPException(503, f"the answer was not there within {SECONDS:g} seconds; ask for less") from None

    _add_page(app)
    _add_interface(app, answers, compute)
    _add_problems(app)
    return Guard(app, hosts, token, rate)


def _add_page(app: fastapi.FastAPI) -> None:
    folder = files("fflm.server") / "page"
    for path, (name, kind) in PAGE.items():
        app.add_route(path, _file((folder / name).read_bytes(), kind), include_in_schema=False)


def _file(content: bytes, kind: str) -> Callable[[fastapi.Request], Awaitable[Response]]:
    async def answer(request: fastapi.Request) -> Response:
        return Response(content, media_type=kind)

    return answer


def _add_interface(app: fastapi.FastAPI, answers: Answers, compute: Callable[..., Any]) -> None:
    """Add a route for each kind of question."""

    @app.get("/api/models")
    async def models() -> records.ModelsAnswer:
        """Tell which models are served."""
        return await compute(answers.models)

    @app.post("/api/predict")
    async def predict(asked: records.PredictRequest) -> records.PredictAnswer:
        """Predict the next word after a context."""
        return await compute(answers.predict, asked)

    @app.post("/api/sample")
    async def sample(asked: records.SampleRequest) -> records.SampleAnswer:
        """Continue a text by words drawn at random."""
        return await compute(answers.sample, asked)

    @app.post("/api/score")
    async def score(asked: records.ScoreRequest) -> records.ScoreAnswer:
        """Compute the surprisal of each word of a text."""
        return await compute(answers.score, asked)

    @app.post("/api/neighbors")
    async def neighbors(asked: records.NeighborsRequest) -> records.NeighborsAnswer:
        """Find the words with the most similar vectors."""
        return await compute(answers.neighbors, asked)

    @app.post("/api/map")
    async def map(asked: records.MapRequest) -> records.MapAnswer:
        """Place the most frequent words on a map."""
        return await compute(answers.map, asked)

    @app.post("/api/run")
    async def run(asked: records.RunRequest) -> records.RunAnswer:
        """Look at a training run, also while it goes on."""
        return await compute(answers.run, asked)


def _add_problems(app: fastapi.FastAPI) -> None:
    """Answer every error by one line of JSON."""

    @app.exception_handler(FflmError)
    async def refused(request: fastapi.Request, error: FflmError) -> JSONResponse:
        return JSONResponse({"error": str(error)}, 400)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: fastapi.Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"][1:])
        return JSONResponse({"error": f"{place + ': ' if place else ''}{first['msg']}"}, 422)

    @app.exception_handler(HTTPException)
    async def other(request: fastapi.Request, error: HTTPException) -> JSONResponse:
        return JSONResponse({"error": error.detail}, error.status_code, error.headers)


class Server:
    """A server that has its address, and serves when it is told to.

    Parameters
    ----------
    application : callable
        Of ASGI.
    config : ServeConfig
    token : str, optional

    Raises
    ------
    ConfigError
        If the address can't be had.
    """

    def __init__(self, application: Application, config: ServeConfig, token: str | None):
        self._token, self._socket = token, _listen(config.host, config.port)
        own = uvicorn.Config(
            application,
            log_level="warning",
            access_log=False,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=3,
            server_header=False,
        )
        self._server = uvicorn.Server(own)

    @property
    def url(self) -> str:
        """The address of the page, with the token behind ``#``, where no server's log gets it."""
        host, port = self._socket.getsockname()[:2]
        host = f"[{host}]" if ":" in host else host
        return f"http://{host}:{port}/" + ("" if self._token is None else f"#token={self._token}")

    def run(self) -> None:
        """Serve until Ctrl-C, or until another thread calls `stop`."""
        with self._socket:
            self._server.run(sockets=[self._socket])

    def stop(self) -> None:
        """Let `run` end, once what is being answered has been answered."""
        self._server.should_exit = True


def _listen(host: str, port: int) -> socket.socket:
    try:
        # Of a socket that does not name TCP, asyncio does not turn off Nagle's delay of 40 ms.
        found_at = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)[0]
        family, kind, protocol, _, address = found_at
        found = socket.socket(family, kind, protocol)
        try:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            found.bind(address)
            found.listen(1024)
        except BaseException:
            found.close()
            raise
        return found
    except OSError as error:
        raise ConfigError(
            f"the server can't listen at {option_name('host')} {shown(host)}, {option_name('port')} {port}: "
            f"{error.strerror or error}; choose others"
        ) from None


def make_server(paths: Sequence[str], config: ServeConfig, threads: int | None = None) -> Server:
    """Make a server for some models; it listens to this machine alone, or asks for a token.

    Parameters
    ----------
    paths : sequence of str
        Run folders and model files.
    config : ServeConfig
    threads : int, optional
        Worker threads of each model.

    Raises
    ------
    ConfigError, ModelFileError
        If a model can't be read (a run that goes on may have none yet), or the address can't be had.
    """
    answers = Answers(paths, threads)
    for one in answers.served.values():
        if not one.is_run:
            one.model()
    local = is_loopback(config.host)
    token = config.token if config.token or local else secrets.token_urlsafe(16)
    rate = config.rate if config.rate or local else 20.0
    application = make_application(answers, LOOPBACK_NAMES if local else None, token, rate)
    return Server(application, config, token)
