"""The routes of the hub's protocol, for ``hub_server``: what is read, what is uploaded, and the faults on the way."""

import base64
import hashlib
import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

LFS_SUFFIXES = (".safetensors", ".bin", ".model", ".parquet", ".gguf", ".arrow")
Files = dict[str, bytes]


@dataclass
class Fault:
    """What goes wrong with requests whose path contains ``place``, a regular expression.

    Args:
        status: answer this status instead of the file; with ``retry_after_s`` it tells when to come back.
        truncate_to: announce the whole length, send so many bytes, and hang up.
        delay_s: wait before the answer. slow_bytes_per_s: and then send at this rate.
        method: of these requests only. times: how often; None: always.
    """

    place: str
    status: int | None = None
    retry_after_s: float | None = None
    truncate_to: int | None = None
    delay_s: float = 0.0
    slow_bytes_per_s: float | None = None
    method: str | None = None
    times: int | None = None

    def hits(self, method: str, path: str) -> bool:
        """Whether a request is struck; counts down ``times``."""
        if self.times == 0 or self.method not in (None, method) or not re.search(self.place, path):
            return False
        if self.times is not None:
            self.times -= 1
        return True


@dataclass
class Repository:
    """Commits in order, each with all of its files; ``main`` is the last one."""

    kind: str
    name: str
    commits: dict[str, Files] = field(default_factory=dict)

    def commit(self, files: Files) -> str:
        """Add a commit; returns its hash."""
        content = repr((self.kind, self.name, len(self.commits), sorted((k, git_hash(v)) for k, v in files.items())))
        oid = hashlib.sha1(content.encode()).hexdigest()
        self.commits[oid] = dict(files)
        return oid

    def resolve(self, revision: str) -> str | None:
        """The commit that a revision stands for."""
        if revision in ("main", "HEAD"):
            return next(reversed(self.commits), None)
        return revision if revision in self.commits else None


def git_hash(content: bytes) -> str:
    """The name that git gives a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def is_lfs(path: str) -> bool:
    """Whether the hub keeps such a file outside git."""
    return path.endswith(LFS_SUFFIXES)


def listing(path: str, content: bytes) -> dict[str, Any]:
    """A file as the hub's tree lists it."""
    entry: dict[str, Any] = {"type": "file", "path": path, "size": len(content), "oid": git_hash(content)}
    if is_lfs(path):
        entry["lfs"] = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 134}
    return entry


class Refused(Exception):
    """An answer that is an error: status, and the hub's word for it."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status, self.code = status, code


REPOSITORY = r"(?P<name>[\w.-]+(?:/[\w.-]+)?)"
API = r"/api/(?P<kind>model|dataset|space)s/" + REPOSITORY
FILE = r"/(?:(?P<kind>dataset|space)s/)?" + REPOSITORY


class Handler(BaseHTTPRequestHandler):
    """One request; the routes are the hub's."""

    hub: Any  # the HubServer that this request came to
    protocol_version = "HTTP/1.1"

    ROUTES: tuple[tuple[str, str, str], ...] = (
        ("GET", API + r"/tree/(?P<revision>[^/]+)(?:/(?P<folder>.*))?", "tree"),
        ("POST", API + r"/paths-info/(?P<revision>[^/]+)", "paths_info"),
        ("GET", API + r"/refs", "refs"),
        ("POST", API + r"/preupload/(?P<revision>[^/]+)", "preupload"),
        ("POST", API + r"/commit/(?P<revision>[^/]+)", "commit"),
        ("GET", API + r"(?:/revision/(?P<revision>[^/]+))?", "info"),
        ("POST", r"/api/repos/create", "create"),
        ("POST", r"/api/validate-yaml", "validate_yaml"),
        ("GET", r"/api/whoami-v2", "whoami"),
        ("POST", FILE + r"\.git/info/lfs/objects/batch", "lfs_batch"),
        ("PUT", r"/storage/(?P<oid>[0-9a-f]{64})", "lfs_put"),
        ("GET", r"/storage/(?P<oid>[0-9a-f]{64})", "lfs_get"),
        ("GET", FILE + r"/resolve/(?P<revision>[^/]+)/(?P<path>.+)", "resolve"),
        ("GET", r"/?", "front"),
    )

    def do_GET(self) -> None:
        self._answer("GET")

    def do_HEAD(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def do_PUT(self) -> None:
        self._answer("PUT")

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: tests read ``HubServer.requests``."""

    # ---- one request ------------------------------------------------------------------------------------------------

    def _answer(self, method: str) -> None:
        address = urlsplit(self.path)
        path, self.query = unquote(address.path), parse_qs(address.query)
        self.hub.requests.append((self.command, path))
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0)) or self._chunks()
        self.fault = next((fault for fault in self.hub.faults if fault.hits(self.command, path)), Fault(""))
        time.sleep(self.fault.delay_s)
        try:
            if self.fault.status is not None:
                raise Refused(self.fault.status, "")
            self._route(method, path)()
        except Refused as refused:
            self._refuse(refused)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _route(self, method: str, path: str) -> Callable[[], None]:
        for allowed, pattern, name in self.ROUTES:
            match = re.fullmatch(pattern, path) if allowed == method else None
            if match:
                self.found = match.groupdict()
                return getattr(self, name)
        raise Refused(404, "")

    def _chunks(self) -> bytes:
        """A body whose length was not told beforehand."""
        body = b""
        while self.headers.get("Transfer-Encoding") == "chunked" and (size := int(self.rfile.readline(), 16)):
            body += self.rfile.read(size)
            self.rfile.readline()
        return body

    def _refuse(self, refused: Refused) -> None:
        headers = {"X-Error-Code": refused.code} if refused.code else {}
        if self.fault.retry_after_s is not None:
            headers["Retry-After"] = str(self.fault.retry_after_s)
        self._send(json.dumps({"error": refused.code or "on demand"}).encode(), headers, status=refused.status)

    def _json(self, value: Any, *, status: int = 200) -> None:
        self._send(json.dumps(value).encode(), {"Content-Type": "application/json"}, status=status)

    def _send(self, content: bytes, headers: Mapping[str, str], *, status: int = 200) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        cut = self.fault.truncate_to if status in (200, 206) else None
        self._write(content if cut is None else content[:cut])
        if cut is not None and cut < len(content):
            self.close_connection = True

    def _write(self, content: bytes) -> None:
        rate = self.fault.slow_bytes_per_s
        if rate is None:
            self.wfile.write(content)
            return
        for start in range(0, len(content), step := max(1, int(rate / 10))):
            self.wfile.write(content[start : start + step])
            self.wfile.flush()
            time.sleep(0.1)

    def _ranged(self, content: bytes, headers: Mapping[str, str]) -> None:
        """The file, or the part of it that is asked for."""
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if asked is None:
            self._send(content, {"Accept-Ranges": "bytes", **headers})
            return
        start, end = int(asked[1]), min(int(asked[2] or len(content) - 1), len(content) - 1)
        if start >= len(content):
            raise Refused(416, "")
        span = {"Content-Range": f"bytes {start}-{end}/{len(content)}"}
        self._send(content[start : end + 1], {**headers, **span}, status=206)

    def _repository(self) -> Repository:
        try:
            return self.hub.repository(self.found.get("kind") or "model", self.found["name"] or "")
        except KeyError:
            raise Refused(404, "RepoNotFound") from None

    def _files(self) -> tuple[str, Files]:
        repository = self._repository()
        commit = repository.resolve(self.found.get("revision") or "main")
        if commit is None:
            raise Refused(404, "RevisionNotFound")
        return commit, repository.commits[commit]

    # ---- reading ----------------------------------------------------------------------------------------------------

    def front(self) -> None:
        self._send(b"the hub", {"Content-Type": "text/html"})

    def whoami(self) -> None:
        self._json({"type": "user", "id": "1", "name": "me", "fullname": "me", "orgs": []})

    def info(self) -> None:
        commit, files = self._files()
        name = self.found["name"]
        siblings = [{"rfilename": path} for path in files]
        dates = {"lastModified": "2026-01-01T00:00:00.000Z", "createdAt": "2026-01-01T00:00:00.000Z"}
        states = {"private": False, "disabled": False, "gated": False, "downloads": 0, "likes": 0, "tags": []}
        self._json({"_id": "1", "id": name, "modelId": name, "sha": commit, "siblings": siblings, **dates, **states})

    def refs(self) -> None:
        commit, _ = self._files()
        branch = {"name": "main", "ref": "refs/heads/main", "targetCommit": commit}
        self._json({"branches": [branch], "tags": [], "converts": []})

    def tree(self) -> None:
        _, files = self._files()
        folder = f"{self.found['folder']}/" if self.found.get("folder") else ""
        below = {path: content for path, content in files.items() if path.startswith(folder)}
        if folder and not below:
            raise Refused(404, "EntryNotFound")
        deep = self.query.get("recursive", ["false"])[0].lower() in ("true", "1")
        inner = {folder + path[len(folder) :].split("/")[0] for path in below if "/" in path[len(folder) :]}
        folders = [{"type": "directory", "path": path, "size": 0, "oid": git_hash(path.encode())} for path in inner]
        shown = [listing(path, content) for path, content in below.items() if deep or "/" not in path[len(folder) :]]
        self._json([*folders, *shown])

    def paths_info(self) -> None:
        _, files = self._files()
        asked = json.loads(self.body)["paths"] if self.body.startswith(b"{") else parse_qs(self.body.decode())["paths"]
        wanted = [asked] if isinstance(asked, str) else asked
        folders = [
            {"type": "directory", "path": path, "size": 0, "oid": git_hash(path.encode())}
            for path in wanted
            if any(name.startswith(f"{path}/") for name in files)
        ]
        self._json([*folders, *(listing(path, files[path]) for path in wanted if path in files)])

    def resolve(self) -> None:
        commit, files = self._files()
        path = self.found["path"] or ""
        headers = {"X-Repo-Commit": commit}
        if path not in files:
            self._send(b"", {**headers, "X-Error-Code": "EntryNotFound"}, status=404)
            return
        content = files[path]
        if not is_lfs(path):
            self._ranged(content, {**headers, "ETag": f'"{git_hash(content)}"'})
            return
        oid = hashlib.sha256(content).hexdigest()
        linked = {"X-Linked-Etag": f'"{oid}"', "X-Linked-Size": str(len(content)), "ETag": f'"{git_hash(content)}"'}
        self._send(b"", {**headers, **linked, "Location": f"{self.hub.storage}/{oid}"}, status=302)

    def lfs_get(self) -> None:
        oid = self.found["oid"] or ""
        if oid not in self.hub.stored:
            raise Refused(404, "")
        self._ranged(self.hub.stored[oid], {"ETag": f'"{oid}"'})

    # ---- uploading --------------------------------------------------------------------------------------------------

    def create(self) -> None:
        asked = json.loads(self.body)
        name = "/".join(part for part in (asked.get("organization"), asked["name"]) if part)
        key = (asked.get("type", "model"), name)
        there = key in self.hub.repositories
        if not there:
            self.hub.repository(*key, make=True).commit({})
        told = {"url": f"{self.hub.url}/{name}", "name": name, "id": "1"}
        self._json(told | ({"error": "it exists already"} if there else {}), status=409 if there else 200)

    def validate_yaml(self) -> None:
        self._json({"errors": [], "warnings": []})

    def preupload(self) -> None:
        _, files = self._files()
        told = [
            {
                "path": file["path"],
                "uploadMode": "lfs" if is_lfs(file["path"]) else "regular",
                "shouldIgnore": False,
                "oid": git_hash(files[file["path"]]) if file["path"] in files else None,
            }
            for file in json.loads(self.body)["files"]
        ]
        self._json({"files": told})

    def lfs_batch(self) -> None:
        self._repository()

        def actions(oid: str) -> dict[str, Any]:
            stored = oid in self.hub.stored
            return {} if stored else {"actions": {"upload": {"href": f"{self.hub.storage}/{oid}", "header": {}}}}

        objects = json.loads(self.body)["objects"]
        self._json({"transfer": "basic", "objects": [{**wanted, **actions(wanted["oid"])} for wanted in objects]})

    def lfs_put(self) -> None:
        oid = self.found["oid"] or ""
        if hashlib.sha256(self.body).hexdigest() != oid:
            raise Refused(400, "")
        self.hub.stored[oid] = self.body
        self._send(b"", {"ETag": f'"{oid}"'})

    def commit(self) -> None:
        _, before = self._files()
        files = dict(before)
        for line in self.body.splitlines():
            self._apply(json.loads(line), files)
        oid = self._repository().commit(files)
        name = self.found["name"]
        self._json({"success": True, "commitOid": oid, "commitUrl": f"{self.hub.url}/{name}/commit/{oid}"})

    def _apply(self, operation: dict[str, Any], files: Files) -> None:
        kind, value = operation["key"], operation["value"]
        if kind == "file":
            files[value["path"]] = base64.b64decode(value["content"])
        elif kind == "lfsFile":
            if value["oid"] not in self.hub.stored:
                raise Refused(400, "")
            files[value["path"]] = self.hub.stored[value["oid"]]
        elif kind in ("deletedFile", "deletedFolder"):
            gone = [path for path in files if path == value["path"] or path.startswith(value["path"].rstrip("/") + "/")]
            for path in gone:
                del files[path]
