"""The project's commands in processes that are forked from a server, which has imported the libraries.

Most of a short command's time goes into the import of Dagster, Great Expectations and scikit-learn. The tests of the
documentation run about a hundred commands. A forked command imports the project's own modules anew, and runs the same
script as `.venv/bin` contains. `make demo` and the tests of the command line start commands without the server.
"""

from __future__ import annotations

import atexit
import functools
import gc
import json
import os
import runpy
import select
import shutil
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from importlib import import_module
from pathlib import Path

COMMANDS = ("sixtyforty", "dg", "dagster")
LIBRARIES = (
    "dagster",
    "dagster._cli",
    "dagster_dg_cli.cli",
    "duckdb",
    "dvc.repo",
    "great_expectations",
    "jinja2",
    "matplotlib.figure",
    "pandas",
    "pyarrow.csv",
    "pyarrow.parquet",
    "requests",
    "scipy.stats",
    "sklearn.ensemble",
    "skops.io",
    "sqlalchemy",
    "typer",
)
PROGRAMS = Path(sys.executable).parent

# Sends the command, its folder, its environment and its three streams to the server, and returns its exit code.
CLIENT = """#!{python} -IS
import json, os, socket, sys
connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
connection.connect({address!r})
request = json.dumps([{program!r}, sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
socket.send_fds(connection, [len(request).to_bytes(4, "big")], [0, 1, 2])
connection.sendall(request)
answer = connection.recv(4)
sys.exit(int.from_bytes(answer, "big") if answer else "the server of warm commands ended")
"""


@functools.cache
def warm_environment() -> Path:
    """Return a folder like `.venv`: the environment of this test run, but its commands are forked. Created once."""
    folder = Path(tempfile.mkdtemp(prefix="sixtyforty-warm-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    address = str(folder / "commands")
    _start_server(address)
    (folder / "bin").mkdir()
    for entry in PROGRAMS.parent.iterdir():
        if entry != PROGRAMS:
            (folder / entry.name).symlink_to(entry)
    for entry in PROGRAMS.iterdir():
        program = folder / "bin" / entry.name
        if entry.name in COMMANDS:
            program.write_text(CLIENT.format(python=sys.executable, address=address, program=str(entry)))
            program.chmod(0o755)
        else:
            program.symlink_to(entry)
    return folder


def _start_server(address: str) -> None:
    """Start the server, which ends with this process. address: the path of its socket."""
    variables = {name: text for name, text in os.environ.items() if not name.startswith(("SIXTYFORTY_", "DAGSTER_"))}
    variables |= {"OMP_NUM_THREADS": "1", "GX_ANALYTICS_ENABLED": "false", "DAGSTER_DISABLE_TELEMETRY": "1"}
    command = [sys.executable, __file__, address]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=variables)
    atexit.register(server.communicate)
    assert server.stdout is not None
    assert server.stdout.readline() == b"ready\n", "the server of warm commands did not start"


def serve(address: str) -> None:
    """Fork a process for each command, until the process that started this server ends."""
    sys.path.remove(str(Path(__file__).parent))
    for library in LIBRARIES:
        import_module(library)
    gc.freeze()  # exclude the libraries' objects from garbage collection, which would copy their memory in each command
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(address)
        listener.listen()
        print("ready", flush=True)
        while True:
            ready, _, _ = select.select([listener, sys.stdin], [], [])
            if sys.stdin in ready:  # it is never written to: its other end was closed
                return
            connection, _ = listener.accept()
            with connection:
                if os.fork() == 0:
                    listener.close()
                    answer(connection)
                    return
            with suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass


def answer(connection: socket.socket) -> None:
    """Run the command that the client sends, in a process whose exit code is the answer."""
    size, streams, _, _ = socket.recv_fds(connection, 4, 3)
    length, request = int.from_bytes(size, "big"), b""
    while len(request) < length:
        request += connection.recv(length - len(request))
    child = os.fork()
    if child:
        for stream in streams:
            os.close(stream)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        with suppress(BrokenPipeError):
            connection.sendall((code if code >= 0 else 128 - code).to_bytes(4, "big"))
        os._exit(0)  # at once, because the libraries would take a second to clean up
    connection.close()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    program, arguments, folder, environment = json.loads(request)
    run_program(program, arguments, Path(folder), environment)


def run_program(program: str, arguments: list[str], folder: Path, environment: dict[str, str]) -> None:
    """Run a Python script in this process, as if it were started. Raises SystemExit with its exit code."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [program, *arguments]
    first = [path for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path]
    sys.path[:0] = [str(Path(program).parent), *first]
    runpy.run_path(program, run_name="__main__")


if __name__ == "__main__":
    serve(sys.argv[1])
