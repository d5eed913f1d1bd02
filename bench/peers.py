"""Other libraries behind one face: inputs made ready once, then forward or joints, on one thread."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from samples import Batch

from kitro_np import load_body


class Peer(NamedTuple):
    prepare: Callable[[Batch], tuple]  # what the library takes of a batch
    forward: Callable[..., tuple]  # joints and vertices
    joints: Callable[..., Any]  # joints alone, or the least that gives them


def load(name: str, file: Path) -> Peer:
    """Load the body in `file` with a library; ModuleNotFoundError where that is not installed."""
    return PEERS[name](file)


def _kitro_np(engine: str) -> Callable[[Path], Peer]:
    def make(file: Path) -> Peer:
        body = load_body(file)
        return Peer(
            _arrays,
            lambda *inputs: body.forward(*inputs, engine=engine, threads=1),
            lambda *inputs: body.joints(*inputs, engine=engine),
        )

    return make


def _smplx(file: Path) -> Peer:
    _torch()
    body = importlib.import_module("smplx").SMPL(str(file))

    def forward(pose: Any, betas: Any, transl: Any, vertices: bool = True) -> tuple:
        own = {"global_orient": pose[:, :1], "body_pose": pose[:, 1:], "pose2rot": False}
        found = body(betas=betas, transl=transl, return_verts=vertices, **own)
        return found.joints[:, :24], found.vertices

    return Peer(_tensors, forward, lambda *inputs: forward(*inputs, vertices=False)[0])


def _smplfitter(backend: str) -> Callable[[Path], Peer]:
    def make(file: Path) -> Peer:
        if backend == "pt":
            _torch()
        if backend == "nb":
            importlib.import_module("numba").set_num_threads(1)
        library = importlib.import_module(f"smplfitter.{backend}")
        body = library.BodyModel("smpl", "neutral", model_root=str(file.parent))

        def call(pose: Any, betas: Any, transl: Any, vertices: bool) -> dict:
            return body(rel_rotmats=pose, shape_betas=betas, trans=transl, return_vertices=vertices)

        def forward(*inputs: Any) -> tuple:
            found = call(*inputs, vertices=True)
            return found["joints"], found["vertices"]

        prepare = _tensors if backend == "pt" else _arrays
        return Peer(prepare, forward, lambda *inputs: call(*inputs, vertices=False)["joints"])

    return make


def _body_models(backend: str) -> Callable[[Path], Peer]:
    def make(file: Path) -> Peer:
        if backend == "torch":
            _torch()
        library = importlib.import_module(f"body_models.smpl.{backend}")
        body = library.SMPL(model_path=file, rotation_type="rotmat")

        def joints(pose: Any, betas: Any, transl: Any) -> Any:
            own = {"pelvis_rotation": pose[:, 0], "shape": betas, "global_translation": transl}
            return body.forward_skeleton(pose[:, 1:], **own)[..., :3, 3]

        def forward(pose: Any, betas: Any, transl: Any) -> tuple:
            identity = body.prepare_identity(betas)
            own = {"pelvis_rotation": pose[:, 0], "identity": identity, "global_translation": transl}
            skeleton = body.forward_skeleton(pose[:, 1:], **own)
            return skeleton[..., :3, 3], body.forward_vertices(pose[:, 1:], **own)

        return Peer(_tensors if backend == "torch" else _arrays, forward, joints)

    return make


def _torch() -> Any:
    torch = importlib.import_module("torch")
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    return torch


def _arrays(batch: Batch) -> tuple:
    return batch[:3]


def _tensors(batch: Batch) -> tuple:
    return tuple(_torch().from_numpy(np.array(part)) for part in batch[:3])


PEERS: dict[str, Callable[[Path], Peer]] = {
    "kitro_np-numba": _kitro_np("numba"),
    "kitro_np-array": _kitro_np("array"),
    "smplx": _smplx,
    "smplfitter-numpy": _smplfitter("np"),
    "smplfitter-numba": _smplfitter("nb"),
    "smplfitter-torch": _smplfitter("pt"),
    "body-models-numpy": _body_models("numpy"),
    "body-models-torch": _body_models("torch"),
}
