"""Results to make pages of, and what a page holds, read as its script does."""

import base64
import json
import zlib
from html.parser import HTMLParser

import numpy as np

import kitro_np
from kitro_np.arrays.poses import as_matrices
from kitro_np.camera import project
from kitro_np.refinement.outcome import Hypotheses
from kitro_np.report.shown import shown_of

KINDS = {"Uint8": "u1", "Int16": "<i2", "Uint16": "<u2", "Uint32": "<u4", "Float32": "<f4"}

HOSTILE = [
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "<img src=x onerror=alert(1)>",
    "'\"&\u2028$script ${arrays}",
]
"""Names of files that would end an element, or be taken for a place of the template."""


def make_shown(count=4, *, hypotheses=0, spread=False, body="open", layout="smpl24", seed=0, **given):
    """Bodies that were "refined" from noisy ones, with truth; `given` goes to shown_of, as frame or fps."""
    rng = np.random.default_rng(seed)
    model = kitro_np.load_body(body)
    joints = model.num_joints
    truth = rng.normal(0, 0.25, (count, joints, 3))
    truth[:, 0] = [np.pi, 0, 0]  # facing the camera, whose y points down
    betas = rng.normal(0, 1, (count, model.num_betas))
    transl = rng.normal((0, 0, 4), 0.2, (count, 3))
    intrinsics = np.array([[1000.0, 0, 500], [0, 1000, 400], [0, 0, 1]])
    placed = kitro_np.find_layout(layout, model)
    points = project(model.joints(truth, betas, transl), intrinsics[None])
    if layout != "smpl24":
        points = rng.normal(500, 50, (count, placed.num_points, 2))

    def bodies(noise):
        pose, _ = as_matrices(truth + noise * rng.normal(0, 0.3, truth.shape), joints)
        own = betas + noise * rng.normal(0, 1, betas.shape)
        return pose, own, transl + noise * rng.normal(0, 0.1, transl.shape)

    pose, shape, place = bodies(0.3)
    ghosts = None
    if hypotheses:
        several = [bodies(0.6) for _ in range(hypotheses)]
        stacked = [np.stack(parts, axis=1) for parts in zip(*several, strict=True)]
        ghosts = Hypotheses(*stacked, np.full((count, hypotheses), 1 / hypotheses))
    status = np.zeros(count, np.int8)
    result = kitro_np.RefineResult(
        pose, shape, place, None, None, np.full(count, 3.0), status,
        quality=rng.normal(3, 1, count), hypotheses=ghosts, method="map", body=model,
        joint_spread=np.full((count, joints), 0.04) if spread else None,
    )  # fmt: skip
    known = {"estimate": bodies(1), "keypoints_2d": points, "image_size": (1000, 800), **given}
    return shown_of(
        result, truth=(truth, betas, transl), intrinsics=intrinsics, keypoint_layout=layout, **known
    )


class PageParser(HTMLParser):
    """Elements of a page: their tags, attributes and texts."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append([tag, dict(attrs), ""])

    def handle_endtag(self, tag):
        self.elements.append(["/", {}, ""])  # what follows is not the element's

    def handle_data(self, data):
        if self.elements:
            self.elements[-1][2] += data

    def all(self, tag):
        return [(attributes, text) for name, attributes, text in self.elements if name == tag]

    def text(self, tag, **attributes):
        """Text of the one element with these attributes."""
        (found,) = [text for own, text in self.all(tag) if attributes.items() <= own.items()]
        return found


def read_page(path):
    """Facts of a page, and its arrays."""
    page = PageParser(path.read_text(encoding="utf-8"))
    facts = json.loads(page.text("script", id="content"))
    raw = zlib.decompress(base64.b64decode(page.text("script", id="arrays")))
    arrays = {}
    for name, place in facts["arrays"].items():
        count = int(np.prod(place["shape"]))
        flat = np.frombuffer(raw, KINDS[place["kind"]], count, place["start"])
        arrays[name] = flat.reshape(place["shape"])
    return facts, arrays


def decoded(arrays, name, row):
    """Vertices and joints of a body of a page, in the camera's frame."""

    def scaled(key, k):
        return arrays[key][k].astype(float) * arrays[f"{key}.unit"][k]

    root, shape = arrays[f"{name}.root"][row].astype(float), arrays[f"{name}.shape"][row].astype(float)
    joints = scaled(f"{name}.joints", row) + root
    w, x, y, z = (arrays[f"{name}.turns"][row].astype(float) / 32767).T
    length = w * w + x * x + y * y + z * z
    turns = np.array(
        [
            [w * w + x * x - y * y - z * z, 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), w * w - x * x + y * y - z * z, 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), w * w - x * x - y * y + z * z],
        ]
    )
    turns = np.moveaxis(turns / length, -1, 0)
    vertices = scaled("template", 0)
    rest = arrays["rest"][0].astype(float)
    for k, share in enumerate(shape):
        vertices = vertices + share * scaled("basis", k)
        rest = rest + share * arrays["rest"][k + 1]
    weights, who = arrays["skinWeights"] / 255.0, arrays["skinJoints"]
    local = vertices[:, None] - rest[who]
    placed = np.einsum("vkab,vkb->vka", turns[who], local) + joints[who]
    return np.einsum("vk,vka->va", weights, placed), joints
