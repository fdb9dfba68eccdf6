"""Files behind addresses, as a web server has them and as an object store does."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape


class Files(BaseHTTPRequestHandler):
    """Serves `content` as a web server does, and as S3 does: HEAD, GET with Range, and a list of a bucket."""

    protocol_version = "HTTP/1.1"
    content: Mapping[str, bytes] = {}

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = parse_qs(url.query)
        found = self._listed(query.get("prefix", [""])[0]) if "list-type" in query else None
        body = self.content.get(unquote(url.path)) if found is None else found
        if body is None:
            self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
        elif asked := self.headers.get("Range"):
            first, last = map(int, asked.removeprefix("bytes=").split("-"))
            part = body[first : last + 1]
            self._answer(206, part, ("Content-Range", f"bytes {first}-{first + len(part) - 1}/{len(body)}"))
        else:
            self._answer(200, body)

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""

    def _listed(self, prefix: str) -> bytes:
        rows = "".join(
            f"<Contents><Key>{escape(path.removeprefix('/b/'))}</Key><LastModified>2025-04-01T00:00:00.000Z</LastModified>"
            f"<Size>{len(content)}</Size></Contents>"
            for path, content in self.content.items()
            if path.startswith(f"/b/{prefix}")
        )
        return f"<ListBucketResult><Name>b</Name><IsTruncated>false</IsTruncated>{rows}</ListBucketResult>".encode()

    def _answer(self, status: int, body: bytes, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        about = [
            ("ETag", '"1"'),
            ("Last-Modified", "Tue, 01 Apr 2025 00:00:00 GMT"),
            ("Content-Length", str(len(body))),
        ]
        for name, value in (*about, *headers):
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)


@contextmanager
def serving(content: Mapping[str, bytes]) -> Iterator[str]:
    """The address of a server with these files, by path; as a store, `/b/` begins those of the bucket `b`."""
    with answering(type("Handler", (Files,), {"content": content})) as address:
        yield address


@contextmanager
def answering(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """The address of a server on the loopback whose requests go to this handler."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def credentials(address: str) -> dict[str, str]:
    """The environment in which `s3://` leads to that server."""
    return {
        "AWS_ENDPOINT_URL": address,
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "somebody",
        "AWS_SECRET_ACCESS_KEY": "dummy",
        "AWS_REGION": "us-east-1",
    }
