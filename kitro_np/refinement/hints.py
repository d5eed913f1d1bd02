"""Hints: what the input looks like, where most bodies of a batch are refused, or had to be put right.

Where they are refused, every hypothesis is a request that undoes one mistake. Those that bring keypoints and
projected estimates much nearer to each other are refined, the nearest first; the first under which most
bodies are accepted is the hint. So the evidence for a hint is that by which the method accepts a body. Where
most are accepted, but left and right had to be put right, the same is tried first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from array_api_compat import array_namespace, device

from ..arrays.engines import on_cuda
from ..arrays.interchange import as_numpy
from ..arrays.poses import pose_tail
from ..arrays.rotations import matrix_from_axis_angle
from ..body.skeleton import Skeleton
from ..camera import project
from ..keypoints.detectors import POINTS
from ..keypoints.layouts import find_layout, layouts_of
from ..keypoints.placing import place_points
from ..keypoints.visibility import visible_confidence
from .outcome import Outcome
from .request import Request
from .validity import Status

TELLING = (
    Status.BEHIND_CAMERA,
    Status.KEYPOINTS_IN_ONE_POINT,
    Status.DIVERGED,
    Status.TOO_FEW_KEYPOINTS,
    Status.UNLIKELY,
    Status.SWAPPED,
)
"""Reasons that a mistake about all of the input may have; the others name it themselves."""

MAX_BODIES = 100
"""Bodies of a batch that are looked at."""

OF_BODIES = ("pose", "betas", "transl", "keypoints_2d", "intrinsics", "confidence", "image_size")
"""Arrays of a request that are."""

FEWEST_POINTS, FEWEST_BODIES = 4, 5
"""Visible keypoints of a body that is looked at, and bodies from which a shift is estimated: that of fewer
explains a stranger's keypoints too. Of fewer bodies, what was put right says little about the input."""

IMPROVEMENT, IMPROVEMENT_OF_FEW = 0.75, 0.5
"""A hypothesis is tried if it lowers the distance between keypoints and projections to this share; the second
is for fewer than FEWEST_BODIES."""

TRIED = 4
"""Hypotheses that are refined."""

PENALTY = 0.3
"""Added to a hypothesis's distance, as a share, for each number that is estimated for it."""

SMALLEST_FACTOR = 1e-3
"""Of the keypoints' size to the estimates'."""

CENTRED = 0.35
"""Largest spread of the keypoints' centres and sizes, relative to their size, in crops around each person."""

LARGEST_NORMALISED, SHORT_FOCAL = 1.2, 20.0
"""Nine of ten coordinates of normalised keypoints are smaller, since some persons reach beyond the image; and
focal length below which they may be in the camera's units."""

UNITS = {1e-3: "millimetres", 1e-2: "centimetres"}
"""Units of length that are taken for metres, and their lengths in metres."""

SMALLEST_BODY = 0.05
"""Extent of the rest joints in metres that a body in another unit has at least."""

ABOUT_X, ABOUT_Y, ABOUT_Z = np.diag([1.0, -1, -1]), np.diag([-1.0, 1, -1]), np.diag([-1.0, -1, 1])
"""Half turns about the camera's axes."""

OPENPOSE_17 = (0, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3)
"""Points of COCO in OpenPose's order, which begins with the nose, the right arm and the left arm."""

SWAPPED = "Left and right of keypoints look exchanged in most bodies."
TURNED = "Most estimates look as if they faced the wrong way."
"""Hints where most of the refined bodies were put right."""


class Hypothesis(NamedTuple):
    """A mistake that the input may contain.

    Attributes
    ----------
    sentence : str
        The hint.
    request : Request
        Without the mistake.
    points : (N, K, 3) array
        The layout's points on the estimates, before the translation is added.
    estimated : int
        How many numbers were estimated from the batch.
    """

    sentence: str
    request: Request
    points: np.ndarray
    estimated: int = 0


class Hint:
    """A hint that is found when it is first read: that takes some refinements.

    Parameters
    ----------
    find : callable
        Returns the sentence; it holds copies of the bodies that are looked at.
    """

    def __init__(self, find: Callable[[], str]) -> None:
        self._find: Callable[[], str] | None = find
        self._text = ""

    def __str__(self) -> str:
        if self._find is not None:
            self._text, self._find = self._find(), None
        return self._text

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return str, (str(self),)


def find_hint(request: Request, outcome: Outcome, accepts: Callable[[Request], Any]) -> Hint | str:
    """Return a sentence that says what the input looks like.

    It is empty unless most bodies are refused, or most of at least FEWEST_BODIES refined ones were put right.

    Parameters
    ----------
    request : Request
    outcome : Outcome
        Of the refinement.
    accepts : callable
        Whether each body of a request in NumPy arrays is accepted: (N,) of bool.
    """
    try:
        seen = _see(request, outcome)
        if not on_cuda(request.pose):
            return _judge(seen, accepts)
        # Copies on the GPU, so that no call waits for it: the hint is found when it is read.
        seen = _copied(seen)
        return Hint(lambda: _text_of(seen, accepts))
    except Exception:  # a hint is a courtesy: whatever goes wrong here, the result is returned
        return ""


class _Seen(NamedTuple):
    """What a hint is found from, in the arrays' own library."""

    status: Any  # (N,) of all bodies
    turned: Any  # (N,) or None
    swapped: Any  # (N,) or None
    every: slice  # of the bodies that are looked at
    bodies: Request  # these, M of them
    vectors: Any  # (M, J, 3) if the pose was given as axis-angle vectors


def _see(request: Request, outcome: Outcome) -> _Seen:
    every = slice(None, None, max(1, math.ceil(request.count / MAX_BODIES)))
    joints, vectors = request.skeleton.num_joints, None
    if len(pose_tail(tuple(request.given_pose.shape), joints)) < 3:
        xp = array_namespace(request.pose)
        vectors = xp.reshape(request.given_pose, (request.count, joints, 3))[every, ...]
    found = outcome.diagnostics
    turned, swapped = (None, None) if found is None else (found.turned, found.swapped)
    bodies = replace(request.some(every), given_pose=None)
    return _Seen(outcome.refined.status, turned, swapped, every, bodies, vectors)


def _copied(seen: _Seen) -> _Seen:
    def own(array: Any) -> Any:
        return None if array is None else array_namespace(array).asarray(array, copy=True)

    bodies = replace(seen.bodies, **{name: own(getattr(seen.bodies, name)) for name in OF_BODIES})
    parts = {name: own(getattr(seen, name)) for name in ("status", "turned", "swapped", "vectors")}
    return seen._replace(bodies=bodies, **parts)


def _text_of(seen: _Seen, accepts: Callable[[Request], Any]) -> str:
    try:
        return str(_judge(seen, accepts))
    except Exception:
        return ""


def _judge(seen: _Seen, accepts: Callable[[Request], Any]) -> Hint | str:
    status = as_numpy(seen.status)
    count = len(status)
    refused = 2 * np.count_nonzero(status) > count
    wild = _are_wild(seen.vectors)
    if not wild and not refused and count < FEWEST_BODIES:
        return ""
    refined = status == Status.REFINED
    if not refused and _in_most(seen.turned, refined):
        return TURNED
    swapped = not refused and _in_most(seen.swapped, refined)
    if not refused and not swapped and not wild:
        return ""
    otherwise = SWAPPED if swapped else ""
    # Other mistakes, too, make keypoints fit better with left and right exchanged.
    telling = np.isin(status, TELLING) | (refined & (swapped or wild))
    if 2 * np.sum(telling) <= count:
        return otherwise
    sample, vectors = _sample(seen, telling[seen.every])

    def find() -> str:
        try:
            with np.errstate(all="ignore"):
                return _best(sample, vectors, accepts) or otherwise
        except Exception:
            return otherwise

    return Hint(find)


def _are_wild(vectors: Any) -> bool:
    """Whether most axis-angle vectors are of more than a whole turn: then they may be in degrees."""
    if vectors is None or not vectors.shape[0]:
        return False
    longest = np.sum(np.square(as_numpy(vectors), dtype=np.float64), axis=2).max(axis=1)
    return bool(2 * np.sum(longest > (2 * np.pi) ** 2) > len(longest))


def _in_most(flag: Any, refined: np.ndarray) -> bool:
    """Whether most of the refined bodies, and of at least FEWEST_BODIES, have a flag."""
    count = np.sum(refined)
    if flag is None or count < FEWEST_BODIES:
        return False
    return bool(2 * np.sum(as_numpy(flag)[refined]) > count)


def _sample(seen: _Seen, chosen: np.ndarray) -> tuple[Request, np.ndarray | None]:
    """Return some of the bodies in NumPy arrays, and axis-angle vectors if the pose was given in these."""
    bodies = seen.bodies
    xp = array_namespace(bodies.pose)
    dtype: Any = as_numpy(xp.zeros(1, dtype=bodies.dtype, device=device(bodies.pose))).dtype.type

    def own(array: Any) -> np.ndarray:
        return as_numpy(array)[chosen].astype(dtype)

    shared = bodies.intrinsics.shape[0] == 1
    vectors = None if seen.vectors is None else own(seen.vectors)
    skeleton = bodies.skeleton.host.with_betas(bodies.skeleton.num_betas)
    sample = replace(
        bodies,
        skeleton=skeleton,
        pose=own(bodies.pose),
        betas=own(bodies.betas),
        transl=own(bodies.transl),
        keypoints_2d=own(bodies.keypoints_2d),
        intrinsics=as_numpy(bodies.intrinsics).astype(dtype) if shared else own(bodies.intrinsics),
        confidence=None if bodies.confidence is None else own(bodies.confidence),
        image_size=_own_sizes(bodies.image_size, own),
        dtype=dtype,
    )
    return sample, vectors


def _own_sizes(image_size: Any, own: Callable[[Any], np.ndarray]) -> np.ndarray | None:
    """Image sizes in NumPy arrays, those of the chosen bodies unless all share one."""
    if image_size is None:
        return None
    return as_numpy(image_size) if image_size.shape[0] == 1 else own(image_size)


def _best(sample: Request, vectors: np.ndarray | None, accepts: Callable[[Request], Any]) -> str:
    """Return the sentence of the nearest hypothesis under which most bodies are accepted."""
    if not sample.count:
        return ""
    if literal := _span(sample):
        return literal
    share = IMPROVEMENT if sample.count >= FEWEST_BODIES else IMPROVEMENT_OF_FEW
    points = _points(sample)
    nearer = share * _typical_distance(sample, points)
    tried: list[tuple[float, int, Hypothesis]] = []
    for hypothesis in _hypotheses(sample, points, vectors):
        after = _typical_distance(hypothesis.request, hypothesis.points)
        if after < nearer:
            tried.append((after * (1 + PENALTY * hypothesis.estimated), len(tried), hypothesis))
    for _, _, hypothesis in sorted(tried, key=lambda entry: entry[:2])[:TRIED]:
        if 2 * np.sum(accepts(hypothesis.request)) > sample.count:
            return hypothesis.sentence
    return ""


# ------------------------------------------------------------------------------- keypoints and projections


def _visible(request: Request) -> np.ndarray:
    """Whether each keypoint is visible and on the body: (N, K)."""
    confidence = request.confidence
    if confidence is None:
        confidence = np.ones_like(request.keypoints_2d[..., 0])
    return (visible_confidence(request.keypoints_2d, confidence) > 0) & (np.array(request.layout.joints) >= 0)


def _points(request: Request) -> np.ndarray:
    """Points of the layout on the estimates, before the translation is added: (N, K, 3) in float64."""
    return place_points(request.skeleton, request.layout, request.pose, request.betas)


def _projected(request: Request, points: np.ndarray) -> np.ndarray:
    """Points in the image, NaN behind the camera: (N, K, 2)."""
    points = points + request.transl[:, None, :]
    projected = project(points, request.intrinsics.astype(np.float64))
    return np.where(points[..., 2:] > 0, projected, np.nan)


def _moments(points: np.ndarray, visible: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centre (N, 2) and root-mean-square radius (N,) of the visible points."""
    weight = visible / np.maximum(visible.sum(axis=1, keepdims=True), 1)
    points = np.where(visible[..., None], points, 0)
    centre = np.sum(weight[..., None] * points, axis=1)
    squares = np.sum((points - centre[:, None, :]) ** 2, axis=-1)
    return centre, np.sqrt(np.sum(weight * squares, axis=1))


def _typical_distance(request: Request, points: np.ndarray) -> float:
    """Median over the bodies of the mean distance of keypoints from projections, relative to their size."""
    visible, projected = _visible(request), _projected(request, points)
    count = visible.sum(axis=1)
    keypoints = request.keypoints_2d.astype(np.float64)
    distances = np.where(visible, np.linalg.norm(projected - keypoints, axis=-1), 0)
    size = np.maximum(_moments(keypoints, visible)[1], _moments(projected, visible)[1])
    relative = distances.sum(axis=1) / (np.maximum(count, 1) * size)
    relative = np.where(np.isfinite(relative), relative, np.inf)[count >= FEWEST_POINTS]
    return float(np.median(relative)) if relative.size else math.inf


# -------------------------------------------------------------------------------------------- hypotheses


def _span(sample: Request) -> str:
    """Say that keypoints are no pixels, which their range shows."""
    coordinates = sample.keypoints_2d[_visible(sample)]
    if not coordinates.size or np.median(sample.intrinsics[:, 0, 0]) < SHORT_FOCAL:
        return ""
    least, most = np.min(coordinates), np.max(coordinates)
    if most == least or np.quantile(np.abs(coordinates), 0.9) > LARGEST_NORMALISED:
        return ""
    return f"The keypoints look normalised, from {least:.2f} to {most:.2f}; pixels are expected."


def _hypotheses(sample: Request, points: np.ndarray, vectors: np.ndarray | None) -> Iterator[Hypothesis]:
    yield from _of_axes(sample, points)
    yield from _of_order(sample, points)
    yield from _of_units(sample, points, vectors)
    yield from _of_view(sample, points)
    yield from _of_image(sample, points)


def _of_axes(sample: Request, points: np.ndarray) -> Iterator[Hypothesis]:
    """Axes of the image that are exchanged or point the other way."""
    keypoints, centre = sample.keypoints_2d, sample.intrinsics[:, None, :2, 2]
    down, left = np.array([1, -1]), np.array([-1, 1])

    def moved(sentence: str, keypoints: np.ndarray) -> Hypothesis:
        return Hypothesis(
            sentence, replace(sample, keypoints_2d=keypoints.astype(sample.dtype, copy=False)), points
        )

    yield moved("The keypoints look as if x and y were exchanged.", keypoints[..., ::-1])
    y_up = "The keypoints look as if y pointed up; it is expected to point down."
    # Measured from the bottom of an image whose centre is the principal point, from the top, from the centre.
    yield moved(y_up, keypoints * down + 2 * centre * [0, 1])
    yield moved(y_up, keypoints * down)
    yield moved(y_up, keypoints * down + centre)
    yield moved(
        "The keypoints look as if measured from the principal point; the image's corner is expected.",
        keypoints + centre,
    )
    # A detector that sees a mirrored image finds a left hand where the right one is.
    mirrored = moved(
        "The keypoints look as if from a mirrored image.", keypoints * left + 2 * centre * [1, 0]
    )
    yield mirrored
    yield mirrored._replace(request=_reordered(mirrored.request, sample.layout.mirror))


def _reordered(request: Request, order: Any) -> Request:
    """Return a request whose keypoint k is the one at order[k]."""
    own = list(order)
    confidence = None if request.confidence is None else request.confidence[:, own]
    return replace(request, keypoints_2d=request.keypoints_2d[:, own], confidence=confidence)


def _of_order(sample: Request, points: np.ndarray) -> Iterator[Hypothesis]:
    """Keypoints in another order: left and right exchanged, or that of another layout."""
    layout = sample.layout
    yield Hypothesis(
        "The keypoints look as if left and right were exchanged throughout.",
        _reordered(sample, layout.mirror),
        points,
    )
    for name in layouts_of(sample.skeleton)[1:]:
        if len(POINTS[name]) == layout.num_points and name != layout.name:
            other = replace(sample, layout=find_layout(name, sample.skeleton))
            yield Hypothesis(
                f"The keypoints look as if in the layout {name!r}, not {layout.name!r}.",
                other,
                _points(other),
            )
    if layout.name == "coco17":
        yield Hypothesis(
            "The keypoints look as if in OpenPose's order, not that of 'coco17'.",
            _reordered(sample, np.argsort(OPENPOSE_17)),
            points,
        )


def _of_units(sample: Request, points: np.ndarray, vectors: np.ndarray | None) -> Iterator[Hypothesis]:
    """Lengths and angles in other units."""
    body = sample.skeleton
    template, shapedirs = np.asarray(body.joint_template), np.asarray(body.joint_shapedirs)
    extent = float(np.ptp(template, axis=0).max())
    for length, unit in UNITS.items():
        yield Hypothesis(
            f"The translation looks as if in {unit}; metres are expected.",
            replace(sample, transl=(sample.transl * length).astype(sample.dtype)),
            points,
        )
        if extent * length > SMALLEST_BODY:
            bones = Skeleton(body.parents, template * length, shapedirs * length, body.joint_names)
            smaller = replace(sample, skeleton=bones)
            yield Hypothesis(
                f"The body looks as if in {unit}, unlike the translation; metres are expected.",
                smaller,
                _points(smaller),
            )
    if vectors is not None:
        turned = replace(sample, pose=matrix_from_axis_angle(np.deg2rad(vectors)))
        yield Hypothesis("The pose looks as if in degrees; radians are expected.", turned, _points(turned))


def _of_view(sample: Request, points: np.ndarray) -> Iterator[Hypothesis]:
    """Estimates that are turned, or in the axes of another camera."""
    root = sample.skeleton.rest_joints(sample.betas)[:, 0]

    def turned(sentence: str, turn: np.ndarray, *, moved: bool) -> Hypothesis:
        pose = sample.pose.copy()
        pose[:, 0] = turn @ pose[:, 0]
        # The translation is added to the root's rest joint, which does not turn.
        transl = (root + sample.transl) @ turn - root if moved else sample.transl
        request = replace(sample, pose=pose, transl=transl.astype(sample.dtype, copy=False))
        return Hypothesis(sentence, request, (points - root[:, None, :]) @ turn + root[:, None, :])

    yield turned("The estimates look turned by 180 degrees about the vertical.", ABOUT_Y, moved=False)
    expected = "x right, y down and z forwards are expected."
    for turn, axes in ((ABOUT_X, "y up and z backwards"), (ABOUT_Z, "x left and y up")):
        yield turned(f"The estimates look as if for a camera with {axes}; {expected}", turn, moved=True)
        sentence = f"The estimates look upside down, as if turned for a camera with {axes}; {expected}"
        yield turned(sentence, turn, moved=False)


def _of_image(sample: Request, points: np.ndarray) -> Iterator[Hypothesis]:
    """Keypoints of another image: another focal length or size, or a crop."""
    visible, projected, keypoints = _visible(sample), _projected(sample, points), sample.keypoints_2d
    visible = visible & np.isfinite(projected).all(axis=-1)
    (centre, size), (own_centre, own_size) = _moments(projected, visible), _moments(keypoints, visible)
    usable = (visible.sum(axis=1) >= FEWEST_POINTS) & (size > 0) & (own_size > 0)
    if not usable.any():
        return
    centre, size, own_centre, own_size = (part[usable] for part in (centre, size, own_centre, own_size))
    principal = sample.intrinsics[:, :2, 2]
    origin = np.broadcast_to(principal, (sample.count, 2))[usable]

    def moved(sentence: str, scale: Any, shift: Any, estimated: int) -> Hypothesis:
        """Undo a scale and shift of the keypoints."""
        own = ((keypoints - shift) / scale).astype(sample.dtype, copy=False)
        return Hypothesis(sentence, replace(sample, keypoints_2d=own), points, estimated)

    def factor(fixed: Any) -> float:
        """Median over the bodies of the least-squares factor about a fixed point, if points correspond."""
        a, b = centre - fixed, own_centre - fixed
        factors = (np.sum(a * b, axis=1) + size * own_size) / (np.sum(a * a, axis=1) + size**2)
        return max(float(np.median(factors)), SMALLEST_FACTOR)

    scale, about = factor(origin), principal[:, None, :]
    yield moved(
        f"The persons look {scale:.2f} times as large as projected: is the focal length that of the image?",
        scale,
        about - scale * about,
        1,
    )
    scale = factor(0.0)
    yield moved(
        f"The keypoints look as if from an image {scale:.2f} times as large as the camera's.", scale, 0.0, 1
    )
    if usable.sum() < FEWEST_BODIES:
        return
    place = "({:.0f}, {:.0f}) pixels, as if from a crop"
    shift = np.median(own_centre - centre, axis=0)
    yield moved(f"The keypoints look shifted by {place.format(*shift)}.", 1.0, shift, 2)
    scale = float(np.median(own_size / size))
    shift = np.median(own_centre - scale * centre, axis=0)
    yield moved(
        f"The keypoints look scaled by {scale:.2f} and shifted by {place.format(*shift)}.", scale, shift, 3
    )
    if _around_each((centre, size), (own_centre, own_size)):
        # Each body's own factor and shift.
        centres, sizes = np.zeros((2, sample.count, 1, 2)), np.ones((2, sample.count, 1, 1))
        centres[:, usable, 0], sizes[:, usable, 0, 0] = (centre, own_centre), (size, own_size)
        scales = sizes[1] / sizes[0]
        yield moved(
            "The keypoints look as if from a crop around each person; pixels of the image are expected.",
            scales,
            centres[1] - scales * centres[0],
            4,
        )


def _around_each(projected: tuple[np.ndarray, np.ndarray], own: tuple[np.ndarray, np.ndarray]) -> bool:
    """Whether the keypoints of all persons have about the same centre and size, which the estimates have not.

    Parameters
    ----------
    projected, own : (centre, size)
        (N, 2) and (N,) arrays, of the projected estimates and of the keypoints.
    """

    def spread(moments: tuple[np.ndarray, np.ndarray]) -> float:
        centre, size = moments
        return float(max(*np.std(centre, axis=0), np.std(size)) / np.median(size))

    return spread(own) < min(CENTRED, spread(projected) / 2)
