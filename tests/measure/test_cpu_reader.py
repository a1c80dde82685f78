"""The processor packages' counters, read from a tree like Linux's."""

from pathlib import Path

import pytest

from read_repro.measure.cpu_reader import CpuReader, PackageCounters


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two packages, one of them there twice, with a part each and the platform above them."""
    zones = {
        "intel-rapl": {},
        "intel-rapl:0": {"name": "package-0", "energy_uj": "1000000", "max_energy_range_uj": "262143328850"},
        "intel-rapl:0:0": {"name": "core", "energy_uj": "400000", "max_energy_range_uj": "262143328850"},
        "intel-rapl:0:1": {"name": "dram", "energy_uj": "300000", "max_energy_range_uj": "65712999613"},
        "intel-rapl:1": {"name": "package-1", "energy_uj": "2500000", "max_energy_range_uj": "65712999613"},
        "intel-rapl:2": {"name": "psys", "energy_uj": "9000000", "max_energy_range_uj": "262143328850"},
        "intel-rapl-mmio:0": {"name": "package-0", "energy_uj": "77", "max_energy_range_uj": "262143328850"},
    }
    for zone, files in zones.items():
        (tmp_path / zone).mkdir()
        for name, text in files.items():
            (tmp_path / zone / name).write_text(text + "\n")
    return tmp_path


def test_packages_count_once_each_and_neither_their_parts_nor_the_platform(root: Path) -> None:
    counters = PackageCounters(root)
    assert counters.ranges_j == (262143.32885, 65712.999613)
    assert counters.read() == (1.0, 2.5)
    (root / "intel-rapl:1" / "energy_uj").write_text("12\n")
    assert counters.read() == (1.0, 12e-6)


@pytest.mark.parametrize("missing", ["energy_uj", "max_energy_range_uj"])
def test_a_package_that_this_user_may_not_read_is_no_half_measurement(root: Path, missing: str) -> None:
    (root / "intel-rapl:1" / missing).unlink()
    counters = PackageCounters(root)
    assert (counters.ranges_j, counters.read()) == ((), None)


def test_a_counter_that_fails_later_is_one_reading_without_it(root: Path) -> None:
    counters = PackageCounters(root)
    (root / "intel-rapl:0" / "energy_uj").write_text("nonsense\n")
    assert counters.read() is None
    assert len(counters.ranges_j) == 2


def test_no_tree_is_no_counter(tmp_path: Path) -> None:
    counters = PackageCounters(tmp_path / "none")
    assert (counters.ranges_j, counters.read()) == ((), None)


def test_processor_time_grows_with_work() -> None:
    reader = CpuReader()
    before = reader.read()
    sum(range(10**6))
    after = reader.read()
    assert before.cpu_s is not None
    assert after.cpu_s is not None
    assert 0 < after.cpu_s - before.cpu_s < 10
