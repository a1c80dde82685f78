"""Entries on a disk: append-only files that any number of processes write and read at once, on any file system.

A *shelf* is a folder of entries of one kind (one backbone, stack, part and dtype). Each writer has two files of its
own in it, named at random: ``<name>.data`` holds the entries' bytes one after another, ``<name>.index`` a line of 48
bytes for each: key, offset, length, digest of the bytes, digest of the line. A line is written after its bytes, so
that a killed writer leaves at most bytes that no line names. No file is ever changed or shared between writers, so
that no lock is needed and network file systems serve as well. A reader maps the files and checks an entry's digest
when it first reads it: what is damaged is reported once and treated as absent.

LMDB was measured beside this and reads no faster; it also wants a map size set beforehand, keeps slots of killed
readers, has no digest of its pages, and must not lie on a network file system, where a cluster's users keep files.
"""

import contextlib
import logging
import mmap
import os
import shutil
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

import xxhash

log = logging.getLogger(__name__)
LINE = struct.Struct("<16sQQQQ")  # key, offset, length, digest of the bytes, digest of the line


class Shelf(Protocol):
    """Where entries of one kind are kept, by key."""

    def __contains__(self, key: bytes) -> bool: ...
    def __len__(self) -> int: ...
    def get(self, key: bytes) -> memoryview | None: ...
    def put(self, key: bytes, data: bytes) -> None: ...
    def flush(self) -> None: ...
    def writer_of(self, key: bytes) -> str | None: ...


class RamShelf:
    """Entries in this process's memory; they end with it."""

    def __init__(self) -> None:
        self._entries: dict[bytes, bytes] = {}

    def __contains__(self, key: bytes) -> bool:
        return key in self._entries

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: bytes) -> memoryview | None:
        data = self._entries.get(key)
        return None if data is None else memoryview(data)

    def put(self, key: bytes, data: bytes) -> None:
        self._entries[key] = data

    def flush(self) -> None: ...

    def writer_of(self, key: bytes) -> str | None:
        return "ram" if key in self._entries else None


@dataclass
class _Place:
    """Where an entry's bytes are; ``checked`` once its digest was found right."""

    writer: str
    offset: int
    length: int
    digest: int
    checked: bool = False

    def same_as(self, other: "_Place") -> bool:
        """Whether it is the same line of the same writer's index, read again."""
        return (self.writer, self.offset) == (other.writer, other.offset)


class DiskShelf:
    """Entries in a folder, see above.

    Args:
        folder: made when the first entry is written.
        name: of this process's own files, which no other writer may have.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self._places: dict[bytes, list[_Place]] = {}  # a damaged entry may stand again in another writer's file
        self._maps: dict[str, memoryview] = {}
        self._name = name
        self._files: tuple[BinaryIO, BinaryIO] | None = None
        self._offset, self._lines = 0, list[bytes]()
        self._warned = False
        self.refresh()

    def __contains__(self, key: bytes) -> bool:
        return key in self._places

    def __len__(self) -> int:
        return len(self._places)

    def refresh(self) -> None:
        """Look what other processes have written meanwhile."""
        for path in sorted(self.folder.glob("*.index")):
            for key, place in _read_index(path):
                places = self._places.setdefault(key, [])
                if not any(place.same_as(known) for known in places):
                    places.append(place)

    def get(self, key: bytes) -> memoryview | None:
        """The bytes of an entry, or None where there is none or it is damaged (which is said once)."""
        while places := self._places.get(key):
            data = self._bytes(places[0])
            if data is not None and (places[0].checked or xxhash.xxh3_64_intdigest(data) == places[0].digest):
                places[0].checked = True
                return data
            self._damaged(key)
        return None

    def put(self, key: bytes, data: bytes) -> None:
        """Append an entry; ``flush`` makes it visible to others. Raises OSError, as for a full disk."""
        files = self._open()
        files[0].write(data)
        digest = xxhash.xxh3_64_intdigest(data)
        head = LINE.pack(key, self._offset, len(data), digest, 0)[:-8]
        self._lines.append(head + struct.pack("<Q", xxhash.xxh3_64_intdigest(head)))
        self._places[key] = [_Place(self._name, self._offset, len(data), digest, checked=True)]
        self._offset += len(data)

    def flush(self) -> None:
        """Bring what was put to the disk: first the bytes, then the lines that name them."""
        if self._files is None or not self._lines:
            return
        data, index = self._files
        data.flush()
        os.fsync(data.fileno())
        index.write(b"".join(self._lines))
        index.flush()
        os.fsync(index.fileno())
        self._lines.clear()

    def abandon(self) -> None:
        """Forget what was put and could not be flushed: the disk is full."""
        pending = {line[:16] for line in self._lines}
        self._lines.clear()
        for key in pending:
            self._places.pop(key, None)
        if self._files is not None:
            for file in self._files:
                with contextlib.suppress(OSError):
                    file.close()
            self._files = None

    def writer_of(self, key: bytes) -> str | None:
        """Which writer's files hold an entry: fillings keep their energy by writer."""
        places = self._places.get(key)
        return places[0].writer if places else None

    def _open(self) -> tuple[BinaryIO, BinaryIO]:
        if self._files is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            base = self.folder / self._name
            self._files = (
                base.with_suffix(".data").open("xb", buffering=1 << 20),
                base.with_suffix(".index").open("xb"),
            )
        return self._files

    def _bytes(self, place: _Place) -> memoryview | None:
        end = place.offset + place.length
        view = self._maps.get(place.writer)
        if view is None or len(view) < end:
            if place.writer == self._name and self._files is not None:
                self._files[0].flush()
            view = _map(self.folder / f"{place.writer}.data")
            if view is None or len(view) < end:
                return None
            self._maps[place.writer] = view
        return view[place.offset : end]

    def _damaged(self, key: bytes) -> None:
        places = self._places[key]
        del places[0]
        if not places:
            del self._places[key]
        if not self._warned:
            self._warned = True
            log.warning("%s holds damaged entries: they are left out and computed again", self.folder)


def _read_index(path: Path) -> Iterator[tuple[bytes, _Place]]:
    """The lines of one writer whose digest is right: a torn or flipped one is passed over."""
    try:
        content = path.read_bytes()
    except OSError as error:
        log.warning("%s cannot be read (%s): its entries are computed again", path, error.strerror)
        return
    for start in range(0, len(content) - LINE.size + 1, LINE.size):
        line = content[start : start + LINE.size]
        key, offset, length, digest, check = LINE.unpack(line)
        if xxhash.xxh3_64_intdigest(line[:-8]) == check:
            yield key, _Place(path.stem, offset, length, digest)


def _map(path: Path) -> memoryview | None:
    try:
        with path.open("rb") as file:
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except (OSError, ValueError):  # gone, or empty
        return None


def free_bytes(folder: Path) -> int:
    """Free space on the file system that holds ``folder``, or will."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free
