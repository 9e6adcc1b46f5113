"""A real S3-compatible server on this machine, as a process of its own."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from bench.measure import free_port, wait_until


class ObjectStore:
    """A server that listens on a free port of the loopback interface, and keeps large objects in temporary files."""

    def __init__(self, log: Path) -> None:
        """Start the server, and wait until it answers. Raises BenchError if it doesn't."""
        self.endpoint = f"http://127.0.0.1:{(port := free_port())}"
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", f"{port}"]
        with log.open("wb") as output:
            self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=output)
        wait_until(self._answers, f"the S3 server answers, see {log}")

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that give access to the server."""
        keys = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "testing")
        return {"AWS_ENDPOINT_URL": self.endpoint, "AWS_DEFAULT_REGION": "us-east-1", **keys}

    def upload(self, bucket: str, folder: str, files: list[Path]) -> None:
        """Create the bucket, and upload files to a folder, one after the other."""
        store = self._file_system()
        store.mkdir(bucket)
        for file in files:
            store.put_file(str(file), f"{bucket}/{folder}/{file.name}")

    def digests(self, folder: str) -> dict[str, str]:
        """Return the SHA-256 of each object below a folder of a bucket, by its path relative to the folder."""
        store = self._file_system()
        return {
            path.removeprefix(f"{folder}/"): hashlib.sha256(store.cat_file(path)).hexdigest()
            for path in sorted(store.find(folder))
        }

    def stop(self) -> None:
        """End the server."""
        self._process.kill()
        self._process.wait()

    def _answers(self) -> bool:
        try:
            with urlopen(self.endpoint, timeout=5):
                return True
        except (URLError, OSError):
            return False

    def _file_system(self):  # type: ignore[no-untyped-def]
        import s3fs

        keys = self.environment
        return s3fs.S3FileSystem(
            key=keys["AWS_ACCESS_KEY_ID"],
            secret=keys["AWS_SECRET_ACCESS_KEY"],
            endpoint_url=self.endpoint,
            use_listings_cache=False,
        )
