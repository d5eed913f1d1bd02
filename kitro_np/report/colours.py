"""Colours of pictures and pages: of stages, people, sides and residuals; each from 0 to 255."""

from __future__ import annotations

Colour = tuple[int, int, int]

STAGE_COLOURS: dict[str, Colour] = {
    "before": (224, 152, 96), "after": (116, 160, 218), "truth": (122, 186, 132),
}  # fmt: skip
"""Of the estimate, the refined body and the ground truth, where there is one person."""

PEOPLE: tuple[Colour, ...] = (
    (116, 160, 218), (226, 138, 108), (126, 190, 136), (196, 150, 214), (222, 190, 104), (110, 192, 196),
    (218, 132, 168), (160, 168, 120),
)  # fmt: skip
"""Of several people, by their number."""

LEFT, RIGHT, MIDDLE = (31, 111, 180), (200, 64, 43), (58, 58, 58)
"""Of bones and joints by their side."""

KEYPOINT: Colour = (18, 140, 84)
NEAR: Colour = (40, 160, 90)
FAR: Colour = (214, 40, 40)
"""Arrows from the body to its keypoints, from small to large residuals."""

WAS: Colour = (232, 178, 138)
"""Lines from the estimate to its keypoints."""

BONE: Colour = (150, 158, 168)
"""Of a skeleton beneath keypoints."""

BLANK: Colour = (246, 247, 249)
"""Background where there is no image."""

INK: Colour = (32, 36, 42)


def between(first: Colour, second: Colour, share: float) -> Colour:
    """Return the colour at a share of the way from one colour to another."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue
