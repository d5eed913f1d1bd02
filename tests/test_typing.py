"""A user's script under mypy --strict: right calls pass, wrong ones are found before they run."""

import re
import sys

SCRIPT = """
from typing import Any

import numpy as np
import numpy.typing as npt
import kitro_np
from kitro_np import Kitro, Map, RefineResult, refine

Numbers = npt.NDArray[Any]
data = kitro_np.example()
pose, betas, transl, points, camera = (
    data["pose"], data["betas"], data["transl"], data["keypoints_2d"], data["intrinsics"]
)
result: RefineResult[Numbers] = refine(pose, betas, transl, points, camera)
refine(**data)
refine(pose, betas, transl, points, camera, method="kitro", iterations=5, variant="paper")
refine(pose, betas, transl, points, camera, hypotheses=3, uncertainty=True, keypoint_layout="coco17")
refine(pose, betas, transl, points, camera, method=Kitro(iterations=5), engine="numba", threads=2)
refine(pose, betas, transl, points, camera, method=Map(safe=False), body="open", confidence=[[1.0, 0.5]])
refine([[[0.0, 0.0, 0.0]]], [0.0], [0.0, 0.0, 5.0], [[1, 2]], image_size=(640, 480), focal_length=900.0)
array: Numbers = result.pose
spread: Numbers | None = result.joint_spread
some: RefineResult[Numbers] = RefineResult.concat([result[:3], result[3:]])
places: Numbers = some.joints()
kitro_np.warmup(["map"], ["float32"])
kitro_np.warmup("map", "float64")
rows = [[[0.0, 0.0, 0.0]]]
listed: RefineResult[Numbers] = refine(
    rows, [0.0], [0.0, 0.0, 5.0], [np.zeros((24, 2))], image_size=(640, 480), method="kitro", iterations=5
)
refine(rows, [0.0], [0.0, 0.0, 5.0], [[1, 2]], image_size=(640, 480), uncertainty=True)
refine(pose, betas, transl, points, camera, method=Map(), hypotheses=3)
body = kitro_np.load_body("open")
vertices: Numbers = body.forward(pose, betas).vertices
joints, _ = body.forward([[0.0] * 72], engine="array")
only_joints: Numbers = body.joints(pose, transl=transl)
matrix: Numbers = kitro_np.default_intrinsics((640, 480), np.float32(900.0))
changed = kitro_np.with_focal_length(camera, transl, 1000.0)
depth: Numbers = changed.transl[..., 2]
full: kitro_np.CameraEstimate[Numbers] = kitro_np.crop_to_full_image(transl, transl, (640, 480))
rotations: Numbers = kitro_np.matrix_from_quaternion(np.zeros((24, 4)), "xyzw")
padded: Numbers = kitro_np.pad_pose(rotations)
offsets: Numbers = kitro_np.find_layout("coco17", body).pick(range(5)).offsets
"""

WRONG = {
    "refine(pose, betas, transl, points, camera, iterations=5)": "call-overload",
    "refine(pose, betas, transl, points, camera, method='kitro', hypotheses=2)": "call-overload",
    "refine(pose, betas, transl, points, camera, method='kitor')": "call-overload",
    "refine(pose, betas, transl, points, camera, engine='gpu')": "call-overload",
    "refine(pose, betas, transl, points, camera, keypoint_layout='coco')": "call-overload",
    "refine(pose, betas, transl)": "call-overload",
    "Kitro(variant='published')": "arg-type",
    "Map(iterations=3)": "call-arg",
    "kitro_np.warmup(['maps'])": "list-item",
    "result.joints_3d": "attr-defined",
    "text: str = result.pose": "assignment",
    "body.forward(pose, engine='cuda')": "call-overload",
    "matrices: str = kitro_np.matrix_from_6d(transl)": "assignment",
    "kitro_np.matrix_from_6d(transl, 'row')": "call-overload",
}


def check(path, code):
    from mypy import api

    path.write_text(code, encoding="utf-8")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    options = ["--strict", "--no-error-summary", "--python-version", version, "--config-file", ""]
    cache = ["--cache-dir", str(path.parent / "cache")]
    return api.run([*options, *cache, "--follow-imports=silent", str(path)])[0]


def test_right_and_wrong_calls(tmp_path):
    lines = SCRIPT.strip().splitlines()
    first = len(lines) + 1
    code = "\n".join([*lines, *WRONG]) + "\n"
    found = check(tmp_path / "script.py", code)
    errors = {}
    for number, kind in re.findall(r"script\.py:(\d+): error: .*\[([\w-]+)\]", found):
        errors.setdefault(int(number), kind)
    assert errors == {first + k: kind for k, kind in enumerate(WRONG.values())}, found
