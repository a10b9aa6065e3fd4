"""How `fflm serve` does with many at once: 64 connections that ask for next words again and again, for a minute.

    python scripts/bench_serve.py runs/stdlib
    python scripts/bench_serve.py runs/stdlib --connections 8 --seconds 10

Each connection sends a context, waits for the answer and sends the next one. Prints answers a second, the latency of an
answer (median, 95 and 99 of 100, longest) and how many were no answer, beside one connection alone.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import time
from urllib.parse import urlsplit

from fflm.kernels._jit import LANES, PROCESSOR
from fflm.nn.product_speed import fma_peak
from fflm.runtime.cores import available_cores

CONTEXTS = ("the value of the ", "return the ", "if the argument is ", "raise an ", "a list of ")


async def ask(host: str, port: int, until: float, number: int, latencies: list[float], failures: list[str]) -> None:
    """Ask on one connection until a time."""
    reader, writer = await asyncio.open_connection(host, port)
    while time.monotonic() < until:
        number += 1
        body = json.dumps({"context": CONTEXTS[number % len(CONTEXTS)], "top": 10}).encode()
        head = f"POST /api/predict HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        begin = time.perf_counter()
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
        size = next(int(line.split(":")[1]) for line in lines if line.startswith("content-length:"))
        answer = json.loads(await reader.readexactly(size))
        latencies.append(time.perf_counter() - begin)
        if lines[0].split()[1] != "200" or len(answer["predictions"]) != 10:
            failures.append(lines[0])
    writer.close()
    await writer.wait_closed()


async def measure(host: str, port: int, connections: int, seconds: float) -> tuple[list[float], list[str]]:
    """Let so many connections ask at the same time."""
    latencies: list[float] = []
    failures: list[str] = []
    until = time.monotonic() + seconds
    await asyncio.gather(*(ask(host, port, until, i, latencies, failures) for i in range(connections)))
    return sorted(latencies), failures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument("--connections", type=int, default=64, metavar="N")
    parser.add_argument("--seconds", type=float, default=60.0, metavar="T")
    arguments = parser.parse_args()
    cores = available_cores()
    peak = fma_peak(cores) / 1e9
    print(f"{PROCESSOR}, {cores} cores, vectors of {32 * LANES} bits, peak {peak:.0f} GFLOP/s; clients too")
    command = [sys.executable, "-m", "fflm", "serve", arguments.model, "--port", "0", "--json", "--quiet"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            address = urlsplit(json.loads(server.stdout.readline())["url"])
            asyncio.run(measure(address.hostname, address.port, 1, 1.0))  # the model is read
            print("\n| connections | answers | a second | median, ms | 95 % | 99 % | longest | failures |")
            print("|---|---|---|---|---|---|---|---|")
            for connections in (1, arguments.connections):
                found, failures = asyncio.run(measure(address.hostname, address.port, connections, arguments.seconds))
                at = [1000 * found[min(len(found) - 1, int(share * len(found)))] for share in (0.5, 0.95, 0.99, 1.0)]
                times = " | ".join(f"{one:.1f}" for one in at)
                rate = len(found) / arguments.seconds
                print(f"| {connections} | {len(found):,} | {rate:,.0f} | {times} | {len(failures)} |", flush=True)
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
