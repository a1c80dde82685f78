"""How large the house is: files and functions of each room, counted in a working tree or at a commit.

    python scripts/house.py [--commit COMMIT] [--names]

A function's code lines are those of its body that hold code: no blank line, no comment, no docstring.
"""

import argparse
import ast
import io
import subprocess
import tarfile
import tokenize
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath
from statistics import median, quantiles

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "read_repro"
LAYOUT = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
IN_EVERY_FILE = {"log", "logger", "main", "VERSION"}  # names that mean the same wherever they stand
Function = ast.FunctionDef | ast.AsyncFunctionDef


def sources(commit: str | None) -> dict[PurePath, str]:
    """The package's Python files and their text, of the working tree or of a commit."""
    if commit is None:
        return {path.relative_to(ROOT): path.read_text() for path in sorted((ROOT / PACKAGE).rglob("*.py"))}
    packed = subprocess.run(["git", "archive", commit, PACKAGE], cwd=ROOT, capture_output=True, check=True).stdout
    found = {}
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        for member in archive:
            if member.name.endswith(".py") and (file := archive.extractfile(member)) is not None:
                found[PurePath(member.name)] = file.read().decode()
    return found


def code_lines(text: str) -> dict[str, int]:
    """The code lines of each function and method of a file, by its name and line; an inner one counts in both."""
    tree, written = ast.parse(text), set[int]()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in LAYOUT:
            written |= set(range(token.start[0], token.end[0] + 1))
    functions = (node for node in ast.walk(tree) if isinstance(node, Function))
    return {f"{each.name}:{each.lineno}": len(written & _body(each)) for each in functions}


def _body(function: Function) -> set[int]:
    """The lines below a function's signature and docstring."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return set(range(body[0].lineno, (function.end_lineno or 0) + 1)) if body else set()


def spread(values: Sequence[int]) -> str:
    """Median, 90th percentile and maximum."""
    if not values:
        return f"{'-':>8} {'-':>5} {'-':>5}"
    p90 = quantiles(values, n=10, method="inclusive")[-1] if len(values) > 1 else values[0]
    return f"{median(values):>8.0f} {p90:>5.0f} {max(values):>5}"


def lines_of_table(files: dict[PurePath, str]) -> Iterator[str]:
    """One line a folder, and one for the whole package."""
    folders: dict[PurePath, list[str]] = defaultdict(list)
    for path, text in files.items():
        folders[path.parent].append(text)
    yield f"{'':<24} {'files':>5}   {'lines a file: median, p90, max':<32} {'code lines a function':<24} {'lines':>6}"
    for name, texts in [*sorted(folders.items()), (PurePath("all"), list(files.values()))]:
        lengths = [len(text.splitlines()) for text in texts]
        functions = [count for text in texts for count in code_lines(text).values()]
        yield f"{name!s:<24} {len(texts):>5}   {spread(lengths):<32} {spread(functions):<24} {sum(lengths):>6}"


def names_defined_twice(files: dict[PurePath, str]) -> Iterator[str]:
    """Public names at the top of more than one file, each with the files."""
    places: dict[str, set[str]] = defaultdict(set)
    for path, text in files.items():
        for node in ast.parse(text).body:
            for name in names_of(node):
                places[name].add(str(path.relative_to(PACKAGE)))
    for name, found in sorted(places.items()):
        if len(found) > 1 and not name.startswith("_") and name not in IN_EVERY_FILE:
            yield f"{name}: {', '.join(sorted(found))}"


def names_of(node: ast.stmt) -> list[str]:
    """The names that a statement defines."""
    if isinstance(node, Function | ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def main() -> None:
    """Print the counts and, with ``--names``, the names that are defined twice."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--commit", help="count there, not in the working tree")
    parser.add_argument("--names", action="store_true", help="public names that more than one file defines, instead")
    options = parser.parse_args()
    files = sources(options.commit)
    print("\n".join(names_defined_twice(files) if options.names else lines_of_table(files)))


if __name__ == "__main__":
    main()
