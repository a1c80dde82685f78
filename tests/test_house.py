"""The house: how full a room may be, what each says of itself, how long files and functions are, and the map of all."""

import ast
import re
import tomllib
from pathlib import Path
from statistics import quantiles

import pytest
import yaml
from house import code_lines, names_defined_twice, sources
from places import ROOT

PACKAGE = ROOT / "read_repro"
ROOMS = sorted(path.parent for path in PACKAGE.glob("*/__init__.py"))
FILES = sorted(PACKAGE.rglob("*.py"))


def test_depth_is_two_and_no_folder_is_too_full() -> None:
    assert {len(path.relative_to(PACKAGE).parts) for path in FILES} == {1, 2}
    full = {folder.name: len(files) for folder in [PACKAGE, *ROOMS] if len(files := list(folder.glob("*.py"))) > 15}
    assert not full, f"at most 15 Python files a folder: {full}"


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.name)
def test_a_room_says_what_lives_there_and_what_it_may_import(room: Path) -> None:
    said = ast.get_docstring(ast.parse((room / "__init__.py").read_text())) or ""
    assert re.search(r"^May import: .+", said, flags=re.MULTILINE), said
    assert len(said.splitlines()[0]) > 20


def test_files_and_functions_are_short() -> None:
    lengths = {str(path.relative_to(PACKAGE)): len(path.read_text().splitlines()) for path in FILES}
    assert max(lengths.values()) <= 250, max(lengths, key=lengths.__getitem__)
    assert quantiles(lengths.values(), n=10)[-1] <= 200
    counts = {f"{path.name}:{name}": count for path in FILES for name, count in code_lines(path.read_text()).items()}
    long = {name: count for name, count in counts.items() if count > 45}
    assert not long, f"at most 45 lines of code a function: {long}"


def test_code_lines_are_those_of_the_body_that_hold_code() -> None:
    text = '''
def outer(
    one: int,
) -> str:
    """Two

    lines."""
    # a comment

    def inner() -> int:
        return 1

    return """a
    text"""
'''
    assert code_lines(text) == {"outer:2": 4, "inner:10": 1}


def test_a_public_name_has_one_meaning_in_the_whole_house() -> None:
    assert list(names_defined_twice(sources(None))) == []


def file_map() -> dict[str, set[str]]:
    """The modules that CONTRIBUTING's file map names, by room."""
    text = (ROOT / "CONTRIBUTING.md").read_text().split("\n## The file map\n")[1].split("\n## ")[0]
    rooms = re.findall(r"### `(read_repro[^`]*)/`\n(.*?)(?=\n### )", text, flags=re.DOTALL)
    lines = {room: re.findall(r"^- (`.+?`): .+$", below, flags=re.MULTILINE) for room, below in rooms}
    return {room: {name for line in found for name in line.strip("`").split("`, `")} for room, found in lines.items()}


@pytest.mark.parametrize("room", [PACKAGE, *ROOMS], ids=lambda room: room.name)
def test_the_file_map_names_every_module(room: Path) -> None:
    modules = {path.stem for path in room.glob("*.py")} - {"__init__"}
    named = file_map()[room.relative_to(ROOT).as_posix()]
    assert modules <= named, f"add to CONTRIBUTING's file map: {', '.join(sorted(modules - named))}"
    gone = {name for name in named - modules if not (room / name).exists()}
    assert not gone, f"CONTRIBUTING's file map names what is not in {room.name}: {', '.join(sorted(gone))}"


def test_the_file_map_names_every_folder() -> None:
    assert set(file_map()) == {"read_repro", *(room.relative_to(ROOT).as_posix() for room in ROOMS)}


def test_one_version_of_ruff() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pinned = next(text for text in project["optional-dependencies"]["dev"] if text.startswith("ruff=="))
    hook = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]
    assert hook["rev"] == f"v{pinned.removeprefix('ruff==')}"
    assert pinned in (ROOT / "constraints.txt").read_text().splitlines()
