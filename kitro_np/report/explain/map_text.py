"""Text of an explanation of ``map``: keypoints, joints, and the verdict."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ...posterior.verdict import FEWEST_KEYPOINTS
from .map_fit import MapExplanation
from .reasons import LEAST, Reason
from .wording import WIDTH, bar, fitted, odds_in_words, shortened

POINTS, JOINTS = 12, 8
"""Lines of each part."""

MOST_REASONS = 10
"""Reasons that are named; as many in texts, pictures and pages, so that all else is the same number."""

NAMED = 2
"""Joints that are named of those that a keypoint bends, and keypoints of those that bend a joint."""

SMALLEST_BEND = 0.5
"""Degrees below which a bend is not worth a word."""


def heading_of_map(found: MapExplanation) -> str:
    """Return the verdict in a sentence."""
    return f"Row {found.row} by map: {verdict_of_map(found)}"


def verdict_of_map(found: MapExplanation) -> str:
    """Return whether the body was accepted, and how likely it is to be better."""
    odds = f"log odds {found.quality:+.2f}, {odds_in_words(found.quality)} likely to be better"
    if found.accepted:
        unsafe = "" if found.quality > 0 else ", as it was not judged"
        return f"accepted{unsafe} ({odds})"
    if found.too_few_inliers:
        return "refused, as nearly all keypoints are outliers"
    return f"refused ({odds})"


def notes_of_map(found: MapExplanation) -> list[str]:
    """Return what was found besides: noise, scale, sides."""
    seen, count = int(found.visible.sum()), len(found.point_names)
    before, after = (float(np.nanmean(part)) for part in (found.residual_before, found.residual_after))
    outliers = int(found.outlier.sum())
    lines = [
        f"{seen} of {count} keypoints visible, {outliers} {'outlier' if outliers == 1 else 'outliers'}; "
        f"mean distance {before:.1f} px, then {after:.1f} px",
        f"keypoints' noise {found.noise:.1f} px (usually {found.typical_noise:.1f}); "
        f"estimate errs {found.pose_scale:.1f} times as expected",
    ]
    if found.turned:
        lines.append("the estimate faced the wrong way, and was reflected in depth")
    elif found.swapped:
        lines.append(
            f"left and right of keypoints were exchanged, and put right (gain {found.swap_gain:.0f})"
        )
    return lines


def points_in_order(found: MapExplanation) -> np.ndarray:
    """Return visible keypoints: outliers first, then those that bend joints most."""
    seen = np.flatnonzero(found.visible)
    pull = found.pull_angles.sum(axis=1)
    return seen[np.lexsort((-pull[seen], ~found.outlier[seen]))]


def reasons_shown(found: MapExplanation) -> tuple[list[Reason], float]:
    """Return the reasons that change the log odds most, and what all others change."""
    reasons = found.verdict.reasons
    shown = [reason for reason in reasons if abs(reason.contribution) >= LEAST][:MOST_REASONS]
    return shown, sum(reason.contribution for reason in reasons[len(shown) :])


def title_of_verdict(found: MapExplanation) -> str:
    """Return the title of the part on the verdict."""
    if found.too_few_inliers:
        return f"Refused as fewer than {FEWEST_KEYPOINTS} keypoints are no outliers; all else, in log odds:"
    if found.accepted and found.quality <= 0:
        return "Not judged; the log odds that it is better:"
    return f"Why it was {'accepted' if found.accepted else 'refused'}, in log odds:"


def text_of_map(found: MapExplanation) -> list[str]:
    """Return lines that say what keypoints weigh and pull, and why the body was accepted or refused."""
    order, angles = points_in_order(found), found.pull_angles
    lines = [heading_of_map(found), *notes_of_map(found), ""]
    lines.append(f"{'keypoint':<16}{'weight':>6}{'outlier':>9}{'px off':>8}{'after':>6}  bends")
    for k in order[:POINTS]:
        lines.append(
            f"{shortened(found.point_names[k], 15):<16}{found.weight[k]:>6.2f}{1 - found.inlier[k]:>9.0%}"
            f"{found.residual_before[k]:>8.1f}{found.residual_after[k]:>6.1f}  "
            f"{_named(angles[k], found.joint_names, WIDTH - 47)}"
        )
    if len(order) > POINTS:
        lines.append(f"and {len(order) - POINTS} more, which bend joints by less")
    bends, moving = found.angles, np.flatnonzero(found.moving)
    joints = moving[np.argsort(-bends[moving], kind="stable")]
    lines += ["", f"{'joint':<16}{'known by keypoints':<20}{'bent':>5}  by, among others"]
    for j in joints[:JOINTS]:
        share = found.evidence_share[j]
        names = [*found.point_names, "motion prior"]
        lines.append(
            f"{shortened(found.joint_names[j], 15):<16}{bar(share, 13)} {share:>4.0%} {bends[j]:>5.1f}"
            f"\N{DEGREE SIGN}  {_named(found.bend_parts[:, j], names, WIDTH - 43, sign='+')}"
        )
    if len(joints) > JOINTS:
        lines.append(f"and {len(joints) - JOINTS} more joints")
    shown, rest = reasons_shown(found)
    lines += ["", title_of_verdict(found), f"{found.verdict.usual:>+7.2f}  a usual body that is accepted"]
    lines += [f"{reason.contribution:>+7.2f}  {reason.words}" for reason in shown]
    lines.append(f"{rest:>+7.2f}  all else")
    return fitted(lines)


def _named(parts: np.ndarray, names: Iterable[str], room: int, *, sign: str = "") -> str:
    """Return the largest parts by name, in degrees, as many as fit."""
    known, said = tuple(names), ""
    for k in np.argsort(-np.abs(parts), kind="stable")[:NAMED]:
        more = f"{', ' if said else ''}{known[k]} {parts[k]:{sign}.0f}\N{DEGREE SIGN}"
        if abs(parts[k]) < SMALLEST_BEND or len(said + more) > room:
            break
        said += more
    return said or "nothing"
