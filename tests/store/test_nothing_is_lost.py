"""Nothing is lost with a store: damaged files, full disks, several writers."""

import errno
from pathlib import Path

import pytest
import tiny
import torch
from stored import collated, examples_of, filled, randomised, store_of

from read_repro.store.filling import fill, missing
from read_repro.store.reading import stored_tensors
from read_repro.store.segments import DiskShelf


def test_a_flipped_bit_is_found_and_only_its_entry_is_lost(tmp_path: Path) -> None:
    method = randomised(tiny.build("read", "bert"))
    examples = examples_of("bert")
    filled(method, examples, folder=tmp_path)
    generator = torch.Generator().manual_seed(0)
    for path in sorted(tmp_path.rglob("*.*")):
        original = path.read_bytes()
        for place in torch.randint(0, len(original), (25,), generator=generator).tolist():
            damaged = bytearray(original)
            damaged[place] ^= 1 << (place % 8)
            path.write_bytes(bytes(damaged))
            store = store_of(method, folder=tmp_path)
            assert [store.get(example) is None for example in examples].count(True) <= 1
            whole = collated(examples) | stored_tensors(store, examples)
            torch.testing.assert_close(method(whole), method(collated(examples)), rtol=1e-5, atol=1e-5)
        path.write_bytes(original)


def test_what_is_damaged_is_filled_in_again_and_found_by_the_next(tmp_path: Path) -> None:
    method = randomised(tiny.build("read", "bert"))
    examples = examples_of("bert")
    filled(method, examples, folder=tmp_path)
    for path in tmp_path.rglob("*.data"):
        path.write_bytes(bytes(len(path.read_bytes())))
    again = store_of(method, folder=tmp_path)
    assert len(missing(again, examples)) == len(examples)  # found before the backbone is given up, not in a step
    filled(method, examples, folder=tmp_path)
    third = store_of(method, folder=tmp_path)
    assert missing(third, examples) == []
    method.backbone.release()
    method(collated(examples) | stored_tensors(third, examples))


def test_a_full_disk_costs_the_entries_that_do_not_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    method = randomised(tiny.build("read", "bert"))
    examples = examples_of("bert")
    live = method(collated(examples))
    flush, calls = DiskShelf.flush, []

    def until_full(shelf: DiskShelf) -> None:
        calls.append(shelf)
        if len(calls) > 2:  # the first batch's two shelves are on the disk by then
            raise OSError(errno.ENOSPC, "No space left on device")
        flush(shelf)

    monkeypatch.setattr(DiskShelf, "flush", until_full)
    monkeypatch.setattr("read_repro.store.filling.FLUSH_BYTES", 1)
    store = store_of(method, folder=tmp_path)
    assert fill(store, method.backbone, examples, collated, batch_size=2, show_bar=False) > 0
    assert [store.held(example) for example in examples].count(True) == 2
    assert "No space left on device; 4 of 6 examples are computed at each step" in caplog.text
    mixed = collated(examples) | stored_tensors(store, examples)
    torch.testing.assert_close(method(mixed), live, rtol=1e-5, atol=1e-5)


def test_several_write_at_once_and_each_reads_what_all_wrote(tmp_path: Path) -> None:
    method = randomised(tiny.build("read", "bert"))
    examples = examples_of("bert")
    stores = [store_of(method, folder=tmp_path) for _ in range(2)]  # neither knows of the other
    for store, own in zip(stores, (examples[:4], examples[2:]), strict=True):
        fill(store, method.backbone, missing(store, own), collated, batch_size=2, show_bar=False)
    assert not all(map(stores[0].held, examples))
    stores[0].refresh()
    for store in (stores[0], store_of(method, folder=tmp_path)):
        assert all(map(store.held, examples))
        whole = collated(examples) | stored_tensors(store, examples)
        torch.testing.assert_close(method(whole), method(collated(examples)), rtol=1e-5, atol=1e-5)


def test_a_killed_writer_leaves_what_its_index_names(tmp_path: Path) -> None:
    method = randomised(tiny.build("read", "bert"))
    examples = examples_of("bert")
    filled(method, examples, folder=tmp_path)
    for path in tmp_path.rglob("*.index"):  # cut in the middle of the fourth of six lines
        path.write_bytes(path.read_bytes()[: 3 * 48 + 20])
    store = store_of(method, folder=tmp_path)
    assert [store.held(example) for example in examples].count(True) == 3
