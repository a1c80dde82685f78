"""A server on this machine that speaks the Hugging Face hub's protocol, for reading and for uploading.

``huggingface_hub``, ``transformers`` and ``datasets`` talk to it when ``HF_ENDPOINT`` names it. Files of LFS's kind are
redirected to a storage address and carry their sha256, the others their git hash; ranges are served, so that downloads
resume. Uploads take the LFS way (``HF_HUB_DISABLE_XET=1``): the hub's newer one, xet, is a binary protocol of its own.

    with HubServer() as hub:
        hub.add("me/tiny", folder)                                 # or {"config.json": b"..."}
        hub.faults.append(Fault("config.json", status=429, retry_after_s=1, times=1))
        subprocess.run(command, env={**os.environ, **hub.environment(tmp_path)})
        hub.files("me/tiny"), hub.requests
"""

import hashlib
import threading
from collections.abc import Mapping
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

from hub_routes import Fault, Files, Handler, Repository, is_lfs

if TYPE_CHECKING:
    import pytest

__all__ = ["Fault", "HubServer"]


class HubServer:
    """The server, in a thread of its own, from ``with`` to its end.

    ``faults`` are asked in order; ``requests`` are all that came, as (method, path); ``stored`` what LFS holds.
    """

    def __init__(self) -> None:
        self.repositories: dict[tuple[str, str], Repository] = {}
        self.faults: list[Fault] = []
        self.requests: list[tuple[str, str]] = []
        self.stored: dict[str, bytes] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"hub": self}))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> "HubServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """What ``HF_ENDPOINT`` is to be."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def storage(self) -> str:
        """Where LFS files are: under another host's name, as the hub's are, so clients take the metadata before."""
        return f"http://localhost:{self._server.server_address[1]}/storage"

    def environment(self, home: Path) -> dict[str, str]:
        """What a process needs to take this server for the hub, with a cache of its own in ``home``."""
        chosen = {"HF_ENDPOINT": self.url, "HF_HOME": str(home), "HF_TOKEN": "hf_test", "HF_HUB_DISABLE_XET": "1"}
        return {**chosen, "HF_HUB_OFFLINE": "0", "TRANSFORMERS_OFFLINE": "0", "HF_DATASETS_OFFLINE": "0"}

    def patch(self, monkeypatch: "pytest.MonkeyPatch", home: Path) -> None:
        """The same within this process, where the hub's constants have been read already."""
        from huggingface_hub import constants, hf_api

        values = {"ENDPOINT": self.url, "HF_HUB_CACHE": str(home / "hub"), "HF_HUB_OFFLINE": False}
        for name, value in {**values, "HF_HUB_DISABLE_XET": True}.items():
            monkeypatch.setattr(constants, name, value)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", self.url + "/{repo_id}/resolve/{revision}/{filename}"
        )
        monkeypatch.setattr(hf_api.api, "endpoint", self.url)  # the client behind the hub's plain functions
        monkeypatch.setattr(
            "transformers.utils.hub._hf_api", None, raising=False
        )  # transformers' own makes itself anew
        monkeypatch.setenv("HF_TOKEN", "hf_test")
        monkeypatch.setenv("HF_HUB_CACHE", str(home / "hub"))

    def add(self, name: str, files: Path | Mapping[str, bytes], *, kind: str = "model") -> str:
        """Put a folder's files (or those given) into a repository as its next commit; returns the commit."""
        if isinstance(files, Path):
            found = sorted(path for path in files.rglob("*") if path.is_file())
            files = {path.relative_to(files).as_posix(): path.read_bytes() for path in found}
        self.stored.update({hashlib.sha256(c).hexdigest(): c for path, c in files.items() if is_lfs(path)})
        return self.repository(kind, name, make=True).commit(dict(files))

    def files(self, name: str, *, kind: str = "model", revision: str = "main") -> Files:
        """What a repository holds."""
        repository = self.repositories[kind, name]
        return repository.commits[repository.resolve(revision) or ""]

    def repository(self, kind: str, name: str, *, make: bool = False) -> Repository:
        """A repository; raises KeyError where there is none."""
        if make:
            self.repositories.setdefault((kind, name), Repository(kind, name))
        return self.repositories[kind, name]
