"""A small S3 on this machine: GET with ranges, HEAD and ListObjectsV2, without signatures."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import escape

PAGE = 3  # objects in one answer to a listing, so that there are several


class S3Server(ThreadingHTTPServer):
    """Holds objects by `bucket/key`; `fails` counts down requests that get an error."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects: dict[str, bytes] = {}
        self.refused: set[str] = set()  # objects that always give an error
        self.refused_from: dict[str, int] = {}  # objects that do from some byte on
        self.fails = 0
        self.repeats = False  # listings, which then never end
        self.asked: list[tuple[str, str]] = []

    @property
    def environ(self) -> dict[str, str]:
        """What a client needs in its environment."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.server_address[1]}",
            "AWS_ACCESS_KEY_ID": "somebody",
            "AWS_SECRET_ACCESS_KEY": "made-up",
            "AWS_REGION": "us-east-1",
        }


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """A server that runs until the block ends."""
    with S3Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: S3Server

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        address = urlsplit(self.path)
        name = unquote(address.path).lstrip("/")
        self.server.asked.append((self.command, name))
        query = parse_qs(address.query)
        if self.server.fails:
            self.server.fails -= 1
            self._send(503, b"<Error><Code>SlowDown</Code></Error>", body=body)
        elif name in self.server.refused:
            self._send(403, b"<Error><Code>AccessDenied</Code></Error>", body=body)
        elif "list-type" in query:
            self._send(200, self._listing(name, query).encode(), body=body)
        elif name not in self.server.objects:
            self._send(404, b"<Error><Code>NoSuchKey</Code></Error>", body=body)
        else:
            self._object(name, body=body)

    def _object(self, name: str, *, body: bool) -> None:
        data = self.server.objects[name]
        tag = _tag(data)
        if self.headers.get("If-Match", tag) != tag:
            self._send(412, b"", body=body)
            return
        if wanted := self.headers.get("Range"):
            first, last = (int(end) for end in wanted.removeprefix("bytes=").split("-"))
            if last >= self.server.refused_from.get(name, len(data)):
                self._send(403, b"", body=body)
                return
            part = data[first : last + 1]
            more = {"Content-Range": f"bytes {first}-{first + len(part) - 1}/{len(data)}"}
            self._send(206, part, body=body, tag=tag, **more)
        else:
            self._send(200, data, body=body, tag=tag)

    def _send(self, status: int, data: bytes, *, body: bool, tag: str = "", **more: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        if tag:
            self.send_header("ETag", tag)
            self.send_header("Last-Modified", "Tue, 24 Nov 2026 06:00:00 GMT")
        for name, value in more.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if body:
            self.wfile.write(data)

    def _listing(self, bucket: str, query: dict[str, list[str]]) -> str:
        prefix = query.get("prefix", [""])[0]
        after = "" if self.server.repeats else query.get("continuation-token", [""])[0]
        whole = f"{bucket.rstrip('/')}/"
        keys = sorted(name.removeprefix(whole) for name in self.server.objects)
        keys = [key for key in keys if key.startswith(prefix) and key > after]
        page, rest = keys[:PAGE], keys[PAGE:]
        found = "".join(self._entry(whole, key) for key in page)
        token = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if rest else ""
        return (
            f"<ListBucketResult><Name>{bucket}</Name><IsTruncated>{str(bool(rest)).lower()}"
            f"</IsTruncated>{token}{found}</ListBucketResult>"
        )

    def _entry(self, bucket: str, key: str) -> str:
        data = self.server.objects[bucket + key]
        return (
            f"<Contents><Key>{escape(key)}</Key><Size>{len(data)}</Size><ETag>{_tag(data)}</ETag>"
            "<LastModified>2026-11-24T06:00:00.000Z</LastModified></Contents>"
        )

    def log_message(self, *_arguments: Any) -> None:
        pass


def _tag(data: bytes) -> str:
    return f'"{md5(data, usedforsecurity=False).hexdigest()}"'


def url_of(name: str) -> str:
    """The URL of an object named `bucket/key`."""
    return f"s3://{quote(name)}"
