"""A real Redis server on this machine, which can be killed and started again."""

from __future__ import annotations

import shutil
import socket
import subprocess
from pathlib import Path

from bench.measure import free_port, wait_until

PROGRAM = shutil.which("redis-server")


class Redis:
    """A server that listens on a free port of the loopback interface, and keeps each message on disk."""

    def __init__(self, folder: Path) -> None:
        """Start a server with its data in a new folder."""
        folder.mkdir()
        self._port, self._folder = free_port(), folder
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        """The address of the server, as a broker of Celery."""
        return f"redis://127.0.0.1:{self._port}/0"

    def start(self) -> None:
        """Start the server, and wait until it answers. Raises BenchError if it doesn't."""
        assert PROGRAM, "redis-server is installed"
        options = ["--bind", "127.0.0.1", "--port", f"{self._port}", "--save", "", "--appendonly", "yes"]
        self._process = subprocess.Popen([PROGRAM, *options, "--dir", str(self._folder)], stdout=subprocess.DEVNULL)
        wait_until(self._answers, "Redis answers")

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self._port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False

    def kill(self) -> None:
        """Kill the server without notice (SIGKILL)."""
        if self._process:
            self._process.kill()
            self._process.wait()
