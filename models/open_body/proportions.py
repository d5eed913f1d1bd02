"""Step 5: give an adult the proportions of a person by a smooth change of the T-pose.

In the T-pose heights belong to legs, trunk and head, and x to the arms, so a few curves do it. Every vertex
is placed in three ways, which are blended by how far it belongs to the arms, the legs or the trunk:

- trunk and head: y by the curve of heights; x and z from the axis of the trunk, times factors at each height;
- a leg: y by the same curve; x and z from the axis of the leg, times factors of its own;
- an arm: x by a curve of its own; y and z from the axis of the arm, times factors along it.

The curves go through the joints, the factors through the places where girths and breadths are measured; they
are found by measuring what came out. Curves are PCHIPs: they never overshoot, so nothing folds. How far a
vertex belongs to an arm is its skinning weight, spread over some centimetres of skin, so that the surface
stays fair; legs begin gradually between the hips and the crotch.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.sparse import diags_array
from scipy.sparse.linalg import splu

from ..shared.smpl_skeleton import JOINT, JOINT_NAMES
from .chest import cotangent_laplacian
from .girths import Part, measure
from .people import Person

SPREAD = 400.0
"""How far shares spread over the skin: the square of the distance in edges."""

ROUNDS = 4
"""Of measuring and widening; they converge to a millimetre."""

ARM = ("shoulder", "elbow", "wrist", "hand")
LEG = ("hip", "knee", "ankle", "foot")

Curve = Callable[[np.ndarray], np.ndarray]


ARM_JOINTS, LEG_JOINTS = (
    np.array([name.split("_")[-1] in limb for name in JOINT_NAMES], dtype=float) for limb in (ARM, LEG)
)
"""1 for joints of the arms, or of the legs, else 0."""


def arm_shares(mean: np.ndarray, faces: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Spread the arms' skinning weights, of (v, 24), over the mean skin (v, 3)."""
    laplacian = cotangent_laplacian(mean, faces)
    solver = splu((diags_array(np.ones(len(mean))) + SPREAD * laplacian).tocsc())
    return np.clip(solver.solve(weights @ ARM_JOINTS), 0, 1)


def crotch_of(mean: np.ndarray) -> int:
    """Return the vertex at the crotch: the lowest of the midline."""
    midline = np.flatnonzero(np.abs(mean[:, 0]) < 1e-4)
    return int(midline[mean[midline, 1].argmin()])


def give_proportions(
    skin: np.ndarray, joints: np.ndarray, arm: np.ndarray, crotch: int, person: Person
) -> tuple[np.ndarray, np.ndarray]:
    """Return skin (v, 3) and joints (24, 3) of an adult with the proportions of the person, feet at y = 0."""
    size = person.measures["stature"] / np.ptp(skin[:, 1])
    skin, joints = (size * (points - [0, skin[:, 1].min(), 0]) for points in (skin, joints))
    change = Change(skin, joints, skin[crotch, 1], person)
    for _ in range(ROUNDS):
        change.widen(measure(change.place(skin, arm), arm, change.parts))
    return change.place(skin, arm), change.place(joints, ARM_JOINTS, LEG_JOINTS)


class Change:
    """The change from an adult of the person's stature to the person."""

    def __init__(self, skin: np.ndarray, joints: np.ndarray, crotch: float, person: Person) -> None:
        self.person = person
        measures, wanted = person.measures, person.joints
        left = {name: joints[JOINT[f"left_{name}"]] for name in (*ARM, *LEG)}
        neck, head = joints[JOINT["neck"]], joints[JOINT["head"]]
        stature, tip = measures["stature"], np.abs(skin[:, 0]).max()

        heights = {
            0.0: 0.0,
            left["ankle"][1]: wanted["ankle"],
            left["knee"][1]: wanted["knee"],
            crotch: measures["crotchheight"],
            left["hip"][1]: wanted["hip"],
            left["shoulder"][1]: wanted["shoulder"],
            neck[1]: wanted["neck"],
            head[1]: stature - wanted["head_below_top"],
            stature: stature,
        }
        self.height = through(heights)
        self.leg_axis = line_through([left["ankle"], left["knee"], left["hip"]], along=1)
        self.leg_begins = through({left["hip"][1]: 0.0, crotch - 0.03 * stature: 1.0}, beyond=False)
        self.legs_apart = wanted["hip_half_breadth"] - left["hip"][0]
        self.trunk_axis = middle_of_depth(skin, joints, left["hip"][1], left["shoulder"][1], stature)

        reach = np.cumsum(
            [wanted["shoulder_half_breadth"], wanted["upper_arm"], wanted["forearm"], measures["handlength"]]
        )
        bends = (left["shoulder"][0], left["elbow"][0], left["wrist"][0], tip)
        self.out = through({0.0: 0.0, **dict(zip(bends, reach, strict=True))})
        self.arm_axis = line_through([left["shoulder"], left["elbow"], left["wrist"]], along=0)
        self.arms_up = wanted["shoulder"] - left["shoulder"][1]
        self.shoulder_width = wanted["shoulder_half_breadth"] / left["shoulder"][0]

        self.parts = parts_of(person)
        self.hand = measures["handlength"] / (tip - left["wrist"][0])
        self.factors = {name: 1.0 for part in self.parts for name in part.measures}

    def widen(self, found: dict[str, float]) -> None:
        """Correct the factors by the measures that were found."""
        for name, value in found.items():
            self.factors[name] *= self.person.wanted(name) / value

    def profile(self, of: str, axis: int, ends: dict[float, float] | None = None) -> Curve:
        """Factors of the trunk, a leg or an arm along it; axis 0 is the breadth, 1 the depth."""
        places = {
            part.place: self.factors[part.measures[min(axis, len(part.measures) - 1)]]
            for part in self.parts
            if part.of == of
        }
        return through({**places, **(ends or {})}, beyond=False)

    def place(self, points: np.ndarray, in_arm: np.ndarray, in_leg: np.ndarray | None = None) -> np.ndarray:
        """Place points by how far they belong to an arm and to a leg, which skin does by its height."""
        x, y, z = points.T
        side, out = np.sign(x), np.abs(x)
        high, reach = self.height(y), self.out(out)
        shoulder = self.person.joints["shoulder"]

        middle = self.trunk_axis(y)
        jaw = self.person.joints["jaw"]
        x_factor = self.profile("trunk", 0, {shoulder: self.shoulder_width, jaw: self.factors["headbreadth"]})
        z_factor = self.profile("trunk", 1, {jaw: self.factors["headlength"]})
        trunk = x_factor(high) * x, high, middle + z_factor(high) * (z - middle)

        axis_x, axis_z = self.leg_axis(y)
        leg_x = axis_x + self.legs_apart + self.profile("leg", 0)(high) * (out - axis_x)
        leg = side * leg_x, high, axis_z + self.profile("leg", 1)(high) * (z - axis_z)

        axis_y, axis_z = self.arm_axis(out)
        knuckles = self.person.arm_joint("wrist") + 0.3 * self.person.measures["handlength"]
        width = self.profile("arm", 0, {knuckles: self.hand})(reach)
        arm = side * reach, axis_y + self.arms_up + width * (y - axis_y), axis_z + width * (z - axis_z)

        in_leg = (1 - in_arm) * self.leg_begins(y) if in_leg is None else in_leg
        rest = 1 - in_arm - in_leg
        return (rest * np.stack(trunk) + in_leg * np.stack(leg) + in_arm * np.stack(arm)).T


def parts_of(person: Person) -> list[Part]:
    """Where the person is measured, and what."""
    measures, joints = person.measures, person.joints
    stature, knee = measures["stature"], joints["knee"]
    shoulder, elbow, wrist = (person.arm_joint(name) for name in ("shoulder", "elbow", "wrist"))
    skull = stature - 0.55 * joints["head_below_top"]
    throat = joints["neck"] + 0.35 * (stature - joints["head_below_top"] - joints["neck"])
    return [
        Part("trunk", measures["crotchheight"] + 0.035 * stature, ("hipbreadth", "buttockdepth")),
        Part("trunk", measures["waistheightomphalion"], ("waistbreadth", "waistdepth")),
        # Lower than it is measured on people, whose arms hang: raised arms widen the trunk below the armpits.
        Part("trunk", measures["chestheight"] - 0.03 * stature, ("chestbreadth", "chestdepth")),
        Part("trunk", throat, ("neckbreadth",)),
        Part("trunk", skull, ("headbreadth", "headlength")),
        Part("leg", measures["crotchheight"] - 0.02 * stature, ("thighcircumference",)),
        Part("leg", knee + 0.035 * stature, ("lowerthighcircumference",)),
        Part("leg", knee - 0.075 * stature, ("calfcircumference",)),
        Part("leg", joints["ankle"] + 0.03 * stature, ("anklecircumference",)),
        Part("leg", 0.5 * joints["ankle"], ("footbreadthhorizontal", "footlength")),
        Part("arm", shoulder + 0.55 * (elbow - shoulder), ("bicepscircumferenceflexed",)),
        Part("arm", elbow + 0.25 * (wrist - elbow), ("forearmcircumferenceflexed",)),
        Part("arm", wrist, ("wristcircumference",)),
    ]


def through(values: dict[float, float], beyond: bool = True) -> Curve:
    """Return the curve through values at places; beyond the ends of slope 1, or constant."""
    places = sorted(values)
    ends = [values[place] for place in places]
    if beyond:
        places = [places[0] - 1, *places, places[-1] + 1]
        ends = [ends[0] - 1, *ends, ends[-1] + 1]
        return PchipInterpolator(places, ends)
    inner = PchipInterpolator(places, ends)
    return lambda at: inner(np.clip(at, places[0], places[-1]))


def line_through(
    points: list[np.ndarray], along: int
) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Return the two other coordinates of the line through points, as functions of the one along it."""
    points = np.array(sorted(points, key=lambda point: point[along]))
    first, second = (k for k in range(3) if k != along)

    def at(place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return tuple(np.interp(place, points[:, along], points[:, k]) for k in (first, second))

    return at


def middle_of_depth(
    skin: np.ndarray, joints: np.ndarray, hip: float, shoulder: float, stature: float
) -> Curve:
    """Return the middle between front and back of the trunk, the neck and the head, by height."""
    neck, head = joints[JOINT["neck"]], joints[JOINT["head"]]
    places = [*np.linspace(hip, shoulder - 0.06 * stature, 4), (head[1] + stature) / 2]
    values = {}
    for place in places:
        depth = skin[(np.abs(skin[:, 1] - place) < 0.02) & (np.abs(skin[:, 0]) < 0.1), 2]
        values[place] = (depth.min() + depth.max()) / 2
    values[(neck[1] + head[1]) / 2] = (neck[2] + head[2]) / 2
    return through(values, beyond=False)
