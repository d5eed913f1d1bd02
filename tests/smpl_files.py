"""Makers of files that look like the licensed SMPL-family releases, with invented numbers.

The pickles are what Python 2 wrote: byte strings for text and for array content, the module names of their
time, chumpy objects with their bookkeeping. Neither chumpy nor scipy needs to be installed.
"""

import io
import pickle
import sys
import types
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

Members = dict[str, Any]


class Record:
    """An instance is pickled as one of the class it stands for, with the attributes given."""

    def __init__(self, **state: Any) -> None:
        self.__dict__.update(state)


def stand_in(module: str, name: str) -> type[Record]:
    """Make a class that pickles under another module's name; `dump` lends it that module."""
    return type(name, (Record,), {"__module__": module})


Ch = stand_in("chumpy.ch", "Ch")
Add = stand_in("chumpy.ch_ops", "add")
Select = stand_in("chumpy.reordering", "Select")
Reshape = stand_in("chumpy.reordering", "Reshape")
Transpose = stand_in("chumpy.reordering", "transpose")
SPARSE = {
    (layout, module): stand_in(module, f"{layout}_matrix")
    for layout in ("csc", "csr", "coo")
    for module in (f"scipy.sparse.{layout}", f"scipy.sparse._{layout}")
}


def ch(array: Any) -> Record:
    """Wrap an array as chumpy does, bookkeeping included."""
    return Ch(x=array, _dirty_vars=set(), _itr=None, _depends_on_deps={}, _make_dense=False)


def sparse(dense: np.ndarray, layout: str = "csc", module: str | None = None) -> Record:
    """Compress a matrix into the state of a scipy.sparse one."""
    cls = SPARSE[layout, module or f"scipy.sparse.{layout}"]
    table = dense.T if layout == "csc" else dense
    major, minor = np.nonzero(table)
    values = table[major, minor]
    if layout == "coo":
        return cls(
            _shape=dense.shape, row=major.astype("i4"), col=minor.astype("i4"), data=values, maxprint=50
        )
    indptr = np.searchsorted(major, np.arange(len(table) + 1)).astype("i4")
    return cls(_shape=dense.shape, indptr=indptr, indices=minor.astype("i4"), data=values, maxprint=50)


class Python2Pickler(pickle._Pickler):
    """Writes text and bytes as Python 2's byte strings."""

    dispatch: ClassVar[dict[type, Any]] = dict(pickle._Pickler.dispatch)

    def save_bytes(self, value: bytes) -> None:
        self._write_string(value)
        self.memoize(value)

    def save_text(self, value: str) -> None:
        self._write_string(value.encode("latin1"))
        self.memoize(value)

    def _write_string(self, value: bytes) -> None:
        if self.proto == 0:
            self.write(b"S" + repr(value)[1:].encode("ascii") + b"\n")
        elif len(value) < 256:
            self.write(pickle.SHORT_BINSTRING + bytes([len(value)]) + value)
        else:
            self.write(pickle.BINSTRING + len(value).to_bytes(4, "little") + value)

    dispatch[bytes] = save_bytes
    dispatch[str] = save_text


def dump(value: Any, protocol: int = 2, python2: bool = True) -> bytes:
    """Pickle as Python 2 with NumPy 1 would (protocols 0 to 2), or as this Python does."""
    stream = io.BytesIO()
    with lent_modules():
        if not python2:
            pickle.dump(value, stream, protocol)
            return stream.getvalue()
        Python2Pickler(stream, protocol).dump(value)
    return stream.getvalue().replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")


@contextmanager
def lent_modules() -> Iterator[None]:
    """Put the stand-ins where pickle checks for them, and take them away again."""
    classes = [Ch, Add, Select, Reshape, Transpose, *SPARSE.values()]
    names = {"chumpy", "scipy", "scipy.sparse"} | {cls.__module__ for cls in classes}
    before = {name: sys.modules.get(name) for name in names}
    for name in names:
        sys.modules[name] = types.ModuleType(name)
    for cls in classes:
        setattr(sys.modules[cls.__module__], cls.__name__, cls)
    try:
        yield
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


def body(vertices: int = 20, joints: int = 4, betas: int = 10, seed: int = 0) -> Members:
    """Invent a body, under the keys of the releases, all plain arrays."""
    rng = np.random.default_rng(seed)
    kintree = np.array([[0xFFFFFFFF, *rng.integers(0, np.arange(1, joints))], range(joints)], np.uint32)
    weights = rng.random((vertices, joints))
    regressor = rng.random((joints, vertices)) * (rng.random((joints, vertices)) < 0.3)
    return {
        "v_template": rng.normal(size=(vertices, 3)),
        "shapedirs": rng.normal(size=(vertices, 3, betas)),
        "posedirs": rng.normal(size=(vertices, 3, 9 * (joints - 1))),
        "J_regressor": regressor,
        "weights": weights / weights.sum(axis=1, keepdims=True),
        "kintree_table": kintree,
        "f": rng.integers(0, vertices, (vertices, 3)).astype(np.uint32),
    }


def smpl_v100(members: Members) -> Members:
    """Dress a body as SMPL v1.0.0: chumpy leaves, sparse regressor, unneeded chumpy expressions."""
    leaves = {key: ch(members[key]) for key in ("v_template", "shapedirs", "posedirs", "weights")}
    joints = ch(members["J_regressor"] @ members["v_template"])
    cache = {((3, 4), None): sparse(np.eye(3))}  # a tuple for a key, as chumpy's reorderings have
    return {
        **members,
        **leaves,
        "J_regressor": sparse(members["J_regressor"]),
        "J": Transpose(a=joints, axes=None, dr_lookup=cache),
        "v_shaped": Add(a=leaves["v_template"], b=1.0),
        "bs_type": "lrotmin",
        "bs_style": "lbs",
        "vert_sym_idxs": np.arange(len(members["v_template"])),
        "J_regressor_prior": sparse(members["J_regressor"]),
        "odd": np.array([None, {}], dtype=object),
    }


def mano(members: Members) -> Members:
    """Dress a body as MANO: flat bases, shapedirs selected from a wider one."""
    shapedirs = members["shapedirs"]
    wide = np.concatenate([shapedirs, -shapedirs], axis=2)
    chosen = np.arange(wide.size).reshape(wide.shape)[:, :, : shapedirs.shape[2]]
    return {
        **smpl_v100(members),
        "shapedirs": Select(a=ch(wide), idxs=chosen.ravel(), preferred_shape=chosen.shape),
        "posedirs": members["posedirs"].ravel(),
        "hands_components": np.eye(5),
        "hands_coeffs": np.ones((2, 5)),
        "hands_mean": np.zeros(5),
    }


def smplh(members: Members) -> Members:
    """Dress a body as SMPL-H merged with MANO's hands: both hands' pose spaces beside the body."""
    hands = {f"hands_{key}{side}": np.ones((3, 45)) for key in ("components", "coeffs") for side in "lr"}
    means = {f"hands_mean{side}": np.zeros(45) for side in "lr"}
    return {**members, **hands, **means, "bs_type": np.array(b"lrotmin"), "bs_style": np.array(b"lbs")}


def smplx(members: Members) -> Members:
    """Dress a body as SMPL-X's .npz: object members, and a key that is named like an argument of numpy."""
    return {
        **members,
        "allow_pickle": np.array(True),
        "joint2num": np.array({"Pelvis": 0}, dtype=object),
        "lmk_faces_idx": np.arange(5),
        "vt": np.zeros((3, 2)),
    }


def write_npz(path: Path, members: Members) -> Path:
    """Write an .npz with any member names, object members pickled."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for key, value in members.items():
            with archive.open(key + ".npy", "w") as member:
                np.lib.format.write_array(member, np.asarray(value), allow_pickle=True)
    return path


def write_pickle(path: Path, members: Any, protocol: int = 2, python2: bool = True) -> Path:
    """Write a pickle, see `dump`."""
    path.write_bytes(dump(members, protocol, python2))
    return path
