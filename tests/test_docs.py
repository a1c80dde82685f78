"""README and the documentation: short, without dead links, and no page that the navigation forgets."""

import re
from collections.abc import Iterator
from typing import Any

import yaml
from places import ROOT

README = (ROOT / "README.md").read_text()


def pages(nav: Any) -> Iterator[str]:
    """The files that a navigation names, in its order."""
    if isinstance(nav, str):
        yield nav
    for part in nav.values() if isinstance(nav, dict) else nav if isinstance(nav, list) else ():
        yield from pages(part)


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) < 120


def test_the_readme_leads_to_files_that_are_there() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_every_page_of_the_documentation_is_in_its_navigation() -> None:
    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]
    here = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert sorted(pages(nav)) == sorted(here)
