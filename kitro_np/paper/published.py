"""Published results of the paper: all cells of its Tables 1 to 5, and the numbers in its text.

Errors are in millimetres. The name of a row ends in * if the paper's authors ran another's method themselves.
The paper prints PA-MPJPE before MPJPE; here MPJPE comes first.
"""

from __future__ import annotations

from typing import NamedTuple

SOURCE = "KITRO (CVPR 2024)"


class Published(NamedTuple):
    """A row of one of the paper's tables, on one data set; None if the paper does not give an error.

    Attributes
    ----------
    table : str
        Number of the table.
    row : str
        Name of the row.
    data : str
        Name of the data set.
    mpjpe, pa_mpjpe, pve, pa_pve : float, optional
        In millimetres.
    """

    table: str
    row: str
    data: str
    mpjpe: float | None = None
    pa_mpjpe: float | None = None
    pve: float | None = None
    pa_pve: float | None = None

    @property
    def errors(self) -> dict[str, float]:
        """Published errors, by metric."""
        return {name: value for name, value in self._asdict().items() if isinstance(value, float)}


PUBLISHED = (
    # Table 1: parts of the method left out or changed, on CLIFF's estimates.
    Published("1", "t fixed as t_0", "3DPW", 46.68, 28.53, 57.76),
    Published("1", "t hard update (Eq. 5)", "3DPW", 50.21, 27.99, 61.11),
    Published("1", "large focal length (5000)", "3DPW", 52.46, 32.72, 63.61),
    Published("1", "betas fixed as betas_0", "3DPW", 69.02, 35.00, 84.25),
    Published("1", "betas from L_j2D (Eq. 3)", "3DPW", 52.60, 32.60, 64.45),
    Published("1", "pose fixed as pose_0", "3DPW", 80.03, 44.57, 95.71),
    Published("1", "greedy, hard update", "3DPW", 54.91, 34.32, 67.05),
    Published("1", "greedy, soft update", "3DPW", 45.94, 29.24, 56.57),
    Published("1", "decision tree, hard update", "3DPW", 52.15, 32.18, 63.82),
    Published("1", "KITRO", "3DPW", 43.53, 27.67, 53.44),
    # Table 2: other methods. "Other protocol" uses the person's gender.
    Published("2", "CLIFF, other protocol", "3DPW", 69.0, 43.0, 81.2),
    Published("2", "CLIFF*", "3DPW", 73.67, 43.76, 91.58),
    Published("2", "CLIFF*", "Human3.6M", 55.18, 36.16),
    Published("2", "DynaBOA", "3DPW", 65.5, 40.4, 82.0),
    Published("2", "Pose2Mesh", "3DPW", 65.1, 34.6),
    Published("2", "Pose2Mesh", "Human3.6M", 51.1, 35.3),
    Published("2", "CLIFF + CLIFFr, other protocol", "3DPW", 52.8, 32.8, 61.5),
    Published("2", "CLIFF + SMPLify*", "3DPW", 66.67, 36.11, 79.91),
    Published("2", "CLIFF + SMPLify*", "Human3.6M", 45.19, 28.07),
    Published("2", "CLIFF + CLIFFr*", "3DPW", 55.83, 32.04, 71.95),
    Published("2", "CLIFF + CLIFFr*", "Human3.6M", 42.79, 25.88),
    Published("2", "CLIFF + KITRO", "3DPW", 43.53, 27.67, 53.44),
    Published("2", "CLIFF + KITRO", "Human3.6M", 34.50, 21.04),
    # Table 3: other networks' estimates.
    Published("3", "SPIN", "3DPW", 102.12, 59.97, 130.62),
    Published("3", "SPIN + SMPLify*", "3DPW", 87.06, 47.99, 102.28),
    Published("3", "SPIN + KITRO", "3DPW", 67.12, 42.46, 80.25),
    Published("3", "EFT", "3DPW", 94.02, 54.71, 116.23),
    Published("3", "EFT + SMPLify*", "3DPW", 82.39, 44.69, 96.50),
    Published("3", "EFT + KITRO", "3DPW", 49.14, 32.34, 59.28),
    Published("3", "PRoM", "3DPW", 67.6, 42.0, 79.2),
    Published("3", "PRoM + SMPLify*", "3DPW", 65.21, 35.67, 78.02),
    Published("3", "PRoM + KITRO", "3DPW", 42.18, 26.72, 51.25),
    # Table 4: refinement of refined bodies.
    Published("4", "CLIFF", "3DPW", 73.67, 43.76, 91.58),
    Published("4", "CLIFF + CLIFFr", "3DPW", 55.83, 32.04, 71.95),
    Published("4", "CLIFF + CLIFFr + KITRO", "3DPW", 46.96, 26.21, 57.53),
    # Table 5: hands; the camera translation is known.
    Published("5", "MANO baseline*", "FreiHAND", pa_mpjpe=7.82, pa_pve=8.01),
    Published("5", "MANO baseline + SMPLify*", "FreiHAND", pa_mpjpe=4.66, pa_pve=5.07),
    Published("5", "MANO baseline + KITRO", "FreiHAND", pa_mpjpe=4.06, pa_pve=4.58),
)
"""Tables 1 to 5."""

IMPROVED = {"3DPW": 88.0, "Human3.6M": 92.0}
"""Percentage of bodies that KITRO improves."""

CONVERGED = (4, 5)
"""Iterations after which errors have converged (Fig. 5)."""

BEST_KEYPOINT_ERROR = 24.0
"""Mean 2D error of the best network of its time on 3DPW, in pixels."""


def of_table(table: str) -> tuple[Published, ...]:
    """Return the rows of a table."""
    return tuple(entry for entry in PUBLISHED if entry.table == table)


def published(table: str, row: str, data: str) -> Published:
    """Return one row of a table."""
    return next(entry for entry in of_table(table) if (entry.row, entry.data) == (row, data))
