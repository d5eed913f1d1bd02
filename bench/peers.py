"""Other libraries behind one face: inputs made ready once, then forward or joints, on one thread."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from samples import Batch

from kitro_np import fit_points, load_body


class Peer(NamedTuple):
    prepare: Callable[[Batch], tuple]  # what the library takes of a batch
    forward: Callable[..., tuple]  # joints and vertices
    joints: Callable[..., Any]  # joints alone, or the least that gives them


def load(name: str, file: Path) -> Peer:
    """Load the body in `file` with a library; ModuleNotFoundError where that is not installed."""
    return PEERS[name](file)


class Fitter(NamedTuple):
    """Fits to joints alone: each takes (N, J, 3) in float32, and returns pose, betas and translation."""

    known: Callable[[np.ndarray], tuple] | None  # betas are 0
    shared: Callable[[np.ndarray], tuple] | None  # betas are found, the same for all


def load_fitter(name: str, file: Path) -> Fitter:
    """Load what fits the body in `file` to joints; ModuleNotFoundError where the library is not installed."""
    return FITTERS[name](file)


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


def _kitro_np_fitter(file: Path) -> Fitter:
    body = load_body(file)

    def fit(joints: np.ndarray, betas: bool) -> tuple:
        found = fit_points(joints, "smpl24", body=body, betas=betas, scale=False, threads=1)
        return found.pose, found.betas, found.transl

    return Fitter(lambda joints: fit(joints, False), lambda joints: fit(joints, True))


def _smplfitter_fitter(
    backend: str, *, adjust: bool = True, turned: bool = False
) -> Callable[[Path], Fitter]:
    """Return smplfitter's BodyFitter on a body of no vertices, so that it fits joints alone.

    One iteration: with joints alone more change nothing but the time. NumPy's takes all that; Numba's takes
    known betas only (with found ones it needs all vertices or is 60 mm off), torch's found ones only. Its
    final adjustment, the default, brings joints nearer and turns limbs about themselves anyhow. With
    `turned` betas are known, and a first fit gives the root's rotation from which the second one begins.
    """

    def make(file: Path) -> Fitter:
        if backend == "pt":
            _torch()
        if backend == "nb":
            importlib.import_module("numba").set_num_threads(1)
        library = importlib.import_module(f"smplfitter.{backend}")
        none = np.zeros(0, np.int64)
        body = library.BodyModel("smpl", "neutral", model_root=str(file.parent), vertex_subset=none)
        fitter = library.BodyFitter(body)
        own = _torch().from_numpy if backend == "pt" else np.asarray
        wanted = ["relative_orientations", "shape_betas", "trans"]
        asked = {"requested_keys": wanted, "num_iter": 1, "final_adjust_rots": adjust}

        def read(found: dict) -> tuple:
            return tuple(np.asarray(found[key]) for key in wanted)

        def known(joints: np.ndarray) -> tuple:
            count = len(joints)
            betas, vertices = own(np.zeros((count, 10), np.float32)), own(np.zeros((count, 0, 3), np.float32))
            more = {}
            if turned:
                keys = {**asked, "requested_keys": ["pose_rotvecs"]}
                first = fitter.fit_with_known_shape(betas, vertices, own(joints), **keys)["pose_rotvecs"]
                first[:, 3:] = 0
                more["initial_pose_rotvecs"] = first
            return read(fitter.fit_with_known_shape(betas, vertices, own(joints), **asked, **more))

        def shared(joints: np.ndarray) -> tuple:
            vertices = own(np.zeros((len(joints), 0, 3), np.float32))
            found = fitter.fit(vertices, own(joints), beta_regularizer=0.1, share_beta=True, **asked)
            return read(found)

        return Fitter(known if backend != "pt" else None, shared if backend != "nb" and not turned else None)

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

FITTERS: dict[str, Callable[[Path], Fitter]] = {
    "kitro_np": _kitro_np_fitter,
    "smplfitter-numpy": _smplfitter_fitter("np"),
    "smplfitter-numba": _smplfitter_fitter("nb"),
    "smplfitter-torch": _smplfitter_fitter("pt"),
    "smplfitter-numba-unadjusted": _smplfitter_fitter("nb", adjust=False),
    "smplfitter-torch-unadjusted": _smplfitter_fitter("pt", adjust=False),
    "smplfitter-numpy-turned": _smplfitter_fitter("np", adjust=False, turned=True),
}
