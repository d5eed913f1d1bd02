"""Small files that claim, refer to or inflate to very much: refused in bounded time and memory."""

import io
import json
import pickle
import struct
import subprocess
import sys
import time
import tracemalloc
import zipfile
import zlib
from contextlib import contextmanager, suppress

import numpy as np
import pytest
import smpl_files as make
from hypothesis import given, settings
from hypothesis import strategies as st

import kitro_np
from kitro_np import InputError, memory_limit
from kitro_np.cli.main import main
from kitro_np.errors import MAX_MESSAGE, listed, printable
from kitro_np.evaluation.protocols import regressed_protocol
from kitro_np.formats.estimates import EstimateFile
from kitro_np.formats.threedpw import read_3dpw
from kitro_np.safe_io.memory import LIMITS, parse_size
from kitro_np.safe_io.npz import NpzArrays
from kitro_np.safe_io.pickle_stream import read_pickle
from kitro_np.safe_io.torch_zip import TorchArrays

MB = 10**6


@contextmanager
def bounded(megabytes, seconds=5.0):
    """Fail if more memory or time is taken inside."""
    began = time.perf_counter()
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < megabytes * MB, f"{peak / MB:.1f} MB"
    assert time.perf_counter() - began < seconds


def refusal(read, *args, **options):
    """Return the message of a file that must be refused: one short line."""
    with pytest.raises(InputError) as caught:
        read(*args, **options)
    message = str(caught.value)
    assert message.isprintable() and len(message) < 1000
    assert "expected" in message and "got" in message
    return message


def zeros(rows, columns, dtype="f8"):
    """Return a sparse matrix without entries: a few bytes for any size."""
    kind = make.SPARSE["csr" if rows < columns else "csc", make_module(rows < columns)]
    major = min(rows, columns)
    return kind(
        _shape=(rows, columns),
        indptr=np.zeros(major + 1, "i4"),
        indices=np.zeros(0, "i4"),
        data=np.zeros(0, dtype),
    )


def make_module(by_rows):
    return "scipy.sparse.csr" if by_rows else "scipy.sparse.csc"


def pickled(tmp_path, value):
    path = tmp_path / "body.pkl"
    path.write_bytes(make.dump(value))
    assert path.stat().st_size < 200_000
    return path


# --------------------------------------------------------------------------------- records that are evaluated


def test_texts_and_objects_are_not_selected(tmp_path):
    """Each of the indices would be a text of 200 bytes."""
    many = zeros(2**12, 2**13, "i8")
    path = pickled(tmp_path, {"v": make.Select(a=np.array(["a" * 50]), idxs=many)})
    with bounded(300):
        assert "expected numbers, got dtype <U50" in refusal(read_pickle(path).__getitem__, "v")
    for kind in (
        make.Reshape(a=np.array(["a"]), newshape=(1,)),
        make.Transpose(a=np.array(["a"]), axes=None),
    ):
        assert "expected numbers" in refusal(read_pickle(pickled(tmp_path, {"v": kind})).__getitem__, "v")


@pytest.mark.parametrize("dtype", ["i1", "f4", "f8"])
def test_what_a_record_makes_is_bounded_before_it_is_made(tmp_path, dtype):
    path = pickled(tmp_path, {"v": zeros(2**12, 2**13, dtype)})
    with bounded(1), memory_limit("20MB"):
        message = refusal(read_pickle(path).__getitem__, "v")
    assert "contents of at most 20 MB (--max-memory or max_memory raises it)" in message
    with memory_limit("2GB"):
        assert read_pickle(path)["v"].nbytes == 2**25 * np.dtype(dtype).itemsize


@settings(max_examples=25)
@given(
    size=st.integers(0, 2**18),
    dtype=st.sampled_from(["i1", "f4", "f8"]),
    steps=st.lists(st.sampled_from("srt")),
)
def test_expressions_of_any_size_stay_within_the_limit(tmp_path_factory, size, dtype, steps):
    """Selections, reshapes and transposes of zeros, one of another."""
    value = zeros(max(size, 1), 4, dtype)
    for step in steps[:12]:
        value = (
            make.Select(a=value, idxs=zeros(max(size, 1), 4, "i8"))
            if step == "s"
            else make.Reshape(a=value, newshape=-1)
            if step == "r"
            else make.Transpose(a=value, axes=None)
        )
    path = pickled(tmp_path_factory.mktemp("any"), {"v": value})
    with bounded(12), memory_limit("8MB"), suppress(InputError):
        read_pickle(path)["v"]


@pytest.mark.parametrize("levels", [10, 15])
def test_a_record_that_others_hold_is_evaluated_once(tmp_path, levels):
    """Evaluated where it is held, it would be 2^15 times."""
    value = np.zeros(1000, "i8")
    for _ in range(levels):
        value = make.Select(a=value, idxs=value)
    path = pickled(tmp_path, {"v": value})
    with bounded(2, 1):
        assert read_pickle(path)["v"].shape == (1000,)


def test_a_record_that_holds_itself_is_refused(tmp_path):
    value = make.Select(idxs=np.zeros(1, "i8"))
    value.a = value
    assert "holds itself" in refusal(read_pickle(pickled(tmp_path, {"v": value})).__getitem__, "v")


def test_all_arrays_of_a_file_share_its_limit(tmp_path):
    path = pickled(tmp_path, {f"v{k}": zeros(1000, 1000) for k in range(5)})
    with memory_limit("20MB"):
        arrays = read_pickle(path)
    assert arrays["v0"] is arrays["v0"]
    arrays["v1"]
    assert "got 8 MB after 16" in refusal(arrays.__getitem__, "v2")


# ---------------------------------------------------------------------------------------------- torch's files


def torch_file(path, sizes, strides, numbers=12):
    """Write what torch.save writes for one tensor, with any integers for its sizes."""

    def integers(values):
        return b"(" + b"".join(pickle.dumps(value, 2)[2:-1] for value in values) + b"t"

    value = (
        b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\0"
        b"0X\x03\0\0\0cpu" + pickle.dumps(numbers, 2)[2:-1] + b"tQK\0" + integers(sizes) + integers(strides)
        + b"\x89ccollections\nOrderedDict\n)RtR"
    )  # fmt: skip
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", b"\x80\x02}X\x01\0\0\0x" + value + b"s.")
        archive.writestr("a/data/0", bytes(4 * numbers))
    return path


@pytest.mark.parametrize("sizes", [[2**200] * 5000, [10**4000] * 3, [2**62] * 15, [2**40, 2**40], [1] * 17])
def test_ranks_and_sizes_are_bounded_before_they_are_multiplied(tmp_path, sizes):
    path = torch_file(tmp_path / "a.pt", sizes, [0] * len(sizes))
    with bounded(60, 3):
        message = refusal(TorchArrays(path).__getitem__, "x")
    assert len(message) < 600
    with bounded(60, 3):  # as a tree, where what is no array stays a record
        refusal(kitro_np.read_estimates, path)


def test_a_tensor_outlives_the_file(tmp_path):
    """As another program writes it anew, a mapped storage would end the process."""
    path = torch_file(tmp_path / "a.pt", [3, 4], [4, 1])
    array = TorchArrays(path)["x"]
    path.write_bytes(b"")
    np.testing.assert_array_equal(array, np.zeros((3, 4)))
    path = torch_file(tmp_path / "b.pt", [3, 4], [4, 1])
    whole, arrays = path.read_bytes(), TorchArrays(path)
    path.write_bytes(whole[: len(whole) // 2])
    assert "damaged or incomplete" in refusal(arrays.__getitem__, "x")


# ------------------------------------------------------------------------------------------ frames and people


def sequence(frames, people):
    """Return a sequence of 3DPW whose arrays are sparse zeros."""
    one = {
        "poses": zeros(frames, 72),
        "betas": np.zeros(10),
        "trans": zeros(frames, 3),
        "jointPositions": zeros(frames, 72),
        "poses2d": make.Reshape(a=zeros(frames, 54), newshape=(frames, 3, 18)),
        "campose_valid": make.Reshape(a=zeros(frames, 1), newshape=(frames,)),
        "genders": "m",
    }
    return {
        **{key: [value] * people for key, value in one.items()},
        "sequence": "walk",
        "cam_poses": make.Reshape(a=zeros(frames, 16), newshape=(frames, 4, 4)),
        "cam_intrinsics": np.eye(3),
    }


def test_frames_times_people_are_bounded(tmp_path, open_body):
    path = pickled(tmp_path, sequence(2**15, 16))
    with bounded(20):
        assert "of 524288 bodies" in refusal(read_3dpw, path, open_body)
    path = pickled(tmp_path, sequence(1000, 4))
    with bounded(30), memory_limit("30MB"):  # the limit that is promised holds
        assert len(read_3dpw(path, open_body)) == 4000


@pytest.mark.parametrize("read", [kitro_np.read_estimates, kitro_np.read_keypoints])
def test_lists_that_are_referred_to_again_and_again_are_bounded(tmp_path, read):
    """Ten times a list of ten times a list: 10^9 numbers in 200 bytes."""
    deep = [0.5] * 10
    for _ in range(8):
        deep = [deep] * 10
    track = {"pose": np.zeros((100, 72)), "trans": np.zeros((100, 3)), "betas": np.zeros((100, 10))}
    track["frame_ids"] = np.arange(100)
    person = {"pose_keypoints_2d": [1.0] * 75, "person_id": [-1]}
    for number, tree in enumerate(
        (
            {0: {"pose": deep, "trans": deep, "betas": deep, "frame_ids": np.arange(100)}},
            {number: track for number in range(300)},  # noqa: C420 - one and the same
            [[person] * 2000] * 1000,
        )
    ):
        path = tmp_path / f"{number}.pkl"
        path.write_bytes(pickle.dumps(tree, 4))
        with bounded(40, 20):
            refusal(read, path, max_memory="5MB")


def test_lists_are_not_copied_at_every_call(tmp_path):
    """Five bytes each would copy a list of 100,000 items."""
    tail = b"h\x02h\x01R0" * 5000
    data = b"\x80\x02}q\0(" + b"X\x01\0\0\0a](" + b"N" * 100_000 + b"e\x85q\x01cbuiltins\nlist\nq\x02"
    path = tmp_path / "a.pkl"
    path.write_bytes(data + b"0" + tail + b"Nu.")
    with bounded(60, 5):
        refusal(kitro_np.read_estimates, path)


# --------------------------------------------------------------------------------- what inflates, and headers


def npz(path, **arrays):
    np.savez_compressed(path, **arrays)
    return path


def test_what_an_archive_inflates_to_is_bounded_before_it_is_inflated(tmp_path):
    path = npz(tmp_path / "a.npz", pose=np.zeros((20_000, 72)), betas=np.zeros((20_000, 10)))
    assert path.stat().st_size < 50_000
    with memory_limit("10MB"), bounded(1):
        message = refusal(NpzArrays(path, max_elements=None).__getitem__, "pose")
    assert "at most 10 MB (--max-memory or max_memory raises it), got 11.5 MB" in message
    with memory_limit("12MB"):
        arrays = NpzArrays(path, max_elements=None)
        assert len(arrays["pose"]) == len(arrays["pose"]) == 20_000  # the same key counts once
        assert "after 11.5 MB" in refusal(arrays.__getitem__, "betas")


@pytest.mark.parametrize(
    "shape", [(10**12,), (10**6,), (0, 2**62), (1,) * 40, (10**300,), (2**63,), (-1,), (1000, 999)]
)
def test_a_header_that_claims_another_size_than_its_member(tmp_path, shape):
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    data = b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header + bytes(8 * 1000)
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("pose.npy", data)
    with bounded(2):
        refusal(NpzArrays(path, max_elements=None).__getitem__, "pose")
    (tmp_path / "a.npy").write_bytes(data)
    with bounded(2):
        refusal(regressed_protocol, tmp_path / "a.npy")
        refusal(kitro_np.read_estimates, tmp_path / "a.npy")


def test_a_directory_of_a_million_members_is_refused(tmp_path):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("pose.npy", b"")
    data = stream.getvalue()
    begin, end = data.index(b"PK\1\2"), data.index(b"PK\5\6")
    entry = data[begin:end]
    directory = entry * (2**23 // len(entry) + 1)
    forged = bytearray(data[end:])
    struct.pack_into("<L", forged, 12, len(directory))
    path = tmp_path / "a.npz"
    path.write_bytes(data[:begin] + directory + forged)
    with bounded(5):
        assert "a directory of at most" in refusal(NpzArrays, path)


@pytest.mark.parametrize("piece", [b"[],", b"{},", b"1,", b'"",', b'{"a":1},'])
def test_objects_of_json_are_bounded_before_they_are_made(tmp_path, piece):
    path = tmp_path / "a.json"
    path.write_bytes(b"[" + piece * (2**20 // len(piece)) + b"0]")
    for read in (kitro_np.read_keypoints, kitro_np.read_estimates):
        with bounded(5):
            assert "at most 6 MB" in refusal(read, path, max_memory="6MB")


@settings(max_examples=20)
@given(
    value=st.recursive(
        st.none() | st.floats() | st.integers() | st.text(max_size=20),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=3), inner),
        max_leaves=60,
    ),
    repeat=st.integers(200, 500),
)
def test_the_estimate_of_json_is_no_smaller_than_what_it_takes(value, repeat):
    from kitro_np.safe_io.json_data import parse_json
    from kitro_np.safe_io.memory import budget_of_file

    data = json.dumps([value] * repeat, ensure_ascii=False).encode("utf-8", "surrogatepass")
    with memory_limit("1GB"), budget_of_file("keypoints") as budget:
        tracemalloc.start()
        try:
            try:
                parse_json(data, "keypoints")
            except UnicodeDecodeError:
                return
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak <= budget.most - budget.left + 100_000


@pytest.mark.parametrize("number", [10**400, -(10**400), 10**19])
def test_integers_beyond_floats_are_refused_or_read(tmp_path, number):
    """Found by fuzzing: OverflowError."""
    person = {"person_id": [-1], "pose_keypoints_2d": [number] + [1] * 74}
    (tmp_path / "a.json").write_text(json.dumps({"people": [person]}))
    (tmp_path / "a.pkl").write_bytes(pickle.dumps([[person]]))
    for path in (tmp_path / "a.json", tmp_path / "a.pkl"):
        with suppress(InputError):
            kitro_np.read_keypoints(path, image_size=(1280, 720))


def test_texts_and_tables_are_bounded_before_they_are_made(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"a\n" * 2**20)
    with bounded(10):
        assert "at most 20 MB" in refusal(kitro_np.read_keypoints, path, max_memory="20MB")
    names = "\t\t".join(["Frame#\tTime", *["RHip", "LHip", "Neck", "Nose"]]) + "\t" * 100_000
    path = tmp_path / "a.trc"
    path.write_text(f"PathFileType\nDataRate\tUnits\n60\tm\n{names}\n" + "1\n" * 10_000)
    with bounded(60):
        assert "8 GB" in refusal(kitro_np.read_points, path)


def test_compressed_pickles_are_bounded(tmp_path):
    path = tmp_path / "a.pkl"
    path.write_bytes(zlib.compress(b"\x80\x02(" + b"]" * 2 * MB, 9))
    with bounded(20):
        assert "at most 62500 instructions" in refusal(kitro_np.read_estimates, path, max_memory="4MB")


def test_a_process_with_little_memory_refuses(tmp_path):
    """What tracemalloc does not see counts here, too."""
    bomb = npz(tmp_path / "a.npz", pose=np.zeros((1_000_000, 72), "u1"), betas=np.zeros((2, 10)))
    code = f"""
import resource
import kitro_np
from kitro_np.formats.estimates import EstimateFile
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 40_000_000,) * 2)
def read_pose(path):
    EstimateFile(path).get("pose")
for read in (kitro_np.read_estimates, read_pose, kitro_np.RefineResult.load):
    try:
        with kitro_np.memory_limit("20MB"):
            read({str(bomb)!r})
    except kitro_np.InputError:
        print("refused")
"""
    if not sys.platform.startswith("linux"):
        pytest.skip("limits of address space are Linux's")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split() == ["refused"] * 3, done.stderr


# ------------------------------------------------------------------------------------------- who may say more


@pytest.mark.parametrize(
    ("text", "count"), [("2GB", 2 * 10**9), ("500 mb", 5 * 10**8), ("1.5k", 1500), (7, 7), ("1e9", 10**9)]
)
def test_sizes(text, count):
    assert parse_size(text) == count


@pytest.mark.parametrize(
    "text", ["", "GB", "-1", "0", "nan", "inf", "1e99", True, "9" * 10**6, "2 GB of memory"]
)
def test_what_is_no_size(text):
    assert refusal(parse_size, text).startswith("max_memory: expected a size such as 500MB or 2GB, got")


def test_the_command_line_raises_and_lowers_the_limit(tmp_path, capsys):
    rows = 2000
    path = npz(
        tmp_path / "a.npz",
        pose=np.zeros((rows, 72)),
        betas=np.zeros((rows, 10)),
        transl=np.tile([0, 0, 3.0], (rows, 1)),
        keypoints_2d=np.ones((rows, 24, 2)),
        intrinsics=np.eye(3),
    )
    for command in (["inspect", str(path)], ["refine", str(path), "-o", str(tmp_path / "out.npz")]):
        assert main([*command, "--max-memory", "500kB"]) == 2
        assert "--max-memory" in capsys.readouterr().err
    assert main(["inspect", str(path), "--max-memory", "500MB"]) == 0
    assert main(["inspect", str(path), "--max-memory", "much"]) == 2
    assert "expected a size" in capsys.readouterr().err


def test_ten_million_bodies_are_a_matter_of_the_limit(tmp_path):
    """Their arrays have 5.7 GB; only the sizes matter, so they are of a type without memory."""
    path = npz(tmp_path / "a.npz", pose=np.zeros((10_000, 72), "f4"))
    size = 10_000 * 72 * 4
    with memory_limit(size - 1):
        assert "--max-memory or max_memory raises it" in refusal(EstimateFile(path).get, "pose")
    with memory_limit(size):
        assert EstimateFile(path).get("pose").nbytes == size
    with memory_limit("20GB"):
        assert EstimateFile(path).get("pose").nbytes == size < LIMITS["estimates"]


# --------------------------------------------------------------------------------------------- texts of files

ODD = [
    "\x1b[2J\x1b]0;owned\x07",
    "a\nkitro-np: done",
    "abc\u202egpj",
    "\x9b31m",
    "\u2028",
    "x" * MB,
    "\r",
    "\ud800",
]


@given(st.text())
def test_printable_texts_do_nothing_to_a_terminal(text):
    shown = printable(text)
    assert shown.isprintable() and len(shown) <= 103
    assert printable(shown) == shown
    assert (shown == text) == (text.isprintable() and len(text) <= 100)
    assert str(InputError(text)).isprintable()


def test_letters_of_all_scripts_stay():
    assert printable("Häuser 人 عربي") == "Häuser 人 عربي"
    assert printable("a\x1b\n\u202eb") == r"a\x1b\n\u202eb"
    assert listed([]) == "none"
    assert listed(["a"] * 3, 2) == "a, a, ..."
    assert len(str(InputError("a" * MB))) < MAX_MESSAGE + 10


@pytest.mark.parametrize("text", ODD, ids=range(len(ODD)))
def test_keys_of_files_are_shown_escaped_and_cut(tmp_path, capfd, text):
    safe = text.encode("utf-8", "replace").decode()
    arrays = {safe[:30_000]: np.zeros(3), "b": np.zeros(3)}
    npz(tmp_path / "a.npz", **arrays)
    (tmp_path / "b.pkl").write_bytes(pickle.dumps({text: np.zeros(3), 7: {text: [text]}}, 4))
    (tmp_path / "c.json").write_text(json.dumps({text: {text: [text]}, "people": [{text: 1}]}))
    (tmp_path / "d.pkl").write_bytes(
        pickle.dumps({"sequence": text, "cam_poses": 1, "campose_valid": [text]}, 2)
    )
    (tmp_path / "e.npz").write_bytes(npz(tmp_path / "f.npz", pose=np.array([text[:100]] * 3)).read_bytes())
    for path in sorted(tmp_path.iterdir()):
        for read in (EstimateFile.estimates, kitro_np.read_estimates, kitro_np.read_keypoints):
            refusal(
                lambda path=path, read=read: read(
                    EstimateFile(path) if read is EstimateFile.estimates else path
                )
            )
        assert main(["inspect", str(path)]) == 2
        shown = capfd.readouterr()
        assert shown.out == "" and shown.err.endswith("\n") and shown.err[:-1].isprintable()
