"""Marks that would hide each other: they are set side by side, and a note names them."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import TypeVar

from read_repro.figures.figure import TURN, Point, Series
from read_repro.paper import METHODS

NEAR = 0.02  # marks closer than this part of an axis hide each other
STEP = 0.05  # between the marks of two methods, where names stand along the x axis
CLOSE = "nearly equal, so set side by side"
UNDER = "the paper's mark lies under ours"
Item = TypeVar("Item")
Marks = Sequence[tuple[Series, float]]  # at one tick, with the height of each


def beside_ticks(series: Sequence[Series]) -> tuple[Series, ...]:
    """The marks of each method at a place of its own beside the name they belong to."""
    present = [method for method in METHODS if any(one.method == method for one in series)]
    moved = []
    for one in series:
        shift = (present.index(one.method) - (len(present) - 1) / 2) * STEP
        points = tuple(replace(point, x=point.x + shift, true_x=point.x) for point in one.points)
        moved.append(replace(one, points=points))
    return tuple(moved)


def close_at_ticks(series: Sequence[Series], scale: str, ticks: Sequence[str]) -> str:
    """Names the methods of one source whose marks lie on each other's height, and at which ticks; empty if none do."""

    def close(marks: Marks, near: float) -> Iterable[str]:
        found = groups(marks, lambda a, b: a[0].source == b[0].source and abs(a[1] - b[1]) <= near)
        return dict.fromkeys(", ".join(one.name for one, _ in group) for group in found)

    return _at_ticks(CLOSE, series, scale, ticks, close)


def under_ours(series: Sequence[Series], scale: str, ticks: Sequence[str]) -> str:
    """Names the paper's marks that lie on ours of the same method, and at which ticks; empty if none do."""

    def hidden(marks: Marks, near: float) -> Iterable[str]:
        ours = [(one.method, height) for one, height in marks if not one.pale]
        names = [
            one.name
            for one, height in marks
            if one.pale and any(method == one.method and abs(own - height) <= near for method, own in ours)
        ]
        return [", ".join(names)] if names else []

    return _at_ticks(UNDER, series, scale, ticks, hidden)


def _at_ticks(
    title: str,
    series: Sequence[Series],
    scale: str,
    ticks: Sequence[str],
    name: Callable[[Marks, float], Iterable[str]],
) -> str:
    """What ``name`` has to say of the marks at each tick, given their heights and how near is too near."""
    turn = TURN[scale]
    near = NEAR * _span(turn(point.y) for one in series for point in one.points)
    where: dict[str, list[str]] = {}
    for place, tick in enumerate(ticks):
        for words in name([(one, turn(point.y)) for one in series for point in one.points if point.x == place], near):
            where.setdefault(words, []).append(tick)
    return _listed(title, where, ticks)


def _listed(title: str, where: Mapping[str, Sequence[str]], ticks: Sequence[str]) -> str:
    """`title: Adapter, LoRA (at T5-base); LST, READ (at every size)`."""
    found = [f"{words} (at {', '.join(at) if len(at) < len(ticks) else 'every size'})" for words, at in where.items()]
    return f"{title}: {'; '.join(found)}" if found else ""


def apart(series: Sequence[Series], x_scale: str) -> tuple[tuple[Series, ...], str]:
    """Single points that lie on each other, moved along x, and their names."""
    turn = TURN[x_scale]
    width = _span(turn(point.x) for one in series for point in one.points)
    height = _span(point.y for one in series for point in one.points)

    def near(left: Series, right: Series) -> bool:
        (p,), (q,) = left.points, right.points
        return abs(turn(p.x) - turn(q.x)) <= NEAR * width and abs(p.y - q.y) <= NEAR * height

    found = groups(series, near)
    shift = {id(one): i - (len(group) - 1) / 2 for group in found for i, one in enumerate(group)}
    moved = [_moved(one, 1.5 * NEAR * width * shift.get(id(one), 0.0), x_scale) for one in series]
    words = "; ".join(", ".join(one.name for one in group) for group in found)
    return tuple(moved), f"{CLOSE}: {words}" if words else ""


def groups(items: Sequence[Item], near: Callable[[Item, Item], bool]) -> list[list[Item]]:
    """The items that are near one another, directly or through others; an item near to none is in no group."""
    found: list[list[Item]] = []
    for item in items:
        touching = [group for group in found if any(near(item, other) for other in group)]
        found = [group for group in found if group not in touching]
        found.append([*chain.from_iterable(touching), item])
    return [group for group in found if len(group) > 1]


def _span(values: Iterable[float]) -> float:
    known = list(values)
    return (max(known) - min(known) or abs(known[0]) or 1.0) if known else 1.0


def _moved(series: Series, by: float, x_scale: str) -> Series:
    def move(point: Point) -> Point:
        return replace(point, x=point.x * math.pow(10, by) if x_scale == "log" else point.x + by, true_x=point.x)

    return replace(series, points=tuple(map(move, series.points))) if by else series
