"""`fflm serve`: its answers are those of the commands, and what must not come in is refused."""

import http.client
import json
import math
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import noisy

import fflm
from fflm.config import ServeConfig
from fflm.errors import ConfigError, ModelFileError

pytest.importorskip("fastapi", reason="needs the serve extra")
pytest.importorskip("uvicorn", reason="needs the serve extra")

from fflm.server import guard  # noqa: E402
from fflm.server.application import make_server  # noqa: E402

LIMITS = {"host": "127.0.0.1", "port": 0}


class Client:
    """Requests to a server that runs in a thread."""

    def __init__(self, paths, **options):
        self.server = make_server([str(path) for path in paths], ServeConfig(**LIMITS | options), threads=1)
        self.port = int(self.server.url.split(":")[2].split("/")[0])
        self.thread = threading.Thread(target=self.server.run)
        self.thread.start()
        end = time.monotonic() + 30
        while time.monotonic() < end:  # the socket listens from the beginning; the first answer shows that it serves
            if self.get("/page.css")[0] == 200:
                break

    def request(self, method, path, body=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            answer = connection.getresponse()
            return answer.status, answer.read(), dict(answer.getheaders())
        finally:
            connection.close()

    def get(self, path, **headers):
        return self.request("GET", path, **headers)

    def ask(self, path, asked, expected=200, **headers):
        headers = {"content_type": "application/json"} | headers
        status, body, _ = self.request("POST", "/api/" + path, json.dumps(asked), **headers)
        assert status == expected, body
        return json.loads(body)

    def close(self):
        self.server.stop()
        self.thread.join(30)
        assert not self.thread.is_alive()


@pytest.fixture(scope="module")
def folder(model_files, workshop, tmp_path_factory):
    """A mixture of words, a Kneser-Ney model of characters that reads lines, and the run."""
    folder = tmp_path_factory.mktemp("served")
    for name in ("mixture", "kn"):
        shutil.copy(model_files / name, folder)
    shutil.copytree(workshop / "runs" / "demo", folder / "demo")
    text = folder / "lines.txt"
    text.write_text(noisy(60, seed=1))
    fflm.ngram(text, boundary="line", order=3, quiet=True).save(folder / "lines")
    fflm.ngram(text, tokenizer="char", order=5, quiet=True).save(folder / "char")
    return folder


@pytest.fixture(scope="module")
def client(folder):
    client = Client([folder / name for name in ("mixture", "kn", "demo", "lines", "char")])
    yield client
    client.close()


def test_the_models_are_those_of_the_command_line(client, folder):
    status, body, _ = client.get("/api/models")
    found = json.loads(body)["models"]
    assert status == 200 and [one["name"] for one in found] == [
        str(folder / name) for name in ("mixture", "kn", "demo", "lines", "char")
    ]
    assert [one["kind"] for one in found] == [fflm.load(one["name"]).info()["kind"] for one in found]
    assert [one["run"] for one in found] == [False, False, True, False, False]
    assert [one["vectors"] for one in found] == [True, False, True, False, False]
    assert found[2]["words"] == 13 and found[3]["boundary"] == "line" and found[4]["tokenizer"] == "char"


def plain(value):
    """Without what is null: as the commands print it."""
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items() if one is not None}
    return [plain(one) for one in value] if isinstance(value, list) else value


@pytest.mark.parametrize("asked", [{}, {"top": 3}, {"prefix": "m"}, {"special": True}])
def test_predictions_are_those_of_the_command(client, folder, fflm_main, asked):
    flags = [f"--{name}" if value is True else f"--{name}={value}" for name, value in asked.items()]
    printed = json.loads(fflm_main("predict", folder / "mixture", "the cat sat on the", "--json", *flags).out)
    found = client.ask("predict", {"context": "the cat sat on the", **asked})
    assert plain(found) == {"predictions": printed}
    assert found["predictions"][0]["parts"] and math.isclose(
        sum(found["predictions"][0]["parts"].values()), found["predictions"][0]["probability"], rel_tol=1e-6
    )


def test_influence_is_what_the_probability_loses_without_a_word(client, folder):
    model, context = str(folder / "demo"), "the cat sat on the"
    found = client.ask("predict", {"model": model, "context": context, "influence": True})
    assert found["word"] == "mat" and [one["token"] for one in found["influence"]] == ["on", "the"]
    chances = {}
    for text in (context, "the cat sat <unk> the", "the cat sat on <unk>"):
        words = client.ask("predict", {"model": model, "context": text, "top": 13})["predictions"]
        chances[text] = next(one["probability"] for one in words if one["word"] == "mat")
    whole, *without = chances.values()
    expected = [math.log2(whole / one) for one in without]
    assert [one["bits"] for one in found["influence"]] == pytest.approx(expected, rel=1e-5)
    other = client.ask("predict", {"model": model, "context": context, "influence": True, "word": "dog"})
    assert other["word"] == "dog" and other["influence"] != found["influence"]
    assert client.ask("predict", {"model": model, "context": "", "influence": True})["influence"] == []


def test_samples_are_those_of_the_command(client, folder, fflm_main):
    options = {"tokens": 9, "samples": 2, "temperature": 0.7, "top_p": 0.9, "seed": 5}
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    printed = json.loads(fflm_main("sample", folder / "mixture", "--prompt", "the dog", "--json", *flags).out)
    assert client.ask("sample", {"prompt": "the dog", **options})["samples"] == printed


def test_scores_are_surprisals_at_their_places_in_the_text(client, folder):
    text = "the cat sat\n\n  on the zebra.\r\nthe mat "
    found = client.ask("score", {"text": text, "models": [str(folder / "mixture"), str(folder / "lines")]})["texts"]
    assert [one["model"] for one in found] == [str(folder / "mixture"), str(folder / "lines")]
    for one in found:
        assert [text[word["start"] : word["end"]] for word in one["words"]] == [word["word"] for word in one["words"]]
        assert [word["word"] for word in one["words"]] == "the cat sat on the zebra . the mat".split()
        assert [word["word"] for word in one["words"] if word["unknown"]] == ["zebra"] and one["unknown"] == 1
        assert one["bits_per_word"] == pytest.approx(one["bits"] / 8)
    stream, lines = found
    whole = fflm.load(folder / "mixture").score_texts("the cat sat on the zebra. the mat")[0]
    assert stream["bits"] == pytest.approx(-whole.open_log_prob / math.log(2))
    apart = fflm.load(folder / "lines").score_texts(["the cat sat", "  on the zebra.", "the mat "])
    assert lines["bits"] == pytest.approx(-sum(one.open_log_prob for one in apart) / math.log(2))
    assert client.ask("score", {"text": " \n"})["texts"][0] == {
        "model": str(folder / "mixture"), "words": [], "bits": None, "bits_per_word": None,
        "bits_per_character": None, "unknown": 0,
    }  # fmt: skip


def test_neighbors_and_the_map(client, folder, fflm_main):
    printed = json.loads(fflm_main("neighbors", folder / "demo", "cat", "--top", 3, "--json").out)
    asked = {"model": str(folder / "demo"), "word": "cat", "top": 3}
    assert client.ask("neighbors", asked)["neighbors"] == printed[0]["neighbors"]
    found = client.ask("map", {"model": str(folder / "demo"), "words": 8})
    assert len(found["words"]) == 8 and "the" in [one["word"] for one in found["words"]]
    for axis in ("x", "y"):
        values = [one[axis] for one in found["words"]]
        assert (min(values), max(values)) == (0.0, 1.0)
    assert client.ask("map", {"model": str(folder / "demo"), "words": 8}) == found


def test_a_map_without_scikit_learn(monkeypatch):
    import numpy as np

    from fflm.plots import word_map

    monkeypatch.setattr(word_map, "find_spec", lambda name: None)
    matrix = np.array([[2, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 3]], np.float32)
    places, method = word_map.word_places(matrix)
    assert method == "principal components" and places.shape == (4, 2)
    np.testing.assert_allclose(places[0], places[1], atol=1e-12)  # of one direction


def test_a_run_is_watched_while_it_goes_on(folder, tmp_path):
    run = tmp_path / "run"
    fflm.train(folder / "lines.txt", out=run, epochs=2, hidden_dims=8, embedding_dim=4, ngram_order=0, quiet=True)
    kept = {name: (run / name).read_bytes() for name in ("report.json", "model.safetensors", "log.jsonl")}
    for name in kept:
        (run / name).unlink()
    client = Client([run])
    try:
        (about,) = json.loads(client.get("/api/models")[1])["models"]
        assert about["kind"] is None and about["run"] and about["problem"].startswith("no such model: ")
        assert client.ask("run", {}) == {
            "finished": False, "history": [], "valid_perplexity": None, "test_perplexity": None,
        }  # fmt: skip
        assert client.ask("predict", {"context": ""}, 400)["error"].startswith("no such model")
        (run / "log.jsonl").write_bytes(kept["log.jsonl"].splitlines(True)[0])
        (run / "model.safetensors").write_bytes(kept["model.safetensors"])
        found = client.ask("run", {})
        assert not found["finished"] and found["history"][0]["epochs"] == 1.0 and " | " in found["history"][0]["sample"]
        before = client.ask("predict", {"context": "the"})
        fflm.ngram(folder / "lines.txt", quiet=True).save(tmp_path / "other")
        os.replace(tmp_path / "other", run / "model.safetensors")  # as training does
        assert client.ask("predict", {"context": "the"}) != before
        (run / "report.json").write_bytes(kept["report.json"])
        assert client.ask("run", {})["finished"]
    finally:
        client.close()


def test_only_run_folders_have_a_training(client, folder):
    error = client.ask("run", {"model": str(folder / "kn")}, 400)["error"]
    assert error == f"{folder / 'kn'} is no run folder, whose training could be shown"


# What must not come in


@pytest.mark.parametrize("name", ["/etc/passwd", "../kn", "", "mixture", "demo/../demo"])
def test_no_path_is_taken_from_a_request(client, name):
    """Nothing is opened but what the command line names."""
    assert client.ask("predict", {"model": name, "context": ""}, 400)["error"].startswith("no such model: ")


@pytest.mark.parametrize(("path", "asked", "error"), [
    ("predict", {}, "context: Field required"),
    ("predict", {"context": 1}, "context: Input should be a valid string"),
    ("predict", {"context": "", "top": 0}, "top: Input should be greater than or equal to 1"),
    ("predict", {"context": "", "top": "3"}, "top: Input should be a valid integer"),
    ("predict", {"context": "", "many": 3}, "many: Extra inputs are not permitted"),
    ("predict", {"context": "a" * 5001}, "context: String should have at most 5000 characters"),
    ("sample", {"tokens": 301}, "tokens: Input should be less than or equal to 300"),
    ("sample", {"temperature": float("nan")}, "temperature: Input should be a finite number"),
    ("score", {"text": "a" * 20_001}, "text: String should have at most 20000 characters"),
])  # fmt: skip
def test_what_is_out_of_its_range_is_named(client, path, asked, error):
    assert client.ask(path, asked, 422) == {"error": error}


@pytest.mark.parametrize(("path", "asked", "error"), [
    ("neighbors", {"model": "kn", "word": "cat"}, "a model of kind 'n-gram model' has no word vectors; a network has"),
    ("neighbors", {"model": "demo", "word": "zebra"}, "'zebra' is not in the vocabulary"),
    ("predict", {"model": "char", "context": "", "prefix": "a"}, "prefix must not be given for a model of characters"),
    ("score", {"text": "a </s> b"}, "a text must not have the mark </s>"),
])  # fmt: skip
def test_what_can_not_be_done_is_said_in_one_line(client, folder, path, asked, error):
    asked = {**asked, "model": str(folder / asked["model"])} if "model" in asked else asked
    found = client.ask(path, asked, 400)["error"]
    assert error in found and "\n" not in found


def test_no_json_is_no_request(client):
    for body, kind in ((b"{", "application/json"), (b"context=a", "application/x-www-form-urlencoded")):
        status, answer, _ = client.request("POST", "/api/predict", body, content_type=kind)
        assert status == 422 and "error" in json.loads(answer)
    assert client.get("/api/predict")[0] == 405
    assert client.get("/nothing")[0] == 404
    assert client.get("/../pyproject.toml")[0] == 404


@pytest.mark.parametrize("path", "/ /page.js /page.css /icon.svg /api/models /nothing /openapi.json".split())
def test_every_answer_forbids_what_the_page_does_not_need(client, path):
    headers = client.get(path)[2]
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; ") and "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff" and "server" not in headers
    assert "access-control-allow-origin" not in headers


def test_the_page_names_nothing_outside(client):
    for path in ("/", "/page.js", "/page.css", "/icon.svg"):
        body = client.get(path)[1].decode()
        links = [part.split('"')[0] for part in body.replace("'", '"').split('"http')[1:]]
        assert set(links) <= {"://www.w3.org/2000/svg"}, links
        assert "innerHTML" not in body and "style=" not in body


def test_another_host_or_origin_is_refused(client):
    assert client.get("/api/models", host="evil.example")[0] == 403  # a name that points to this machine
    assert client.get("/", host=f"localhost:{client.port}")[0] == 200
    assert client.get("/api/models", origin="http://evil.example")[0] == 403
    assert client.get("/api/models", origin=f"http://127.0.0.1:{client.port}")[0] == 200


def test_a_token_is_asked_for(folder):
    client = Client([folder / "kn"], token="a secret token")
    try:
        assert client.server.url.endswith("/#token=a secret token")
        assert client.get("/")[0] == 200  # the page itself holds nothing
        for headers in ({}, {"authorization": "Bearer another"}, {"authorization": "a secret token"}):
            status, body, answered = client.get("/api/models", **headers)
            assert status == 401 and "token" in json.loads(body)["error"] and answered["www-authenticate"] == "Bearer"
        assert client.get("/openapi.json")[0] == 401
        assert client.get("/api/models", authorization="Bearer a secret token")[0] == 200
    finally:
        client.close()


def test_other_machines_need_a_token(folder):
    server = make_server([str(folder / "kn")], ServeConfig(host="0.0.0.0", port=0))
    assert len(server.url.partition("#token=")[2]) >= 20
    server._socket.close()
    assert not guard.is_loopback("0.0.0.0") and guard.is_loopback("::1") and not guard.is_loopback("example.org")


def test_a_rate_is_kept(folder):
    client = Client([folder / "kn"], rate=2)
    try:
        found = Counter(client.get("/page.js")[0] for _ in range(30))
        assert found[200] >= 3 and found[429] >= 15
        status, body, headers = client.get("/page.js")
        assert status == 429 and headers["retry-after"] == "1"
        assert json.loads(body) == {"error": "more than 2 requests a second; wait a moment"}
        time.sleep(0.7)
        assert client.get("/page.js")[0] == 200
    finally:
        client.close()


def test_too_large_and_too_slow_requests_are_refused(client, monkeypatch):
    large = b'{"text": "' + b"a" * guard.MOST_BYTES + b'"}'
    status, body, _ = client.request("POST", "/api/score", large, content_type="application/json")
    assert status == 413 and json.loads(body) == {"error": "a request must have at most 262,144 bytes"}
    monkeypatch.setattr(guard, "SECONDS_TO_SEND", 0.3)
    with socket.create_connection(("127.0.0.1", client.port), timeout=20) as connection:
        connection.sendall(b"POST /api/score HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
        assert connection.recv(100).startswith(b"HTTP/1.1 408")


def test_an_answer_that_takes_too_long_is_given_up(folder, monkeypatch):
    from fflm.server import answers, application

    monkeypatch.setattr(application, "SECONDS", 0.2)
    monkeypatch.setattr(answers.Answers, "sample", lambda self, asked: time.sleep(1.0))
    client = Client([folder / "kn"])
    try:
        assert client.ask("sample", {}, 503)["error"].startswith("the answer was not there within 0.2 seconds")
        assert client.ask("predict", {"context": "the"})["predictions"]
    finally:
        client.close()


def test_many_at_once(client):
    """64 connections, of which each asks again and again: every answer is right."""
    expected = client.ask("predict", {"context": "the cat"})

    def ask(number):
        connection = http.client.HTTPConnection("127.0.0.1", client.port, timeout=60)
        for _ in range(5):
            body = json.dumps({"context": "the cat"})
            connection.request("POST", "/api/predict", body, {"content-type": "application/json"})
            answer = connection.getresponse()
            assert answer.status == 200 and json.loads(answer.read()) == expected
        connection.close()
        return 1

    with ThreadPoolExecutor(64) as pool:
        assert sum(pool.map(ask, range(64))) == 64


def test_every_answer_is_described(client):
    described = json.loads(client.get("/openapi.json")[1])
    assert set(described["paths"]) == {
        f"/api/{name}" for name in ("models", "predict", "sample", "score", "neighbors", "map", "run")
    }
    for path in described["paths"].values():
        for operation in path.values():
            assert operation["description"] and {"200", "400", "403", "422", "503"} <= set(operation["responses"])


# The command


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_the_command_prints_its_address_and_ends_at_ctrl_c(fflm_process, folder, flags):
    process = fflm_process("serve", folder / "kn", "--port", 0, *flags, stdout=subprocess.PIPE, text=True)
    line = process.stdout.readline()
    url = json.loads(line)["url"] if flags else line.strip()
    port = int(url.split(":")[2].strip("/"))
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/api/models")
    assert json.loads(connection.getresponse().read())["models"][0]["words"] == 13
    connection.close()
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0
    with process.stdout as rest:
        assert rest.read() == ""


def test_what_is_wrong_is_said_before_it_serves(fflm_main, folder, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, out, err = fflm_main("serve", folder / "kn", "--port", port)
        assert (
            code == 1
            and out == ""
            and err
            == (
                f"fflm: error: the server can't listen at --host '127.0.0.1', --port {port}: Address already in use; "
                "choose others\n"
            )
        )
    code, _, err = fflm_main("serve", tmp_path / "nothing")
    assert code == 1 and err.startswith("fflm: error: no such model: ")
    code, _, err = fflm_main("serve", folder / "kn", folder / "kn")
    assert code == 1 and err.startswith("fflm: error: models must be different ones, at least one, got ")


@pytest.mark.parametrize(("options", "error"), [
    ({"port": -1}, "^port must be at least 0, got -1$"),
    ({"rate": 0}, "^rate must be above 0.0, got 0$"),
    ({"token": "short"}, "^token must be at least 8 printable ASCII characters$"),
])  # fmt: skip
def test_options(options, error):
    with pytest.raises(ConfigError, match=error):
        ServeConfig(**options)


def test_a_classifier_is_no_language_model(tmp_path):
    rows = [{"text": "good day", "label": "pos"}, {"text": "bad day", "label": "neg"}]
    classifier = fflm.TextClassifier(epochs=1)
    classifier.fit([row["text"] for row in rows], [row["label"] for row in rows])
    classifier.save(tmp_path / "labels")
    with pytest.raises((ConfigError, ModelFileError), match="must be a language model, got a text classifier"):
        make_server([str(tmp_path / "labels")], ServeConfig(port=0))


def test_without_the_extra_the_command_names_it(fflm_main, folder, monkeypatch):
    from fflm.cli import serve

    monkeypatch.setattr(serve, "find_spec", lambda name: None)
    code, out, err = fflm_main("serve", folder / "kn")
    assert (code, out) == (1, "")
    assert err == "fflm: error: serve needs fastapi and uvicorn: python -m pip install 'fflm[serve]'\n"
