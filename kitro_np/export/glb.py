"""Skinned, animated glTF in one binary file: viewers, Blender, game engines."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays.arguments import check_bool
from ..arrays.rotations import quaternion_from_matrix
from ..body.model import BodyModel
from ..safe_io.atomic_write import atomic_write, check_output
from .bodies import Bodies, Person, Tell, most_of
from .gltf import INDICES, VERTICES, Gltf
from .registry import Export
from .skin import LinearSkin, Morphs, largest_error, morphs_of, normals_of, skin_of

COLOUR = [0.72, 0.62, 0.55, 1.0]
"""Of the skin."""

CENTRED = 1.0
"""Largest difference in pixels between the camera and one of glTF, whose axis meets the image's centre."""

NEAR = 0.01
"""Distance in metres from which on the camera sees."""

CHECKED, FEWEST = 2000, 20
"""Bodies whose vertices are compared, of all people and at least of each: posing all takes long."""

STILL = 1e-7
"""Largest change of a number in a channel that does not move, which is then no channel."""


def write_glb(path: Path, bodies: Bodies, force: bool) -> list[Path]:
    """Write all people, each with a mesh, skin and skeleton, and one animation that moves them together."""
    target = check_output(path, force=force)
    bake = check_bool("bake", bodies.options.get("bake", False))
    body = bodies.mesh_body
    gltf = Gltf("kitro_np")
    material = gltf.add(
        "materials",
        name="skin",
        pbrMetallicRoughness={"baseColorFactor": COLOUR, "metallicFactor": 0, "roughnessFactor": 0.8},
    )
    top: list[int] = _camera(gltf, bodies)
    channels: list[dict[str, Any]] = []
    samplers: list[dict[str, Any]] = []
    errors: list[tuple[float, str]] = []
    most = max(FEWEST, CHECKED // len(np.unique(bodies.person)))
    for person in bodies.people():
        scene = _PersonInScene(gltf, person.turned("y"), bodies)
        skin, morphs, left = _skinned(person, body, bake, most)
        if left is not None:
            errors.append((left, person.name))
        top += scene.add(body, skin, morphs, material)
        for channel in scene.channels:
            channel["sampler"] += len(samplers)
        channels += scene.channels
        samplers += scene.samplers
    if errors:
        _tell_errors(bodies.tell, errors, skin, morphs)
    gltf.add("scenes", nodes=top)
    if channels:
        gltf.add("animations", name="motion", channels=channels, samplers=samplers)
    atomic_write(target, gltf.write)
    return [target]


EXPORT = Export("glb", ".glb", "skinned, animated meshes", write_glb, ("bake",))


def _camera(gltf: Gltf, bodies: Bodies) -> list[int]:
    """Add the camera of the video, to look through; return its node, or none if glTF's cannot be like it."""
    if bodies.intrinsics is None or bodies.image_size is None:
        return []
    (width, height), intrinsics = bodies.image_size, bodies.intrinsics[0]
    focal, skew = intrinsics[[0, 1], [0, 1]], intrinsics[0, 1]
    off = np.abs(intrinsics[:2, 2] - (width / 2, height / 2)).max()
    moves = np.abs(bodies.intrinsics - intrinsics).max()
    if max(off, moves, abs(focal[0] - focal[1]), abs(skew)) > CENTRED or focal.min() <= 0:
        return []
    lens = {
        "yfov": 2 * math.atan(height / (2 * float(focal[1]))),
        "aspectRatio": width / height,
        "znear": NEAR,
    }
    camera = gltf.add("cameras", name="video", type="perspective", perspective=lens)
    return [gltf.add("nodes", name="video_camera", camera=camera)]


class _PersonInScene:
    """Nodes, mesh, skin and channels of one person."""

    def __init__(self, gltf: Gltf, person: Person, bodies: Bodies) -> None:
        self.gltf = gltf
        self.person = person
        self.fps = bodies.fps
        self.frames = (bodies.first_frame, bodies.last_frame)
        self.channels: list[dict[str, Any]] = []
        self.samplers: list[dict[str, Any]] = []
        self._times: int | None = None

    def add(self, body: BodyModel, skin: LinearSkin, morphs: Morphs | None, material: int) -> list[int]:
        """Add everything; return the nodes at the top of the scene."""
        gltf, person = self.gltf, self.person
        nodes = self._joints()
        visible, scale = self._visibility()
        place = gltf.add("nodes", name=person.name, children=[nodes[0]], scale=scale)
        if visible is not None:
            self._channel(place, "scale", *visible, "STEP")
        inverse = np.tile(np.eye(4), (len(nodes), 1, 1))
        inverse[:, :3, 3] = -person.rest_joints
        skin_index = gltf.add(
            "skins",
            name=person.name,
            joints=nodes,
            skeleton=nodes[0],
            # glTF's matrices are column by column.
            inverseBindMatrices=gltf.accessor(inverse.transpose(0, 2, 1).reshape(-1, 16).astype(np.float32)),
        )
        mesh = gltf.add("meshes", name=f"{person.name}_mesh", **self._mesh(body, skin, morphs, material))
        node = gltf.add("nodes", name=f"{person.name}_mesh", mesh=mesh, skin=skin_index)
        if morphs is not None:
            weights = morphs.weights.astype(np.float32)
            if len(weights) > 1:
                self._channel(node, "weights", self._time(), gltf.accessor(weights.ravel()))
        return [place, node]

    def _mesh(
        self, body: BodyModel, skin: LinearSkin, morphs: Morphs | None, material: int
    ) -> dict[str, Any]:
        gltf = self.gltf
        faces = np.asarray(body.faces)
        few = len(skin.vertices) < 2**16 - 1
        few_joints = body.num_joints <= 2**8
        attributes = {
            "POSITION": gltf.accessor(skin.vertices.astype(np.float32), VERTICES, bounds=True),
            "NORMAL": gltf.accessor(normals_of(skin.vertices, faces).astype(np.float32), VERTICES),
            "JOINTS_0": gltf.accessor(skin.joints.astype(np.uint8 if few_joints else np.uint16), VERTICES),
            "WEIGHTS_0": gltf.accessor(skin.weights, VERTICES),
        }
        indices = gltf.accessor(faces.ravel().astype(np.uint16 if few else np.uint32), INDICES)
        primitive = {"attributes": attributes, "indices": indices, "material": material}
        if morphs is None:
            return {"primitives": [primitive]}
        targets = [gltf.accessor(one.astype(np.float32), VERTICES, bounds=True) for one in morphs.targets]
        primitive["targets"] = [{"POSITION": target} for target in targets]
        return {"primitives": [primitive], "weights": morphs.weights[0].tolist()}

    def _joints(self) -> list[int]:
        """Add a node for each joint, children after their parents; return their indices."""
        gltf, person = self.gltf, self.person
        rest = person.skeleton.rest_joints(person.betas)
        base = len(gltf.objects.get("nodes", []))
        nodes = []
        for joint, (name, parent) in enumerate(
            zip(person.skeleton.joint_names, person.skeleton.parents, strict=True)
        ):
            offset = person.root if parent < 0 else rest[:, joint] - rest[:, parent]
            if parent >= 0 and person.one_shape:
                offset = np.broadcast_to(rest[0, joint] - rest[0, parent], offset.shape)
            turn = continuous(quaternion_from_matrix(person.pose[:, joint]))[:, [1, 2, 3, 0]]
            children = [base + child for child in person.skeleton.children[joint]]
            node = gltf.add(
                "nodes",
                name=name,
                children=children or None,
                translation=offset[0].tolist(),
                rotation=turn[0].tolist(),
            )
            nodes.append(node)
            for channel, values in (("translation", offset), ("rotation", turn)):
                if np.ptp(values, axis=0).max() > STILL:
                    self._channel(node, channel, self._time(), gltf.accessor(values.astype(np.float32)))
        return nodes

    def _time(self) -> int:
        """Accessor of this person's times, in seconds from the first frame of all people."""
        if self._times is None:
            self._times = self._seconds(self.person.frame)
        return self._times

    def _seconds(self, frames: np.ndarray) -> int:
        return self.gltf.accessor(((frames - self.frames[0]) / self.fps).astype(np.float32), bounds=True)

    def _visibility(self) -> tuple[tuple[int, int] | None, list[float] | None]:
        """Return times and scales, 0 where there is no body, and the scale at first; None if always seen."""
        frame = self.person.frame
        first, last = self.frames
        ends = frame[np.append(np.diff(frame) > 1, frame[-1] < last)] + 1
        starts = frame[np.append(frame[0] > first, np.diff(frame) > 1)]
        changes = dict.fromkeys(ends.tolist(), 0.0) | dict.fromkeys(starts.tolist(), 1.0)
        if not changes:
            return None, None
        at_first = 1.0 if frame[0] == first else 0.0
        changes[first] = at_first
        times = np.array(sorted(changes))
        scales = np.array([[changes[time]] * 3 for time in times.tolist()], dtype=np.float32)
        return (self._seconds(times), self.gltf.accessor(scales)), [at_first] * 3

    def _channel(self, node: int, path: str, times: int, values: int, how: str = "LINEAR") -> None:
        self.channels.append({"sampler": len(self.samplers), "target": {"node": node, "path": path}})
        self.samplers.append({"input": times, "output": values, "interpolation": how})


def continuous(quaternions: np.ndarray) -> np.ndarray:
    """Choose the signs of quaternions (T, 4) so that neighbours are alike: what lies between is short."""
    flips = np.sum(quaternions[1:] * quaternions[:-1], axis=1) < 0
    signs = np.where(np.append(False, np.cumsum(flips) % 2), -1.0, 1.0)
    signed: np.ndarray = quaternions * signs[:, None]
    return signed


def _skinned(
    person: Person, body: BodyModel, bake: bool, most: int
) -> tuple[LinearSkin, Morphs | None, float | None]:
    """Return a person's skin, morph targets that correct it if asked for, and the error left in metres."""
    skin = skin_of(person, body)
    if skin.exact:
        return skin, None, None
    if not bake:
        return skin, None, largest_error(person, body, skin, most)
    morphs, left = morphs_of(person, body, skin)
    return skin, morphs, left


def _tell_errors(tell: Tell, found: list[tuple[float, str]], skin: LinearSkin, morphs: Morphs | None) -> None:
    """Tell the largest error of all people, with the reasons and targets of the last."""
    error, who = most_of([(1000 * left, name) for left, name in found])
    if morphs is None:
        why = ", ".join(skin.reasons)
        tell(f"{who}: vertices are off by up to {error:.1f} mm: {why}; bake=True corrects them.")
        return
    number = len(morphs.targets)
    targets = "one morph target corrects" if number == 1 else f"{number} morph targets correct"
    tell(f"{who}: {targets} the skin; vertices are off by up to {error:.2f} mm.")
