"""Examples: sets that ship with the package, and the cases of each on which a method is measured."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import as_file, files
from typing import NamedTuple

import numpy as np

from ..body import BodyModel, load_body
from ..formats.estimates import EstimateFile, TrueBodies
from ..keypoints.detectors import LayoutName

LEAST_SCORE = 0.3
"""OpenPose's points with a lower score are often wrong: they count as not visible."""


class CaseRun(NamedTuple):
    """Estimates that are refined in one call."""

    pose: np.ndarray  # (N, 24, 3)
    betas: np.ndarray  # (N, 10)
    transl: np.ndarray  # (N, 3)


class Case(NamedTuple):
    """A row of an example's table.

    Attributes
    ----------
    name : str
    layout : str
        Layout of the keypoints.
    keypoints_2d, confidence : (N, K, 2) and (N, K) array
        Detections, the same in all runs.
    runs : tuple of CaseRun
        Estimates; what is measured is the mean over all bodies of all runs.
    """

    name: str
    layout: LayoutName
    keypoints_2d: np.ndarray
    confidence: np.ndarray
    runs: tuple[CaseRun, ...]


class ExampleSet(NamedTuple):
    """A set of N views of people.

    Attributes
    ----------
    title : str
        What is in it.
    body : BodyModel
        Body of truth and estimates.
    intrinsics : (N, 3, 3) array
        Camera of each view.
    truth : TrueBodies
    triangulated : (N, 25, 3) array
        The person's points of BODY_25B in camera axes, in metres, from four cameras; NaN where missing.
    cases : tuple of Case
    """

    title: str
    body: BodyModel
    intrinsics: np.ndarray
    truth: TrueBodies
    triangulated: np.ndarray
    cases: tuple[Case, ...]


def real_example() -> ExampleSet:
    """Read 200 views of one person balancing, from two cameras at 60 Hz (Pose2Sim's demo, BSD-3).

    The truth is a fit to four cameras' detections, good to about 1 cm. Estimates are simulated, with errors
    like a network's and three seeds, or those of a network: the open body fitted to MediaPipe's 3D landmarks.
    """
    with as_file(files("kitro_np") / "data" / "balancing.npz") as path:
        file = EstimateFile(path)
        openpose, mediapipe = (
            (points[..., :2], points[..., 2])
            for points in map(file.required, ("keypoints_body25b", "keypoints_mediapipe33"))
        )
        simulated = tuple(map(CaseRun, *(file.required(f"pred_{part}") for part in ("theta", "beta", "cam"))))
        network = CaseRun(*(file.required(f"mediapipe_{part}") for part in ("theta", "beta", "cam")))
        intrinsics = file.required("intrinsics")
        truth = TrueBodies(file.required("GT_theta"), file.required("GT_beta"))
        triangulated = file.required("triangulated_body25b")
        body = load_body(file.body_name)
    points, score = openpose
    score = np.where(score < LEAST_SCORE, 0, score)
    coco = points[:, :17], score[:, :17]
    return ExampleSet(
        "200 views of one person balancing, from two cameras; estimates simulated with three seeds, in the "
        "last row a network's (MediaPipe)",
        body,
        intrinsics,
        truth,
        triangulated,
        (
            Case("body25b", "body25b", points, score, simulated),
            Case("coco17", "coco17", *coco, simulated),
            Case("mediapipe33", "mediapipe33", *mediapipe, simulated),
            # As many files have them: what was not found is at (0, 0), and nothing says so.
            Case("coco17, no scores", "coco17", coco[0], np.ones_like(coco[1]), simulated),
            Case("coco17, network", "coco17", *coco, (network,)),
        ),
    )


EXAMPLES: dict[str, Callable[[], ExampleSet]] = {"real": real_example}
"""Functions that read the examples, by name."""
