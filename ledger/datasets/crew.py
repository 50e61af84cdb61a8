"""A crew of worker processes: tasks go out, answers come back, and no worker knows of a store.

A worker is a new Python that imports this package and nothing of its caller's: it is not forked, so that no lock, no database
environment and no key of this process is ever in it; nor does it run the caller's main module again, as `multiprocessing` would. Tasks and
answers travel through its pipes as msgpack behind a length. When this process ends, however it ends, the pipe ends and the worker with it.

Each worker has two tasks at a time, one at work and one behind it, so that it need not wait for this process to come round.
Two threads serve it, since who wrote a task while the worker writes an answer would wait for ever.

A crew of none works in this process, at once.
"""

from __future__ import annotations

import itertools
import os
import queue
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from types import TracebackType
from typing import IO, Any, Final, Self

import msgpack

from ledger import errors
from ledger.datasets.tasks import Tasks
from ledger.errors import InvariantBroken, LineageError, StoreFault

_LENGTH: Final = struct.Struct(">I")
_TASKS_AHEAD: Final = 2
_END_S: Final = 5.0  # that a worker has to end by itself
_PROGRAM: Final = "import sys; sys.path[:] = sys.argv[1:]; from ledger.datasets.crew import serve; serve()"
_NAMES: Final = "surrogatepass"  # a path may hold any bytes, a column any characters
_FLAGS: Final = {"isolated": "-I", "ignore_environment": "-E", "no_user_site": "-s", "no_site": "-S"}
_FIRST, _LATER = range(2)
_DONE: Final = "done"
_REFUSED: Final = "refused"


def worker_count() -> int:
    """How many workers keep this machine's processors busy, as far as this process may use them; 0: this process alone works."""
    if getattr(sys, "frozen", False) or not sys.executable:  # there is no Python to start
        return 0
    try:
        return len(os.sched_getaffinity(0))
    except (AttributeError, OSError):
        return os.cpu_count() or 1


# By rank and number: the task, and where its answer goes; None: there are no more.
Waiting = queue.PriorityQueue[tuple[int, int, bytes, Future[Any] | None]]


class Crew:
    """`workers` processes that carry out tasks. Use it with `with`; what was not done by the end is dropped."""

    def __init__(self, workers: int) -> None:
        self._tasks: Waiting = queue.PriorityQueue()
        self._count = itertools.count()
        self.size = workers
        self._here = None if workers else Tasks()
        self._workers = [_Worker(self._tasks) for _ in range(workers)]

    def submit(self, name: str, *arguments: Any) -> Future[Any]:
        """The answer to a task of `ledger.datasets.tasks`, when it comes; tasks are taken in the order in which they are given.

        It raises what the task raises; StoreFault `worker-died` if its worker did not live to answer.
        """
        future: Future[Any] = Future()
        if self._here is not None:
            try:
                future.set_result(self._here.run(name, list(arguments)))
            except LineageError as error:
                future.set_exception(error)
            return future
        self._put(_LATER, _packed([name, arguments]), future)
        return future

    def submit_first(self, name: str, *arguments: Any) -> Future[Any]:
        """The same of a task for which somebody waits: it is taken before all that were only submitted."""
        if self._here is not None:
            return self.submit(name, *arguments)
        future: Future[Any] = Future()
        self._put(_FIRST, _packed([name, arguments]), future)
        return future

    def _put(self, rank: int, task: bytes, future: Future[Any] | None) -> None:
        self._tasks.put((rank, next(self._count), task, future))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._here is not None:
            self._here.close()
        while True:  # what nobody will ask for any more need not be done
            try:
                self._tasks.get_nowait()
            except queue.Empty:
                break
        for _ in self._workers:
            self._put(_LATER, b"", None)
        for worker in self._workers:
            worker.end(is_aborted=error is not None)


class _Worker:
    """One worker process and the two threads that serve it."""

    def __init__(self, tasks: Waiting) -> None:
        self._tasks = tasks
        self._given: queue.SimpleQueue[Future[Any] | None] = queue.SimpleQueue()
        self._ahead = threading.Semaphore(_TASKS_AHEAD)
        self._process = _start()
        self._threads = [
            threading.Thread(target=part, name="lineage worker", daemon=True)
            for part in (self._give, self._take)
        ]
        for thread in self._threads:
            thread.start()

    def end(self, *, is_aborted: bool) -> None:
        """Ends the process; `is_aborted`: whatever it is doing."""
        if is_aborted:
            self._process.terminate()
        self._ahead.release()  # the thread that gives may wait for a place
        for thread in self._threads:
            thread.join()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()

    def _give(self) -> None:
        """Hands on tasks until there are no more; then the worker's input ends."""
        stream = _stream(self._process.stdin)
        while True:
            self._ahead.acquire()
            _, _, task, future = self._tasks.get()
            if future is None:
                break
            self._given.put(future)
            try:
                stream.write(task)
                stream.flush()
            except OSError:  # it died; who takes its answers says so
                continue
        self._given.put(None)
        with suppress(OSError):
            stream.close()

    def _take(self) -> None:
        """Takes the answers, in the order of the tasks."""
        stream = _stream(self._process.stdout)
        while True:
            future = self._given.get()
            if future is None:
                return
            try:
                outcome, value = _read(stream)
            except (OSError, ValueError, EOFError) as error:
                future.set_exception(_died(error))
            else:
                if outcome == _DONE:
                    future.set_result(value)
                else:
                    future.set_exception(_raised(*value))
            self._ahead.release()


def _start() -> subprocess.Popen[bytes]:
    """A worker, which sees the same modules. Raises StoreFault `worker-died` if none can be started.

    -P: it looks for no module in the folder that it is started in, which may be a stranger's dataset.
    """
    flags = [option for name, option in _FLAGS.items() if getattr(sys.flags, name)]
    command = [sys.executable, "-P", *flags, "-c", _PROGRAM, *filter(_is_text, sys.path)]
    apart: dict[str, Any] = {"process_group": 0} if os.name == "posix" else {}
    try:
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **apart)  # noqa: S603 - our own Python
    except OSError as error:
        raise _died(error) from error


def _is_text(item: object) -> bool:
    return isinstance(item, str)


def _stream(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise InvariantBroken("bug", "worker", "it was started without a pipe")
    return stream


def _packed(message: Sequence[Any]) -> bytes:
    data: bytes = msgpack.packb(message, unicode_errors=_NAMES)
    return _LENGTH.pack(len(data)) + data


def _read(stream: IO[bytes]) -> list[Any]:
    """One message. Raises EOFError where there is none more, ValueError for what is none."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        raise EOFError
    (length,) = _LENGTH.unpack(head)
    data = stream.read(length)
    if len(data) < length:
        raise EOFError
    message: list[Any] = msgpack.unpackb(data, unicode_errors=_NAMES)
    return message


def _raised(family: str, code: str, item: str, reason: str, fix: str) -> LineageError:
    """The error that a worker met."""
    kind: type[LineageError] = getattr(errors, family)
    return kind(code, item, reason, fix)


def _died(error: Exception) -> StoreFault:
    return StoreFault(
        "worker-died",
        "worker process",
        f"it ended before its work was done ({error or type(error).__name__})",
        "Look for a lack of memory, then run the same command: it goes on behind what stands.",
    )


def serve() -> None:
    """What a worker does: it reads tasks from its input until that ends, and writes their answers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # its parent is told, and ends it
    stdin, stdout = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr  # nothing that a library prints may come between the answers
    tasks = Tasks()
    while True:
        try:
            name, arguments = _read(stdin)
        except EOFError:
            return
        try:
            answer = [_DONE, tasks.run(name, arguments)]
        except LineageError as error:
            answer = [_REFUSED, [type(error).__name__, error.code, error.item, error.reason, error.fix]]
        try:
            stdout.write(_packed(answer))
            stdout.flush()
        except OSError:  # nobody listens any more
            os._exit(0)
