"""Draw the rooms of the package, and which of them imports which, from the source: docs/rooms.svg.

    python docs/draw_rooms.py

A room is a folder of `kitro_np`, or a file directly in it. An arrow says "imports"; one that follows from
others is left out. A dashed arrow is an import inside a function, which happens when that is called. Imports
for type checkers do not count. The picture is the same on every machine: tests/test_docs.py compares it.
"""

from __future__ import annotations

import ast
import itertools
import math
import textwrap
from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "kitro_np"
PICTURE = Path(__file__).resolve().with_name("rooms.svg")

PUBLIC = "kitro_np"
"""What `__init__.py` is called in the picture: the public names."""

WIDTH, BOX, GAP, BEND = 830, 140, 10, 10
"""Of the picture, of a room, between two of them, and of the lane that a long arrow keeps free, in pixels."""

LINE, TITLE, SPACE = 13, 24, 42
"""Height of a line of text, of a room's name, and between levels, in pixels."""

LETTERS = 22
"""Most letters in a line of a room's caption."""

AT_ONCE = 'fill="none" stroke="#555" stroke-width="1.2" marker-end="url(#at_once)"'
LATER = 'fill="none" stroke="#b3541e" stroke-width="1.2" stroke-dasharray="5 4" marker-end="url(#later)"'
"""How the two kinds of arrows look."""

Edge = tuple[str, str]


class Room(NamedTuple):
    """A room: what it says of itself, and what it imports at once and later."""

    caption: str
    at_once: set[str]
    later: set[str]


# ------------------------------------------------------------------------------------------- the source


def read_rooms(package: Path = PACKAGE) -> dict[str, Room]:
    """Read the rooms of a package, their captions and imports, from its source."""
    names = {_room_of(path, package) for path in package.rglob("*.py")} - {"__main__"}
    rooms = {name: Room(_caption(package, name), set(), set()) for name in sorted(names)}
    for path in sorted(package.rglob("*.py")):
        name = _room_of(path, package)
        if name not in rooms:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        at_once = set(_imports(_outside_functions(tree), path, package))
        everything = set(_imports(_without_type_checking(tree), path, package))
        # Every module imports the package itself, which says nothing.
        rooms[name].at_once.update((at_once & names) - {name, PUBLIC})
        rooms[name].later.update((everything & names) - {name, PUBLIC})
    for room in rooms.values():
        room.later.difference_update(room.at_once)
    return rooms


def _room_of(path: Path, package: Path) -> str:
    first = path.relative_to(package).parts[0].removesuffix(".py")
    return PUBLIC if first == "__init__" else first


def _caption(package: Path, name: str) -> str:
    """First clause of a room's docstring, without the room's name before a colon."""
    folder = package if name == PUBLIC else package / name
    path = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
    text = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").splitlines()[0]
    begin, colon, rest = text.partition(": ")
    if colon and begin.lower().rstrip("s") == name.rstrip("s"):
        text = rest
    text = text.partition(" (")[0] if len(text) > 90 else text
    text = text.partition(": ")[0].partition("; ")[0].rstrip(".")
    return text[:1].upper() + text[1:]


def _without_type_checking(tree: ast.AST) -> Iterable[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
            yield node
            yield from _without_type_checking(node)


def _outside_functions(tree: ast.AST) -> Iterable[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        is_typing = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        if not is_typing and not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            yield node
            yield from _outside_functions(node)


def _imports(nodes: Iterable[ast.AST], path: Path, package: Path) -> Iterable[str]:
    """Rooms that some nodes of a file import."""
    own = (package.name, *path.relative_to(package).with_suffix("").parts)
    for node in nodes:
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = [*own[: len(own) - node.level]] if node.level else []
            base += node.module.split(".") if node.module else []
            names = [[*base, alias.name] for alias in node.names]
        yield from (parts[1] for parts in names if len(parts) > 1 and parts[0] == package.name)


# --------------------------------------------------------------------------------------- the arrows drawn


def arrows_at_once(rooms: dict[str, Room]) -> set[Edge]:
    """Return the imports that do not follow from others."""
    below: dict[str, set[str]] = {}
    for name in order_of(rooms):
        own = rooms[name].at_once
        below[name] = own.union(*(below[other] for other in own))
    return {
        (name, other)
        for name, room in rooms.items()
        for other in room.at_once
        if not any(other in below[between] for between in room.at_once)
    }


def order_of(rooms: dict[str, Room]) -> list[str]:
    """Return the rooms so that each imports only rooms before it."""
    order: list[str] = []
    while len(order) < len(rooms):
        ready = [name for name in rooms if name not in order and rooms[name].at_once <= set(order)]
        if not ready:
            raise ValueError(f"rooms import one another in a circle: {sorted(set(rooms) - set(order))}")
        order += ready
    return order


def levels_of(rooms: dict[str, Room], arrows: set[Edge]) -> dict[str, int]:
    """Return how far up each room is: above all that it imports, and below all that import it."""
    level: dict[str, int] = {}
    for name in order_of(rooms):
        level[name] = 1 + max((level[other] for own, other in arrows if own == name), default=-1)
    for name in reversed(order_of(rooms)):
        users = [level[own] for own, other in arrows if other == name]
        imported = [level[other] for own, other in arrows if own == name]
        # A room that imports little has little to stay near to: it goes up to those that use it.
        if users and len(imported) <= 1:
            level[name] = max(level[name], min(users) - 1)
    return level


# ---------------------------------------------------------------------------------------- where they are


def chains_of(edges: Iterable[Edge], level: dict[str, int]) -> dict[Edge, list[str]]:
    """Return the rooms and bends that each arrow passes, one a level, from its upper end to its lower one."""
    chains = {}
    for own, other in edges:
        upper, lower = (own, other) if level[own] > level[other] else (other, own)
        bends = [f"{own}>{other}@{at}" for at in range(level[upper] - 1, level[lower], -1)]
        chains[own, other] = [upper, *bends, lower]
    return chains


def rows_of(level: dict[str, int], chains: dict[Edge, list[str]]) -> list[list[str]]:
    """Return the rooms and bends of each level, from the left, so that few arrows cross."""
    rows: list[list[str]] = [[] for _ in range(max(level.values()) + 1)]
    for name in sorted(level):
        rows[level[name]].append(name)
    for chain in chains.values():
        for bend in chain[1:-1]:
            rows[int(bend.partition("@")[2])].append(bend)
    links = sorted({pair for chain in chains.values() for pair in itertools.pairwise(chain)})
    near: dict[str, set[str]] = {}
    for a, b in links:
        near.setdefault(a, set()).add(b)
        near.setdefault(b, set()).add(a)

    def cost(at: int) -> tuple[int, float]:
        """Crossings with the rows beside this one, and how far aside arrows go."""
        crossings, aside = 0, []
        beside = rows[max(at - 1, 0) : at + 2]
        place = {name: (k + 0.5) / len(row) for row in beside for k, name in enumerate(row)}
        for side in (at - 1, at + 1):
            if 0 <= side < len(rows):
                pairs = [(place[a], place[b]) for a in rows[at] for b in rows[side] if b in near.get(a, ())]
                aside += [abs(a - b) for a, b in pairs]
                crossings += sum((a - c) * (b - d) < 0 for (a, b), (c, d) in itertools.combinations(pairs, 2))
        return crossings, math.fsum(aside)

    for _ in range(12):
        for at in [*range(len(rows)), *reversed(range(len(rows)))]:
            best, least = rows[at], cost(at)
            for name, to in itertools.product(sorted(rows[at]), range(len(rows[at]))):
                others = [other for other in best if other != name]
                rows[at] = [*others[:to], name, *others[to:]]
                found = cost(at)
                if found < least:
                    best, least = rows[at], found
            rows[at] = best
    return rows


def columns_of(rows: list[list[str]], chains: dict[Edge, list[str]]) -> dict[str, float]:
    """Return the middle of each room and bend: near those above and below, apart from its neighbours."""
    width = {name: BEND if "@" in name else BOX for row in rows for name in row}
    links = [pair for chain in chains.values() for pair in itertools.pairwise(chain)]
    near: dict[str, list[str]] = {}
    for a, b in links:
        near.setdefault(a, []).append(b)
        near.setdefault(b, []).append(a)
    middle = {}
    for row in rows:
        left = (WIDTH - math.fsum(width[name] + GAP for name in row) + GAP) / 2
        for name in row:
            middle[name] = left + width[name] / 2
            left += width[name] + GAP
    for sweep in range(60):
        for row in rows if sweep % 2 else reversed(rows):
            around = [near.get(name, [name]) for name in row]
            wanted = [math.fsum(middle[other] for other in others) / len(others) for others in around]
            apart(row, wanted, width, middle)
    return middle


def apart(row: list[str], wanted: list[float], width: dict[str, float], middle: dict[str, float]) -> None:
    """Put a row where it is wanted, each as far from the next as their widths need, inside the picture."""
    needed = [0.0]
    for a, b in itertools.pairwise(row):
        needed.append(needed[-1] + (width[a] + width[b]) / 2 + GAP)
    # With the needed distances taken off, what is wanted must not fall: neighbours that would are pooled.
    pools: list[tuple[float, int]] = []
    for want, offset in zip(wanted, needed, strict=True):
        pools.append((want - offset, 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (a, m), (b, n) = pools[-2:]
            pools[-2:] = [((a * m + b * n) / (m + n), m + n)]
    least = GAP + width[row[0]] / 2
    most = WIDTH - GAP - width[row[-1]] / 2 - needed[-1]
    places = [min(max(place, least), most) for place, count in pools for _ in range(count)]
    for name, place, offset in zip(row, places, needed, strict=True):
        middle[name] = place + offset


# ------------------------------------------------------------------------------------------- the picture


def draw(package: Path = PACKAGE) -> str:
    """Return the picture as SVG."""
    rooms = read_rooms(package)
    solid = arrows_at_once(rooms)
    dashed = {(name, other) for name, room in rooms.items() for other in room.later}
    level = levels_of(rooms, solid)
    chains = chains_of(sorted(solid | dashed), level)
    rows = rows_of(level, chains)
    middle = columns_of(rows, chains)
    lines = {name: textwrap.wrap(room.caption, LETTERS) for name, room in rooms.items()}
    tall = {name: TITLE + LINE * len(own) + 6 for name, own in lines.items()}
    top, bottom, y = {}, {}, float(GAP)
    for row in reversed(rows):
        height = max(tall.get(name, 0) for name in row)
        for name in row:
            top[name], bottom[name] = y, y + height
        y += height + SPACE
    height = y - SPACE + GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}" '
        f'height="{height:.0f}" font-family="Helvetica, Arial, sans-serif">',
        "<title>The rooms of kitro_np, and which imports which</title>",
        f"<defs>{_head('at_once', '#555')}{_head('later', '#b3541e')}</defs>",
        f'<rect width="{WIDTH}" height="{height:.0f}" fill="#fff"/>',
    ]
    ports = ports_of(chains, middle)
    for edge, chain in chains.items():
        path = path_of(edge, chain, middle, top, bottom, ports, tall)
        parts.append(f'<path d="{path}" {LATER if edge in dashed else AT_ONCE}/>')
    for name in sorted(rooms):
        x = middle[name] - BOX / 2
        parts.append(
            f'<rect x="{x:.1f}" y="{top[name]:.1f}" width="{BOX}" height="{tall[name]}" rx="5" '
            'fill="#f3f6fa" stroke="#4a6785"/>'
        )
        parts.append(
            f'<text x="{middle[name]:.1f}" y="{top[name] + 17:.1f}" font-size="14" font-weight="bold" '
            f'text-anchor="middle" fill="#12263a">{escape(name)}</text>'
        )
        for k, line in enumerate(lines[name]):
            parts.append(
                f'<text x="{middle[name]:.1f}" y="{top[name] + TITLE + 9 + LINE * k:.1f}" font-size="11" '
                f'text-anchor="middle" fill="#333">{escape(line)}</text>'
            )
    for k, (text, kind) in enumerate((("imports", AT_ONCE), ("imports when first called", LATER))):
        y = height - 34 + 20 * k
        parts.append(f'<path d="M14 {y:.0f} L54 {y:.0f}" {kind}/>')
        parts.append(f'<text x="64" y="{y + 4:.0f}" font-size="12" fill="#333">{text}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _head(name: str, colour: str) -> str:
    return (
        f'<marker id="{name}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
        'markerUnits="userSpaceOnUse" orient="auto">'
        f'<path d="M0 0.5 L8 4 L0 7.5 z" fill="{colour}"/></marker>'
    )


def ports_of(chains: dict[Edge, list[str]], middle: dict[str, float]) -> dict[tuple[Edge, str], float]:
    """Return where each arrow meets its rooms: side by side, in the order in which arrows go on."""
    sides: dict[tuple[str, bool], list[tuple[float, Edge]]] = {}
    for edge, chain in chains.items():
        sides.setdefault((chain[0], False), []).append((middle[chain[1]], edge))
        sides.setdefault((chain[-1], True), []).append((middle[chain[-2]], edge))
    ports = {}
    for (name, _), ends in sides.items():
        step = min(16.0, (BOX - 24) / len(ends))
        for k, (_, edge) in enumerate(sorted(ends)):
            ports[edge, name] = middle[name] + (k - (len(ends) - 1) / 2) * step
    return ports


def path_of(
    edge: Edge,
    chain: list[str],
    middle: dict[str, float],
    top: dict[str, float],
    bottom: dict[str, float],
    ports: dict[tuple[Edge, str], float],
    tall: dict[str, int],
) -> str:
    """Return an arrow's path, from the room that imports to the one that is imported."""
    start = ports[edge, chain[0]]
    points = [(start, top[chain[0]] + tall[chain[0]]), (start, bottom[chain[0]])]
    for bend in chain[1:-1]:
        points += [(middle[bend], top[bend]), (middle[bend], bottom[bend])]
    points.append((ports[edge, chain[-1]], top[chain[-1]]))
    if chain[0] != edge[0]:
        points.reverse()
    path = f"M{points[0][0]:.1f} {points[0][1]:.1f}"
    for (ax, ay), (bx, by) in itertools.pairwise(points):
        half = (ay + by) / 2
        bent = f" C{ax:.1f} {half:.1f} {bx:.1f} {half:.1f} {bx:.1f} {by:.1f}"
        path += f" L{bx:.1f} {by:.1f}" if ax == bx else bent
    return path


if __name__ == "__main__":
    PICTURE.write_text(draw(), encoding="utf-8")
    print(f"wrote {PICTURE}")
