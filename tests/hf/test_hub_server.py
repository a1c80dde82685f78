"""The hub's own client against the local server: what is uploaded comes back, listings and ranges are true, faults come
when they are asked for."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_server import Fault, HubServer
from huggingface_hub import HfApi, hf_hub_download, snapshot_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

WEIGHTS = bytes(range(256)) * 40


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    with HubServer() as server:
        server.patch(monkeypatch, tmp_path / "home")
        yield server


def test_an_upload_comes_back_file_by_file_at_its_commit(hub: HubServer, tmp_path: Path) -> None:
    folder = tmp_path / "made"
    (folder / "sub").mkdir(parents=True)
    (folder / "README.md").write_text("---\ntags: [read]\n---\nwords\n")
    (folder / "sub" / "note.txt").write_text("a note")
    (folder / "weights.safetensors").write_bytes(WEIGHTS)
    api = HfApi()
    api.create_repo("me/made")
    api.create_repo("me/made", exist_ok=True)
    with pytest.raises(HfHubHTTPError, match="409"):
        api.create_repo("me/made")
    first = api.upload_folder(repo_id="me/made", folder_path=folder).oid
    (folder / "sub" / "note.txt").write_text("another note")
    second = api.upload_folder(repo_id="me/made", folder_path=folder).oid
    assert first != second
    assert len([path for method, path in hub.requests if method == "PUT"]) == 1, "unchanged weights travel once"

    assert set(api.list_repo_files("me/made")) == {"README.md", "sub/note.txt", "weights.safetensors"}
    for revision, note in ((first, "a note"), ("main", "another note")):
        got = Path(snapshot_download("me/made", revision=revision))
        assert (got / "sub" / "note.txt").read_text() == note
        assert (got / "weights.safetensors").read_bytes() == WEIGHTS
    assert got.name == second
    api.delete_file("sub/note.txt", "me/made")
    assert set(hub.files("me/made")) == {"README.md", "weights.safetensors"}


def test_what_is_not_there_is_told_by_its_kind(hub: HubServer) -> None:
    commit = hub.add("me/tiny", {"config.json": b"{}"})
    hub.add("me/rows", {"data/train.parquet": b"rows"}, kind="dataset")
    assert hf_hub_download("me/rows", "data/train.parquet", repo_type="dataset").endswith("train.parquet")
    assert HfApi().model_info("me/tiny").sha == commit
    with pytest.raises(RepositoryNotFoundError):
        HfApi().model_info("me/nothing")
    with pytest.raises(RevisionNotFoundError):
        HfApi().model_info("me/tiny", revision="elsewhere")
    with pytest.raises(EntryNotFoundError):
        hf_hub_download("me/tiny", "absent.json")


def test_a_truncated_download_resumes_where_it_broke(hub: HubServer) -> None:
    hub.add("me/tiny", {"model.safetensors": WEIGHTS})
    hub.faults.append(Fault("/storage/", truncate_to=1000, times=1, method="GET"))
    assert Path(hf_hub_download("me/tiny", "model.safetensors")).read_bytes() == WEIGHTS
    assert len([path for method, path in hub.requests if method == "GET" and path.startswith("/storage/")]) == 2


def test_too_many_requests_are_told_when_to_come_back(hub: HubServer) -> None:
    hub.add("me/tiny", {"model.safetensors": WEIGHTS})
    hub.faults.append(Fault("/storage/", status=429, retry_after_s=1, times=1, method="GET"))
    started_s = time.monotonic()
    assert Path(hf_hub_download("me/tiny", "model.safetensors")).read_bytes() == WEIGHTS
    assert time.monotonic() - started_s >= 1


def test_a_broken_hub_and_a_slow_one(hub: HubServer) -> None:
    hub.add("me/tiny", {"config.json": b"{}"})
    hub.faults.append(Fault("/api/models/", status=500))
    with pytest.raises(HfHubHTTPError, match="500"):
        HfApi().model_info("me/tiny")
    hub.faults[:] = [Fault("/api/models/", delay_s=1, times=1)]
    with pytest.raises(Exception, match="timed out"):
        HfApi().model_info("me/tiny", timeout=0.2)
    assert HfApi().model_info("me/tiny", timeout=5)
    hub.add("me/slow", {"config.json": b'{"a": 1}'})
    hub.faults[:] = [Fault("config.json", slow_bytes_per_s=20)]  # two bytes at a time
    started_s = time.monotonic()
    assert Path(hf_hub_download("me/slow", "config.json")).read_text() == '{"a": 1}'
    assert time.monotonic() - started_s >= 0.3


def test_nothing_comes_from_a_server_that_is_gone(hub: HubServer) -> None:
    hub.add("me/tiny", {"config.json": b"{}"})
    kept = hf_hub_download("me/tiny", "config.json")
    hub.__exit__()
    assert hf_hub_download("me/tiny", "config.json", etag_timeout=1) == kept
    with pytest.raises(LocalEntryNotFoundError):
        hf_hub_download("me/tiny", "other.json", local_files_only=True)
