"""Files of estimates that are hostile, damaged or unknown: one sentence each, and nothing is run."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import pickle
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from kitro_np import InputError, read_estimates
from kitro_np.safe_io.inflate import inflate
from kitro_np.safe_io.pickle_arrays import RefusedError
from kitro_np.safe_io.pickle_tree import as_array, parse_tree

joblib = pytest.importorskip("joblib")


def refusal(path, **options):
    """Read a file that must be refused; return the message, one sentence that begins with the path."""
    with pytest.raises(InputError) as caught:
        read_estimates(path, **options)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "expected" in message
    assert "got" in message
    assert "\n" not in message
    return message


class Runs:
    """Makes a folder when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


def save(path, value, how):
    if how == "joblib":
        joblib.dump(value, path)
    elif how == "npy":
        np.save(path, np.array(value, dtype=object), allow_pickle=True)
    elif how == "npz":
        np.savez(path, pose=np.zeros((2, 72)), betas=np.array(value, dtype=object), transl=np.zeros((2, 3)))
    else:
        path.write_bytes(pickle.dumps(value, protocol=int(how)))
    return path


@pytest.mark.parametrize("how", ["0", "2", "4", "5", "joblib", "npy", "npz"])
def test_nothing_that_a_file_names_is_run(tmp_path, how):
    suffix = how if how in ("npy", "npz") else "pkl"
    path = save(tmp_path / f"a.{suffix}", {"pose": Runs(tmp_path / "run")}, how)
    assert "nothing was executed" in refusal(path)
    assert not (tmp_path / "run").exists()


def test_objects_within_a_joblib_array_are_not_run(tmp_path):
    path = tmp_path / "a.pkl"
    joblib.dump({"pose": np.array([Runs(tmp_path / "run")], dtype=object)}, path)
    assert "nothing was executed" in refusal(path)
    assert not (tmp_path / "run").exists()


def tracks():
    rng = np.random.default_rng(1)
    return {
        n: {
            "pose": rng.normal(size=(4, 72)),
            "trans": rng.normal(size=(4, 3)),
            "betas": rng.normal(size=(4, 10)),
            "frame_ids": np.arange(4),
        }
        for n in range(3)
    }


@pytest.mark.parametrize("compress", [0, 3])
def test_a_file_cut_anywhere_is_refused(tmp_path, compress):
    whole = tmp_path / "whole.pkl"
    joblib.dump(tracks(), whole, compress=compress)
    data = whole.read_bytes()
    assert len(read_estimates(whole)) == 12
    for end in np.linspace(0, len(data) - 1, 60).astype(int):
        path = tmp_path / f"{end}.pkl"
        path.write_bytes(data[:end])
        refusal(path)


def test_a_file_changed_anywhere_is_read_or_refused(tmp_path):
    path = tmp_path / "a.pkl"
    joblib.dump(tracks(), path)
    data = bytearray(path.read_bytes())
    rng = np.random.default_rng(2)
    for place in rng.integers(0, len(data), 300):
        changed = bytearray(data)
        changed[place] = rng.integers(256)
        path.write_bytes(changed)
        try:
            read_estimates(path)
        except InputError as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize("index", [10**6, 2**32 - 1])
def test_a_forged_count_of_objects_allocates_nothing(tmp_path, index):
    path = tmp_path / "a.pkl"
    path.write_bytes(b"\x80\x02}r" + struct.pack("<I", index) + b".")
    assert "one with gaps" in refusal(path)


def test_a_forged_shape_is_refused(tmp_path):
    path = tmp_path / "a.pkl"
    joblib.dump({"pose": np.zeros((77, 72))}, path)
    data = path.read_bytes()
    assert data.count(b"K\x4dK\x48") == 1
    path.write_bytes(data.replace(b"K\x4dK\x48", b"K\xffK\xff"))
    assert "bytes of an array" in refusal(path)


@pytest.mark.parametrize("compress", [zlib.compress, gzip.compress, bz2.compress, lzma.compress])
def test_what_inflates_is_bounded(compress):
    data = compress(bytes(2**22))
    assert inflate(data, 2**22) == bytes(2**22)
    with pytest.raises(RefusedError, match=r"at most 1000000 bytes when inflated"):
        inflate(data, 10**6)


def test_lz4_and_old_joblib_files_are_told():
    with pytest.raises(RefusedError, match="lz4"):
        inflate(b"\x04\x22\x4d\x18abc")
    with pytest.raises(RefusedError, match=r"joblib since 0\.10"):
        inflate(b"ZF0x10 abc")


def test_a_list_that_holds_itself_is_refused(tmp_path):
    tree = tracks()
    tree[0]["pose"] = loop = []
    loop.append(loop)
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps(tree))
    refusal(path)


@pytest.mark.parametrize("protocol", range(6))
def test_a_tree_is_read_as_pickle_reads_it(protocol):
    tree = {
        "text": "häuser",
        "numbers": [0, 1, -1, 255, 65535, -(2**31), 2**40, 1.5, True, False, None],
        "nested": {"a": [(1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), ()], 7: b"bytes", np.int64(8): "eight"},
        "array": np.arange(6.0).reshape(2, 3),
        "again": None,
    }
    tree["again"] = tree["nested"]
    read, _ = parse_tree(pickle.dumps(tree, protocol=protocol))
    assert read["text"] == tree["text"] or protocol == 0
    assert read["numbers"] == tree["numbers"]
    assert read["nested"]["a"] == tree["nested"]["a"]
    assert read["nested"][8] == "eight"
    assert read["again"] is read["nested"]
    np.testing.assert_array_equal(as_array(read["array"]), tree["array"])


@pytest.mark.parametrize("compress", [0, "zlib"])
def test_arrays_are_read_as_joblib_reads_them(tmp_path, compress):
    """Records that repeat are recognised by their bytes: shapes, types and orders must not be confused."""
    rng = np.random.default_rng(3)
    arrays = []
    for _ in range(40):
        shape = tuple(rng.integers(0, 4, rng.integers(1, 4)))
        array = np.asarray(rng.normal(size=shape) * 50).astype(
            rng.choice(["f4", "f8", "i8", "u1", ">f4", "?"])
        )
        arrays.append(np.asfortranarray(array) if rng.random() < 0.3 else array)
    arrays += [np.array(["a", "bc"]), np.arange(3), np.array([{"x": np.arange(2)}, None], dtype=object)]
    path = tmp_path / "a.pkl"
    joblib.dump({"arrays": arrays, "pair": {"x": arrays[5]}}, path, compress=compress)
    read, _ = parse_tree(inflate(path.read_bytes()))
    for ours, theirs in zip(read["arrays"][:-1], arrays[:-1], strict=True):
        ours = as_array(ours)
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(as_array(read["arrays"][-1][0]["x"]), [0, 1])
    np.testing.assert_array_equal(as_array(read["pair"]["x"]), arrays[5])


def test_a_type_that_is_defined_again_may_be_referred_to():
    """Each array has a type of its own: equal records define it, and another array refers to one of them."""
    arrays = [np.arange(3).astype(">f4") for _ in range(3)]
    file = io.BytesIO()
    joblib.dump([*arrays, arrays[-1].copy()], file)
    read, _ = parse_tree(file.getvalue())
    for array in read:
        np.testing.assert_array_equal(as_array(array), np.arange(3))


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "int64", "bool"])
def test_tensors_in_pickles_are_read_without_torch(dtype):
    torch = pytest.importorskip("torch")
    tensor = torch.arange(24).reshape(4, 6).to(getattr(torch, dtype))
    views = [tensor, tensor[1:, ::2], tensor.T, tensor[0, 0], tensor[:0]]
    read, _ = parse_tree(pickle.dumps(views))
    for ours, theirs in zip(read, views, strict=True):
        np.testing.assert_array_equal(as_array(ours), theirs.numpy())


def test_a_forged_view_of_a_tensor_is_refused():
    torch = pytest.importorskip("torch")
    data = pickle.dumps(torch.zeros(3, 77))
    assert data.count(b"K\x03KM\x86") == 1
    read, _ = parse_tree(data.replace(b"K\x03KM\x86", b"K\xffKM\x86"))
    with pytest.raises(RefusedError, match="ends at number"):
        as_array(read)


def test_an_unknown_file_says_what_it_looks_most_like(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, poses=np.zeros((2, 72)), trans=np.zeros((2, 3)), other=np.zeros(3))
    message = refusal(path)
    assert "a dict of poses, trans, other" in message
    assert "looks most like AMASS, with poses, trans but without betas" in message
    joblib.dump([1, 2, 3], tmp_path / "list.pkl")
    assert "a list of 3" in refusal(tmp_path / "list.pkl")
    np.save(tmp_path / "b.npy", np.zeros((4, 5)))
    assert "an array of shape (4, 5)" in refusal(tmp_path / "b.npy")


def test_a_named_format_says_what_is_missing(tmp_path):
    path = tmp_path / "a.pkl"
    joblib.dump(tracks(), path)
    assert read_estimates(path, format="wham").source == "WHAM"
    assert "without pred_cam" in refusal(path, format="VIBE")
    with pytest.raises(InputError, match=r"^format: expected one of .*WHAM.*got 'WHAMM'"):
        read_estimates(path, format="WHAMM")


@pytest.mark.parametrize("size", [(0, 3), (1, 2, 3), "ab", (float("nan"), 1)])
def test_a_wrong_image_size_is_refused(size):
    with pytest.raises(InputError, match=r"^image_size: expected width and height"):
        read_estimates({}, image_size=size)


def change(tree, key, value):
    return {n: {**track, key: value} for n, track in tree.items()}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("pose", np.zeros((4, 71))),
        ("pose", np.array(["a"] * 4)),
        ("pose", None),
        ("trans", np.zeros((3, 3))),
        ("betas", np.zeros(10)),
        ("frame_ids", np.arange(3)),
        ("frame_ids", np.array([0.5, 1, 2, 3])),
        ("trans", {"x": 1}),
    ],
)
def test_wrong_arrays_are_named(tmp_path, key, value):
    path = tmp_path / "a.pkl"
    joblib.dump(change(tracks(), key, value), path)
    assert f": {key}: expected" in refusal(path)


@pytest.mark.parametrize("missing", ["body_pose", "betas", "global_orient"])
def test_phalp_without_a_part_of_its_body(tmp_path, missing):
    smpl = {"body_pose": np.zeros((23, 3, 3)), "betas": np.zeros(10), "global_orient": np.zeros((1, 3, 3))}
    del smpl[missing]
    frame = {"tid": [1], "smpl": [smpl], "camera": [np.zeros(3)], "size": [[720, 1280]], "tracked_time": [0]}
    joblib.dump({"a.jpg": frame}, tmp_path / "a.pkl")
    assert "global_orient, body_pose and betas" in refusal(tmp_path / "a.pkl")
    frame["tid"] = 3
    joblib.dump({"a.jpg": frame}, tmp_path / "a.pkl")
    assert "PHALP's layout" in refusal(tmp_path / "a.pkl")
    frame |= {"tid": [1], "smpl": []}
    joblib.dump({"a.jpg": frame}, tmp_path / "a.pkl")
    assert "smpl: expected 1" in refusal(tmp_path / "a.pkl")


def test_other_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="expected a file"):
        read_estimates(tmp_path / "none.pkl")
    assert "EasyMocap" in refusal(tmp_path)
    for name, data in {
        "empty.pkl": b"",
        "text.pkl": b"hello, this is no pickle",
        "damaged.npy": b"\x93NUMPY\x09\x09",
        "damaged.json": b'{"a": ',
        "damaged.npz": b"PK\3\4 no archive",
        "zlib.pkl": b"\x78\x9c no zlib",
        "nested.pkl": b"\x80\x04" + b"(" * 1000 + b".",
    }.items():
        (tmp_path / name).write_bytes(data)
        refusal(tmp_path / name)
    Path(tmp_path / "deep.json").write_text("[" * 100_000, encoding="utf-8")
    refusal(tmp_path / "deep.json")


def test_torch_files_of_before_1_6_are_told(tmp_path):
    torch = pytest.importorskip("torch")
    stream = io.BytesIO()
    torch.save({"pose": torch.zeros(2)}, stream, _use_new_zipfile_serialization=False)
    (tmp_path / "old.pt").write_bytes(stream.getvalue())
    assert "before torch 1.6" in refusal(tmp_path / "old.pt")
