"""Drawing: an SVG picture of lines, circles, bars and text, on a background of its own."""

from __future__ import annotations

from xml.etree import ElementTree

WIDTH = 1000
"""Of a picture, in pixels."""

LETTER = 0.56
"""Mean width of a letter over the size of its font."""

PAPER, INK, SOFT, FAINT = "#ffffff", "#1b1b1b", "#5c5c5c", "#d7d7d7"
"""Colours of the background, of text and lines, of what is less important, and of grids."""

BLUE, GREEN, RED = "#0072B2", "#009E73", "#D55E00"
"""Colours of Okabe and Ito, which are distinguishable for colour-blind readers."""


class Drawing:
    """An SVG picture; the background is opaque, so that it is readable on light and dark pages.

    Parameters
    ----------
    height : float
        In pixels.
    title : str
        Shown at the top, and told to screen readers.
    """

    def __init__(self, height: float, title: str) -> None:
        size = {"width": str(WIDTH), "height": f"{height:.0f}", "viewBox": f"0 0 {WIDTH} {height:.0f}"}
        self._root = ElementTree.Element(
            "svg", {"xmlns": "http://www.w3.org/2000/svg", **size, "font-family": "sans-serif", "role": "img"}
        )
        ElementTree.SubElement(self._root, "title").text = title
        self.box(0, 0, WIDTH, height, PAPER)
        self.text(20, 34, title, 20, weight="bold")

    def line(
        self, start: tuple[float, float], end: tuple[float, float], colour: str = INK, width: float = 1.0,
        *, dashes: str = "",
    ) -> None:  # fmt: skip
        """Draw a line with round ends."""
        more = {"stroke-dasharray": dashes} if dashes else {"stroke-linecap": "round"}
        self._add(
            "line", {"stroke": colour, **more}, x1=start[0], y1=start[1], x2=end[0], y2=end[1],
            stroke_width=width,
        )  # fmt: skip

    def arrow(
        self, start: tuple[float, float], end: tuple[float, float], colour: str, width: float = 1.6
    ) -> None:
        """Draw an arrow with its head at the end."""
        along = (end[0] - start[0], end[1] - start[1])
        length = (along[0] ** 2 + along[1] ** 2) ** 0.5
        if length < 1:
            return
        head = min(9.0, length)
        x, y = along[0] / length, along[1] / length
        base = (end[0] - head * x, end[1] - head * y)
        self.line(start, base, colour, width)
        corners = (end, (base[0] - 0.4 * head * y, base[1] + 0.4 * head * x),
                   (base[0] + 0.4 * head * y, base[1] - 0.4 * head * x))  # fmt: skip
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in corners)
        self._add("polygon", {"points": points, "fill": colour})

    def circle(
        self, centre: tuple[float, float], radius: float, fill: str, stroke: str = PAPER, width: float = 1.0
    ) -> None:
        """Draw a circle."""
        self._add(
            "circle", {"fill": fill, "stroke": stroke}, cx=centre[0], cy=centre[1], r=radius,
            stroke_width=width,
        )  # fmt: skip

    def box(
        self, x: float, y: float, width: float, height: float, fill: str, *, stroke: str = "none"
    ) -> None:
        """Draw a box; of a negative width to the left."""
        self._add(
            "rect", {"fill": fill, "stroke": stroke}, x=min(x, x + width), y=y, width=abs(width),
            height=height,
        )  # fmt: skip

    def text(
        self, x: float, y: float, text: str, size: float = 12, *, colour: str = INK, anchor: str = "start",
        weight: str = "normal", halo: bool = False,
    ) -> None:  # fmt: skip
        """Write text whose baseline is at y; a halo keeps it readable on lines."""
        more = {"font-weight": weight} if weight != "normal" else {}
        if halo:
            more |= {
                "stroke": PAPER,
                "stroke-width": "3.5",
                "paint-order": "stroke",
                "stroke-linejoin": "round",
            }
        element = self._add("text", {"fill": colour, "text-anchor": anchor, **more}, x=x, y=y, font_size=size)
        element.text = text

    def as_bytes(self) -> bytes:
        """Return the file."""
        ElementTree.indent(self._root)
        return bytes(ElementTree.tostring(self._root, encoding="utf-8", xml_declaration=True)) + b"\n"

    def _add(self, name: str, texts: dict[str, str], **numbers: float) -> ElementTree.Element:
        given = {key.replace("_", "-"): f"{value:.1f}".removesuffix(".0") for key, value in numbers.items()}
        return ElementTree.SubElement(self._root, name, {**given, **texts})


def between(start: str, end: str, share: float) -> str:
    """Return the colour between two, #rrggbb each, at a share from 0 to 1."""
    share = max(0.0, min(share, 1.0))
    pairs = ((int(start[k : k + 2], 16), int(end[k : k + 2], 16)) for k in (1, 3, 5))
    return "#" + "".join(f"{round(a + share * (b - a)):02x}" for a, b in pairs)
