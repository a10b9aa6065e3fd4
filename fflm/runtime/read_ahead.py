"""Read ahead in a second thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from queue import Queue
from typing import TypeVar

_Item = TypeVar("_Item")


def read_ahead(items: Iterator[_Item], most: int = 2) -> Iterator[_Item]:
    """Yield items that a second thread takes from an iterator, at most so many ahead; its exceptions are raised here.

    Examples
    --------
    >>> list(read_ahead(iter("abc")))
    ['a', 'b', 'c']
    """
    queue: Queue[tuple[_Item | None, BaseException | None]] = Queue(most)
    stopped = threading.Event()

    def read() -> None:
        try:
            for item in items:
                queue.put((item, None))
                if stopped.is_set():
                    return
            queue.put((None, StopIteration()))
        except BaseException as error:  # raised in the thread that reads
            queue.put((None, error))

    # A daemon: a thread that waits for standard input must not keep a program from ending.
    threading.Thread(target=read, daemon=True).start()
    try:
        while True:
            item, error = queue.get()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield item  # type: ignore[misc]
    finally:
        stopped.set()
        while not queue.empty():
            queue.get()
