"""Reasons: the features of the verdict of ``map``, with what each adds to the log odds, in words."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ...body.skeleton import Skeleton
from ...posterior.priors import size_of
from ...posterior.verdict import FEATURES, ROTATION_FLOOR, SMALLEST_DETAIL, coefficients_of

USUAL = dict(
    zip(
        FEATURES,
        (
            0.2, 0.08, -0.66, 0.43, 0.86, -2.98, 0.1, 0.0, 0.01,
            0.0, 0.0, 1.65, 0.82, -0.44, -0.02, 1.75, 0.96, 1.23,
        ),
        strict=True,
    )
)  # fmt: skip
"""Features of a usual body that is accepted: medians of those of ``kitro_np.example("real")``."""

NEARLY = 1.1
"""Ratio to what is usual up to which a value is as usual."""

HARDLY = 0.15
"""Share of the residuals that is not worth a word."""

LEAST = 0.05
"""Log odds from which on a reason is worth a word."""


@dataclass(frozen=True)
class FeatureShare:
    """What one feature adds to the log odds of the verdict.

    Attributes
    ----------
    name : str
        See :func:`kitro_np.posterior.verdict.features_of`.
    value, coefficient : float
    usual : float
        Its value for a usual body.
    """

    name: str
    value: float
    coefficient: float
    usual: float

    @property
    def contribution(self) -> float:
        """Added to the log odds of a usual body."""
        return self.coefficient * (self.value - self.usual)


@dataclass(frozen=True)
class Reason:
    """Features that say one thing, in words, and what they add to the log odds together."""

    words: str
    contribution: float
    features: tuple[str, ...]


@dataclass(frozen=True)
class VerdictShares:
    """The verdict's log odds, taken apart: those of a usual body, and what each feature changes.

    Attributes
    ----------
    usual : float
        Log odds of a body with all features as usual.
    size : float
        Of the body, 1 for a person: lengths in the features are in proportion to it.
    features : tuple of FeatureShare
        In the order of the coefficients.
    """

    usual: float
    size: float
    features: tuple[FeatureShare, ...]

    @property
    def log_odds(self) -> float:
        """Sum of all: the quality, where enough keypoints are no outliers."""
        return self.usual + sum(share.contribution for share in self.features)

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Features in words, those that change the log odds most first."""
        shares = {share.name: share for share in self.features}
        values = {"size": self.size, **{name: share.value for name, share in shares.items()}}
        found = [
            Reason(say(values), sum(shares[name].contribution for name in names), names)
            for names, say in _WORDS.items()
        ]
        return tuple(sorted(found, key=lambda reason: -abs(reason.contribution)))


def verdict_shares(features: np.ndarray, skeleton: Skeleton) -> VerdictShares:
    """Take the verdict on features (F,) of a body apart."""
    coefficients, constant = coefficients_of(skeleton)
    shares = tuple(
        FeatureShare(name, float(value), float(weight), USUAL[name])
        for name, value, weight in zip(FEATURES, features, coefficients, strict=True)
    )
    return VerdictShares(
        constant + sum(share.coefficient * share.usual for share in shares), size_of(skeleton), shares
    )


Values = dict[str, float]


def _ratio(feature: float) -> float:
    """Root mean square that a feature log(1 + r^2) is of."""
    return math.sqrt(max(math.expm1(feature), 0))


def _detail(feature: float) -> float:
    """Residuals in millimetres that the feature is of."""
    return 1000 * max(math.exp(feature) - SMALLEST_DETAIL, 0)


def _bends(feature: float) -> float:
    """Rotations over their spread, root mean square, that a feature is of."""
    return max(math.exp(feature) - ROTATION_FLOOR, 0)


def _than_usual(value: float, usual: float, more: str, less: str) -> str:
    """Say how many times `more` or `less` than usual a value is."""
    if not (value > 0 and usual > 0):
        return "as usual"
    ratio = value / usual
    if 1 / NEARLY < ratio < NEARLY:
        return "as usual"
    return f"{ratio:.1f} times {more} than usual" if ratio > 1 else f"{1 / ratio:.1f} times {less} than usual"


def _keypoints(v: Values) -> str:
    visible, effective = 24 / v["few_points"], 24 / v["few_effective_points"]
    usual = 24 / USUAL["few_effective_points"]
    return f"{visible:.0f} keypoints, worth {effective:.0f} certain ones (usually {usual:.0f})"


def _depth(v: Values) -> str:
    change = math.expm1(v["depth"])
    return f"the body moves {abs(change):.1%} {'away from' if change >= 0 else 'nearer to'} the camera"


def _turned(v: Values) -> str:
    ratio = _ratio(v["turn"])
    return (
        "the body as a whole is not turned in the image"
        if ratio < HARDLY
        else f"the body as a whole is turned in the image: {ratio:.1f} times what else is off"
    )


def _squeezed(v: Values) -> str:
    ratio = _ratio(v["squeeze"])
    return (
        "the body as a whole is not squeezed in height"
        if ratio < HARDLY
        else f"the body as a whole is squeezed in height: {ratio:.1f} times what else is off"
    )


_WORDS: dict[tuple[str, ...], Callable[[Values], str]] = {
    ("pose_scale", "pose_scale_squared"): lambda v: (
        "the estimate's error is "
        + _than_usual(math.exp(v["pose_scale"]), math.exp(USUAL["pose_scale"]), "larger", "smaller")
    ),
    ("noise", "noise_squared"): lambda v: (
        "keypoints scatter " + _than_usual(math.exp(v["noise"]), math.exp(USUAL["noise"]), "more", "less")
    ),
    ("surprise",): lambda v: (
        "keypoints disagree with the estimate "
        + _than_usual(v["surprise"], USUAL["surprise"], "more", "less")
    ),
    ("detail",): lambda v: (
        f"{v['size'] * _detail(v['detail']):.0f} mm of the distance to the keypoints is in single limbs "
        f"(usually {v['size'] * _detail(USUAL['detail']):.0f})"
    ),
    ("turn",): _turned,
    ("squeeze",): _squeezed,
    ("depth",): _depth,
    ("outliers", "outliers_squared"): lambda v: f"{v['outliers']:.0%} of the keypoints fit no pose: outliers",
    ("determined",): lambda v: (
        "keypoints leave the pose "
        + _than_usual(math.exp(USUAL["determined"] - v["determined"]), 1.0, "more open", "less open")
    ),
    ("translation",): lambda v: (
        f"the body is moved by {math.sqrt(max(v['translation'], 0)):.1f} times the estimate's usual error"
    ),
    ("in_plane",): lambda v: (
        "joints are turned in the image "
        + _than_usual(_bends(v["in_plane"]), _bends(USUAL["in_plane"]), "more", "less")
    ),
    ("out_of_plane",): lambda v: (
        "joints are turned towards or away from the camera "
        + _than_usual(_bends(v["out_of_plane"]), _bends(USUAL["out_of_plane"]), "more", "less")
    ),
    ("unusual",): lambda v: (
        "the estimate's pose is "
        + _than_usual(v["unusual"], USUAL["unusual"], "rarer", "more common").replace(
            "as usual", "as common as usual"
        )
    ),
    ("few_points", "few_effective_points"): _keypoints,
}
"""Features that belong together, and what is said of their values."""
