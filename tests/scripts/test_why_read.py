"""The page on why LoRA saves so little says what the records say."""

import re
from pathlib import Path

import pytest
import why_read
from places import ROOT


def test_the_page_is_what_the_records_say() -> None:
    assert why_read.main(["--check"]) == 0, "run python scripts/why_read.py"


def test_every_method_of_the_paper_has_its_figures() -> None:
    table = [line for line in why_read.figures(ROOT / "results").splitlines() if line.startswith("| ")]
    assert len(table) == 2 + 7
    for line in table[2:]:
        cells = line.strip("| ").split(" | ")
        peak, *parts = (float(cell) for cell in cells[2:6])
        assert sum(parts) == pytest.approx(peak, abs=0.03), "the parts are the peak"


def test_a_typed_number_would_be_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "why-read.md"
    page.write_text(re.sub(r"\b55%", "50%", why_read.PAGE.read_text()))
    monkeypatch.setattr(why_read, "PAGE", page)
    assert why_read.main(["--check"]) == 1
    assert why_read.main([]) == 0
    assert why_read.main(["--check"]) == 0
    page.write_text("no marks")
    with pytest.raises(SystemExit, match="lost its marks"):
        why_read.main([])
