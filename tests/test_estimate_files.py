"""Files of estimates that are broken or forged: one sentence names the file and the key."""

import importlib
import io
import pickle
import struct
import sys
import tracemalloc
import zipfile

import numpy as np
import pytest
from recorded import BODY

from kitro_np import formats
from kitro_np.cli.main import main
from kitro_np.errors import InputError
from kitro_np.formats.estimates import KEYS, EstimateFile
from kitro_np.formats.registry import find_format, known_formats, read_arrays, write_arrays
from kitro_np.safe_io.pickle_arrays import MAX_ELEMENTS

ARRAYS = {
    "pred_theta": np.zeros((2, 24, 3, 3), np.float32),
    "pred_beta": np.zeros((2, 10), np.float32),
    "pred_cam": np.zeros((2, 3), np.float32),
    "keypoints_2d": np.zeros((2, 24, 2), np.float32),
    "intrinsics": np.zeros((2, 3, 3), np.float32),
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "in.npz"


def refusal(path) -> str:
    """Read estimates that must be refused; returns the message, one sentence that names the file."""
    with pytest.raises(InputError) as caught:
        EstimateFile(path).estimates()
    message = str(caught.value)
    assert str(path) in message and message.endswith(".") and "\n" not in message
    return message


def npy(header: str, data: bytes = b"abc") -> bytes:
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + data


def claim(shape: str, descr: str = "<f4") -> str:
    return f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}"


def write(path, member: bytes, name: str = "pred_cam.npy", how: int = zipfile.ZIP_STORED) -> None:
    """Write estimates whose translations are the bytes `member`."""
    np.savez(path, **{key: value for key, value in ARRAYS.items() if key != "pred_cam"})
    with zipfile.ZipFile(path, "a", how) as archive:
        archive.writestr(name, member)


@pytest.mark.parametrize("how", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED], ids=["stored", "deflated"])
@pytest.mark.parametrize(
    ("member", "part"),
    [
        (npy(claim("(1000000000000, 3)")), "expected 12000000000000 bytes"),
        (npy(claim("(1000000000000000000000, 3)")), "pred_cam"),
        (npy(claim("(2, 3)")), "expected 24 bytes"),
        (npy(claim("(-2, -3)"), bytes(24)), "at least 0"),
        (npy("{'descr': '<f4', 'shape': ("), "damaged"),
        (npy(claim("(2, 3)", "|O")), "got dtype object"),
        (npy(claim("(2, 3)", "<U1"), bytes(24)), "dtype <U1"),
        (b"no array", "damaged"),
        (b"", "damaged"),
    ],
    ids=["10^12", "10^21", "short", "negative", "header", "objects", "text", "bytes", "empty"],
)
def test_damaged_and_forged_members(path, how, member, part):
    write(path, member, how=how)
    tracemalloc.start()
    message = refusal(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert part in message and "pred_cam" in message
    assert peak < 2**24


def test_members_that_are_no_arrays_are_missing(path):
    write(path, b"1 2 3", name="pred_cam")
    assert "expected the key transl or pred_cam" in refusal(path)


@pytest.mark.parametrize(("at", "value"), [(8, 0x01), (10, 97)])
def test_encrypted_and_unknown_compression(path, at, value):
    """Bytes 8 and 10 of an entry in the zip's directory: its flags and its compression."""
    np.savez(path, **ARRAYS)
    raw = bytearray(path.read_bytes())
    name = raw.rindex(b"pred_cam.npy")
    raw[name - 46 + at] = value
    path.write_bytes(raw)
    assert "pred_cam: expected an array, got one that is damaged" in refusal(path)


@pytest.mark.parametrize(
    "content",
    [b"hello", b"", pickle.dumps({"pred_theta": 1}), npy(claim("(1,)"))],
    ids=str.split("text empty pickle npy"),
)
def test_other_files_are_told_what_was_expected(path, content):
    path.write_bytes(content)
    message = refusal(path)
    assert "expected an .npz archive, got another file" in message
    assert "pickle" not in message


def test_a_folder_is_no_file(tmp_path):
    assert "expected a file, got a folder" in refusal(tmp_path)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_come_as_they_were_saved(path, save):
    random = np.random.default_rng(4)
    arrays = {key: random.normal(size=value.shape) for key, value in ARRAYS.items()}
    arrays["pred_theta"] = np.asfortranarray(arrays["pred_theta"])
    arrays["pred_cam"] = arrays["pred_cam"].astype(">f4")
    save(path, **arrays)
    for name, value in EstimateFile(path).estimates()._asdict().items():
        np.testing.assert_array_equal(value, arrays[KEYS[name][-1]])


def test_a_clip_is_as_long_as_it_likes(path):
    """A model file's arrays are limited; 155,000 poses would be more than that."""
    long = np.zeros(MAX_ELEMENTS + 1, np.int8)
    stream = io.BytesIO()
    np.save(stream, long)
    write(path, stream.getvalue(), how=zipfile.ZIP_DEFLATED)
    assert EstimateFile(path).estimates().transl.size == long.size


@pytest.mark.parametrize("read", ["optional", "required"])
def test_a_mask_is_read_as_numbers(path, read):
    np.savez(path, **ARRAYS, confidence=np.arange(48).reshape(2, 24) % 3 > 0)
    found = getattr(EstimateFile(path), read)("confidence")
    assert found.dtype == np.float32
    assert np.array_equal(found, np.arange(48).reshape(2, 24) % 3 > 0)


# -------------------------------------------------------------------------------------------------- registry

TRACKER = """
import io
import numpy as np
from kitro_np.formats.registry import Format

MAGIC = b"TRACKER"

def write(path, arrays, *, force=False):
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    path.write_bytes(MAGIC + stream.getvalue())
    return path

FORMAT = Format(
    "a tracker",
    (".trk",),
    lambda path: path.read_bytes().startswith(MAGIC),
    lambda path: dict(np.load(io.BytesIO(path.read_bytes()[len(MAGIC):]))),
    write,
)
"""


@pytest.fixture
def tracker(tmp_path, monkeypatch):
    """A format whose module is in another folder of the package: no list names it."""
    folder = tmp_path / "more"
    folder.mkdir()
    (folder / "a_tracker.py").write_text(TRACKER)
    monkeypatch.setattr(formats, "__path__", [*formats.__path__, str(folder)])
    importlib.invalidate_caches()
    yield
    sys.modules.pop("kitro_np.formats.a_tracker", None)


def test_a_format_is_found_by_being_there(tracker, tmp_path, sim, capsys):
    path = tmp_path / "in.trk"
    with pytest.raises(FileNotFoundError, match=r"in\.trk: expected a file, got none\.$"):
        find_format(path)
    arrays = {names[-1]: sim[names[-1]][12:15] for names in KEYS.values()}
    assert write_arrays(path, arrays) == path
    assert find_format(path).name == "a tracker"
    assert [one.name for one in known_formats()] == ["a tracker", "torch.save", "3DPW", "NumPy"]
    for name, value in EstimateFile(path).estimates()._asdict().items():
        np.testing.assert_array_equal(value, arrays[KEYS[name][-1]])
    # Its content decides, then its name.
    other = path.rename(tmp_path / "in.npz")
    assert find_format(other).name == "a tracker"
    assert main(["refine", str(other), "--body", BODY, "-o", str(tmp_path / "out.npz")]) == 0
    assert "3 bodies refined by map" in capsys.readouterr().out


def test_a_format_is_gone_with_its_module(tmp_path):
    assert [one.name for one in known_formats()] == ["torch.save", "3DPW", "NumPy"]
    path = tmp_path / "in.trk"
    path.write_bytes(b"TRACKER")
    with pytest.raises(InputError) as caught:
        read_arrays(path)
    formats = "torch.save (.pt, .pth), 3DPW (.pkl), NumPy (.npz)"
    assert str(caught.value) == f"{path}: expected a file in one of the formats {formats}, got text."


@pytest.mark.parametrize("name", ["out.npz", "out", "out.pt"])
def test_arrays_are_written_as_npz_where_no_other_format_writes_them(tmp_path, name):
    assert write_arrays(tmp_path / name, ARRAYS) == tmp_path / name
    assert set(read_arrays(tmp_path / name)) == set(ARRAYS)
    with pytest.raises(InputError, match="pass --force"):
        write_arrays(tmp_path / name, ARRAYS)
    write_arrays(tmp_path / name, {}, force=True)
