"""What the paper and its authors' logs say, in millimetres: MPJPE, PA-MPJPE, PVE.

Only figures that could be checked are here: the paper's headline rows, the base models' errors, the result on
hands, and the logs of the authors' code (github.com/MartaYang/KITRO, logs/). The other cells of its tables
could not be read when this was written, and stay empty.
"""

from __future__ import annotations

Figures = tuple[float | None, float | None, float | None]

NONE: Figures = (None, None, None)

CLIFF_3DPW: Figures = (73.67, 43.76, 91.58)
KITRO_3DPW: Figures = (43.53, 27.67, 53.44)

BASES_3DPW: dict[str, Figures] = {
    "SPIN": (102.12, None, None),
    "EFT": (94.02, None, None),
    "PRoM": (67.6, None, None),
}

HAND: Figures = (None, 7.82, None)
KITRO_HAND: Figures = (None, 4.06, None)

IMPROVED = 0.88
"""Share of 3DPW's bodies that improve."""
