"""A small reader of .glb files, which evaluates nodes and skins as the glTF 2.0 specification says."""

import json
import struct

import numpy as np

DTYPES = {5121: "u1", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
SIZES = {"SCALAR": 1, "VEC3": 3, "VEC4": 4, "MAT4": 16}


class GltfFile:
    """The objects of a .glb file, its first scene and its only animation."""

    def __init__(self, path):
        data = path.read_bytes()
        magic, version, length = struct.unpack_from("<4sII", data)
        assert (magic, version, length) == (b"glTF", 2, len(data))
        size, kind = struct.unpack_from("<I4s", data, 12)
        assert kind == b"JSON"
        self.json = json.loads(data[20 : 20 + size])
        binary, kind = struct.unpack_from("<I4s", data, 20 + size)
        assert kind == b"BIN\0"
        self.buffer = data[28 + size : 28 + size + binary]
        self.nodes = self.json["nodes"]
        self.channels = {}
        for animation in self.json.get("animations", ()):
            for channel in animation["channels"]:
                target = channel["target"]["node"], channel["target"]["path"]
                assert target not in self.channels
                self.channels[target] = animation["samplers"][channel["sampler"]]
        self.parents = {child: n for n, node in enumerate(self.nodes) for child in node.get("children", ())}

    def array(self, accessor):
        accessor = self.json["accessors"][accessor]
        view = self.json["bufferViews"][accessor["bufferView"]]
        width = SIZES[accessor["type"]]
        count = accessor["count"] * width
        array = np.frombuffer(self.buffer, DTYPES[accessor["componentType"]], count, view["byteOffset"])
        assert array.nbytes == view["byteLength"]
        return array if width == 1 else array.reshape(-1, width)

    def named(self, name):
        return [n for n, node in enumerate(self.nodes) if node.get("name") == name]

    def values(self, node, path, time):
        """A property of a node at a time, in seconds; None if it has none."""
        if (node, path) in self.channels:
            return self._sampled(self.channels[node, path], path, time)
        return self.nodes[node].get(path)

    def _sampled(self, sampler, path, time):
        times = self.array(sampler["input"]).astype(float)
        values = self.array(sampler["output"]).astype(float).reshape(len(times), -1)
        last = np.clip(np.searchsorted(times, time + 1e-6) - 1, 0, len(times) - 1)
        following = min(last + 1, len(times) - 1)
        if sampler["interpolation"] == "STEP" or following == last:
            return values[last]
        share = np.clip((time - times[last]) / (times[following] - times[last]), 0, 1)
        mixed = (1 - share) * values[last] + share * values[following]  # near enough to slerp for a test
        return mixed / np.linalg.norm(mixed) if path == "rotation" else mixed

    def matrix(self, node, time):
        """Global transform of a node at a time, (4, 4)."""
        local = np.eye(4)
        x, y, z, w = self.values(node, "rotation", time) if self._has(node, "rotation") else (0, 0, 0, 1)
        local[:3, :3] = [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
        if self._has(node, "scale"):
            local[:3, :3] *= self.values(node, "scale", time)
        if self._has(node, "translation"):
            local[:3, 3] = self.values(node, "translation", time)
        return self.matrix(self.parents[node], time) @ local if node in self.parents else local

    def _has(self, node, path):
        return self.values(node, path, 0.0) is not None

    def skinned(self, node, time):
        """Vertices of a skinned mesh node at a time, (V, 3), and its joints, (J, 3)."""
        skin = self.json["skins"][self.nodes[node]["skin"]]
        mesh = self.json["meshes"][self.nodes[node]["mesh"]]
        primitive = mesh["primitives"][0]
        attributes = {name: self.array(one) for name, one in primitive["attributes"].items()}
        rest = attributes["POSITION"].astype(float)
        weights = self.values(node, "weights", time)
        weights = mesh.get("weights") if weights is None else weights
        for number, target in enumerate(primitive.get("targets", ())):
            rest = rest + weights[number] * self.array(target["POSITION"])
        inverse = self.array(skin["inverseBindMatrices"]).reshape(-1, 4, 4).transpose(0, 2, 1)
        frames = np.stack([self.matrix(joint, time) for joint in skin["joints"]])
        transforms = (frames @ inverse)[attributes["JOINTS_0"]]
        blended = np.einsum("vk,vkij->vij", attributes["WEIGHTS_0"].astype(float), transforms)
        return np.einsum("vij,vj->vi", blended[:, :3, :3], rest) + blended[:, :3, 3], frames[:, :3, 3]
