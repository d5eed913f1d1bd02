"""Files of torch.save's, read without torch: as torch reads them, and broken, forged or hostile."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from fuzz.readers import read_arrays
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from recorded import BODY

from kitro_np.cli.main import main
from kitro_np.errors import InputError
from kitro_np.formats.estimates import EstimateFile
from kitro_np.safe_io import torch_zip
from kitro_np.safe_io.memory import Budget, memory_limit
from kitro_np.safe_io.pickle_arrays import MAX_ELEMENTS
from kitro_np.safe_io.torch_zip import TorchArrays

AUTHORS = Path(__file__).with_name("data") / "authors_estimates.pt"
PARAMETER = b"ctorch._utils\n_rebuild_parameter\n"
LEGACY = pickle.dumps(0x1950A86A20F9469CFC6C, 2)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "in.pt"


@pytest.fixture(scope="module")
def bodies(sim):
    """What went into the stored file."""
    arrays = {key: sim[key][:3] for key in ("pred_theta", "pred_beta", "pred_cam", "keypoints_2d", "GT_beta")}
    return {**arrays, "intrinsics": sim["intrinsics"][[0, 0, 0]]}


# ------------------------------------------------------------------------------------------ what torch wrote


def test_the_stored_file_reads_to_identical_arrays_without_torch(tmp_path, bodies):
    code = f"""if True:
        import sys
        sys.modules["torch"] = None  # to import it is an error
        import numpy as np
        from kitro_np.safe_io.torch_zip import TorchArrays
        arrays = TorchArrays({str(AUTHORS)!r})
        np.savez("out.npz", **arrays)
        assert sys.modules["torch"] is None
        assert not any(name.startswith("torch.") for name in sys.modules)
    """
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    with np.load(tmp_path / "out.npz") as file:
        found = {key: file[key] for key in file.files}
    for key, expected in bodies.items():
        np.testing.assert_array_equal(found[key], expected, err_msg=key)
        assert found[key].dtype == expected.dtype
    assert (found["GT_pose"].shape, found["GT_pose"].dtype) == ((3, 72), np.float64)
    assert found["imagename"].tolist() == [f"clip/image_0000{number}.jpg" for number in range(3)]
    assert set(found) == {*bodies, "GT_pose", "imagename"}


def test_the_stored_file_reads_as_torch_reads_it():
    torch = pytest.importorskip("torch")
    arrays = TorchArrays(AUTHORS)
    theirs = torch.load(AUTHORS, weights_only=False)
    assert list(arrays) == list(theirs)
    for key, value in theirs.items():
        np.testing.assert_array_equal(arrays[key], np.asarray(value), err_msg=key)


def test_tensors_of_every_sort(path):
    torch = pytest.importorskip("torch")
    plain = torch.arange(-60.0, 60.0).reshape(4, 5, 6)
    kinds = ["float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool"]
    tensors = {
        **{kind: plain.to(getattr(torch, kind)) for kind in kinds},
        "transposed": plain.permute(2, 0, 1),
        "steps and offset": plain[1:, ::2, 3:],
        "bfloat16 steps": plain.bfloat16()[::2, 1:, ::3],
        "column": plain[:, 2, 3],
        "expanded": plain[1, :, :1].expand(5, 7),
        "overlapping": plain.flatten().unfold(0, 7, 2),
        "number": torch.tensor(2.5),
        "bfloat16 number": torch.tensor(2.5, dtype=torch.bfloat16),
        "empty": torch.zeros(0, 3),
        "empty slice": plain[4:, :, 2],
        "parameter": torch.nn.Parameter(plain),
        "with gradient": plain.clone().requires_grad_(),
    }
    torch.save(tensors, path)
    arrays = TorchArrays(path)
    assert dict.fromkeys(arrays) == dict.fromkeys(tensors)
    for key, tensor in tensors.items():
        wide = tensor.float() if tensor.dtype == torch.bfloat16 else tensor
        expected = wide.detach().numpy()
        np.testing.assert_array_equal(arrays[key], expected, err_msg=key)
        assert (arrays[key].dtype, arrays[key].shape) == (expected.dtype, expected.shape)


def test_shared_storages_are_stored_once(path):
    torch = pytest.importorskip("torch")
    whole = torch.arange(10_000.0)
    torch.save({"a": whole[:5000], "b": whole[5000:], "c": whole.reshape(100, 100).T}, path)
    assert path.stat().st_size < 50_000
    arrays = TorchArrays(path)
    np.testing.assert_array_equal(np.concatenate([arrays["a"], arrays["b"]]), whole.numpy())
    np.testing.assert_array_equal(arrays["c"], whole.reshape(100, 100).T.numpy())


def test_numpy_text_and_numbers(path):
    torch = pytest.importorskip("torch")
    values = {
        "array": np.arange(6.0).reshape(2, 3),
        "columns": np.asfortranarray(np.arange(6, dtype=np.int32).reshape(2, 3)),
        "empty": np.zeros((0, 4)),
        "scalar": np.float32(0.5),
        "number": 7,
        "text": "name",
        "texts": ["a", "longer", ""],
        "no texts": [],
    }
    torch.save(values, path)
    arrays = TorchArrays(path)
    for key, value in values.items():
        np.testing.assert_array_equal(arrays[key], np.array(value))
    assert "nothing" not in arrays
    old = path.with_name("old.pt")
    rewrite(path, old, {"data.pkl": lambda data: data.replace(b"cnumpy._core.", b"cnumpy.core.")})
    assert b"numpy._core" not in old.read_bytes()
    np.testing.assert_array_equal(TorchArrays(old)["array"], values["array"])


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_ordered_dicts_and_protocols(path, protocol):
    torch = pytest.importorskip("torch")
    from collections import OrderedDict

    torch.save(OrderedDict(a=torch.ones(2), b=np.ones(3)), path, pickle_protocol=protocol)
    arrays = TorchArrays(path)
    assert list(arrays) == ["a", "b"]
    np.testing.assert_array_equal(arrays["a"], [1, 1])
    np.testing.assert_array_equal(arrays["b"], [1, 1, 1])


def test_a_list_is_no_dict(path):
    torch = pytest.importorskip("torch")
    torch.save([torch.ones(2)], path)
    assert "expected a dict at the top level, got an object of type list" in refusal(path)


def test_the_format_of_before_torch_1_6(path):
    torch = pytest.importorskip("torch")
    torch.save({"x": torch.ones(2)}, path, _use_new_zipfile_serialization=False)
    assert path.read_bytes().startswith(LEGACY)
    assert (
        "expected torch's zip format, got the format from before torch 1.6; convert it by torch.save"
        in refusal(path)
    )


def test_types_that_are_not_read(path):
    torch = pytest.importorskip("torch")
    torch.save({"x": torch._neg_view(torch.ones(2))}, path)
    assert "x: expected a plain tensor" in refusal(path)
    torch.save({"x": torch.ones(2, dtype=torch.complex64)}, path)
    assert "got 'torch.ComplexFloatStorage'" in refusal(path)
    torch.save({"x": torch.ones(2).to_sparse()}, path)
    assert "got 'torch._utils._rebuild_sparse_tensor'" in refusal(path)
    torch.save({"x": torch.nn.Linear(2, 2)}, path)
    assert "got 'torch.nn.modules.linear.Linear'" in refusal(path)


# ------------------------------------------------------------------------------------- the program's own use


def as_npz(tmp_path) -> Path:
    np.savez(tmp_path / "same.npz", **TorchArrays(AUTHORS))
    return tmp_path / "same.npz"


@pytest.mark.parametrize("engine", ["numba", "array"])
def test_refine_and_eval_are_as_on_the_same_npz(tmp_path, path, capsys, engine, monkeypatch):
    monkeypatch.setattr(torch_zip, "_COPIED", 0)  # all are mapped, as those of large files
    rewrite(AUTHORS, path, {})  # torch aligns its numbers, others need not
    assert not all(array.flags.aligned for array in EstimateFile(path).estimates())
    for name, file in [("a", AUTHORS), ("b", as_npz(tmp_path)), ("c", path)]:
        assert (
            main(
                ["refine", str(file), "--body", BODY, "-o", str(tmp_path / f"{name}.npz"), "--engine", engine]
            )
            == 0
        )
    said = capsys.readouterr().out
    with np.load(tmp_path / "b.npz") as expected:
        refined = np.sum(expected["status"] == 0)
        assert refined >= 2
        assert said.count(f"{refined} bodies refined by map") == 3
        for name in ("a.npz", "c.npz"):
            with np.load(tmp_path / name) as found:
                assert found.files == expected.files
                for key in set(found.files) - {"source"}:
                    np.testing.assert_array_equal(found[key], expected[key])
    printed = []
    for file in (AUTHORS, as_npz(tmp_path)):
        assert main(["eval", str(file), "--body", BODY, "--json", "--engine", engine]) == 0
        printed.append(json.loads(capsys.readouterr().out))
    assert printed[0] == printed[1]
    assert printed[0]["after"]["mpjpe"] < printed[0]["before"]["mpjpe"]


def test_content_decides_and_not_the_name(tmp_path):
    expected = EstimateFile(AUTHORS).estimates()
    for name, data in [("torch.npz", AUTHORS.read_bytes()), ("numpy.pt", as_npz(tmp_path).read_bytes())]:
        (tmp_path / name).write_bytes(data)
        for found, other in zip(EstimateFile(tmp_path / name).estimates(), expected, strict=True):
            np.testing.assert_array_equal(found, other)


def test_keys_that_are_missing_or_no_numbers(tmp_path, path):
    forge(path)
    assert "expected the keys pose or pred_theta" in refusal(
        path, of=lambda file: EstimateFile(file).estimates()
    )

    def estimates(file):
        return EstimateFile(file).estimates(keypoints_key="imagename")

    rewrite(AUTHORS, path, {})
    assert "imagename: expected an array of numbers" in refusal(path, of=estimates)


# --------------------------------------------------------------------------------------- broken and forged


def plain(value: object) -> bytes:
    """Pickle a value, to be put among instructions."""
    return pickle.dumps(value, 2)[2:-1]


def tensor(
    offset=0, shape=(3, 4), strides=(4, 1), *, storage="torch\nFloatStorage", key="0", length=12, flags=None
) -> bytes:
    """Instructions that make a tensor as torch writes it: by default, all of the twelve numbers of data/0."""
    handle = b"(" + plain("storage") + b"c" + storage.encode() + b"\n" + plain(key) + plain("cpu")
    rest = b"\x89ccollections\nOrderedDict\n)R" + (b"" if flags is None else plain(flags))
    view = plain(offset) + plain(shape) + plain(strides)
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + handle + plain(length) + b"tQ" + view + rest + b"tR"


def forge(path, value: bytes = tensor(), how: int = zipfile.ZIP_STORED, **members: bytes | None) -> None:
    """Write a file whose key x is what the instructions make."""
    contents = {
        "data.pkl": b"\x80\x02}" + plain("x") + value + b"s.",
        "byteorder": b"little",
        "data/0": np.arange(12, dtype="<f4").tobytes(),
        **members,
    }
    with zipfile.ZipFile(path, "w", how) as archive:
        for name, data in contents.items():
            if data is not None:
                archive.writestr(f"forged/{name}", data)


def rewrite(source, target, changes) -> None:
    """Copy a file of torch's with some members changed."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            new.writestr(name, changes.get(name.split("/", 1)[1], bytes)(data))


def refusal(path, of=lambda path: TorchArrays(path)["x"]) -> str:
    """Read a file that must be refused; returns the message, one sentence that names the file."""
    with pytest.raises(InputError) as caught:
        of(path)
    message = str(caught.value)
    assert str(path) in message and message.endswith(".") and "\n" not in message
    return message


def test_forged_files_are_right_where_nothing_is_wrong(path):
    forge(path)
    np.testing.assert_array_equal(TorchArrays(path)["x"], np.arange(12.0).reshape(3, 4))
    forge(path, byteorder=None)
    np.testing.assert_array_equal(TorchArrays(path)["x"], np.arange(12.0).reshape(3, 4))


def test_big_endian_files(path):
    forge(path, byteorder=b"big", **{"data/0": np.arange(12, dtype=">f4").tobytes()})
    np.testing.assert_array_equal(TorchArrays(path)["x"], np.arange(12.0).reshape(3, 4))
    halves = (np.arange(12, dtype=">f4").view(">u4") >> 16).astype(">u2")
    forge(path, tensor(storage="torch\nBFloat16Storage"), byteorder=b"big", **{"data/0": halves.tobytes()})
    np.testing.assert_array_equal(TorchArrays(path)["x"], np.arange(12.0).reshape(3, 4))
    forge(path, byteorder=b"middle")
    assert "expected the byte order little or big, got b'middle'" in refusal(path)


@pytest.mark.parametrize(
    ("value", "part"),
    [
        (tensor(1), "expected a view of 12 numbers, got one that ends at number 13"),
        (tensor(0, (3, 4), (5, 1)), "got one that ends at number 14"),
        (tensor(0, (13,), (1,)), "got one that ends at number 13"),
        (tensor(12, (), ()), "got one that ends at number 13"),
        (tensor(2**70, (1,), (1,)), "integers of at least 0"),
        (tensor(0, (2,), (2**62,)), "got one that ends at number"),
        (tensor(-1), "integers of at least 0"),
        (tensor(0, (-3, 4)), "integers of at least 0"),
        (tensor(8, (3, 4), (-4, 1)), "integers of at least 0"),
        (tensor(0, (3, 4), (4,)), "as many strides"),
        (tensor(0, (3.0, 4), (4, 1)), "integers of at least 0"),
        (tensor(True), "integers of at least 0"),
        (tensor(0, (2**40, 2**10), (0, 0)), f"expected at most {MAX_ELEMENTS} numbers from 12"),
        (tensor(0, (0, 2**62, 2**62), (0, 0, 0)), "damaged (ValueError)"),
        (tensor(0, (1,) * 70, (1,) * 70), "at most 16 integers"),
        (tensor(0, 3, 4), "integers of at least 0"),
        (tensor(length=13), "expected 52 bytes in data/0, got 48"),
        (tensor(length=11), "got one that ends at number 12"),
        (tensor(0, (1,), (1,), length=1), "expected 4 bytes in data/0, got 48"),
        (tensor(0, (0,), (1,), length=-1), "expected a view of a storage of real numbers"),
        (tensor(storage="torch\nDoubleStorage"), "expected 96 bytes in data/0, got 48"),
        (tensor(storage="torch\nHalfStorage"), "expected 24 bytes in data/0, got 48"),
        (tensor(storage="torch\nComplexFloatStorage"), "got 'torch.ComplexFloatStorage'"),
        (tensor(storage="numpy\nndarray"), "expected a view of a storage of real numbers"),
        (tensor(key="1"), "expected the member data/1, got a file without it"),
        (tensor(key="../data/0"), "expected a view of a storage of real numbers"),
        (tensor(key=0), "expected a view of a storage of real numbers"),
        (tensor(flags={"conj": True}), "expected a plain tensor"),
        (b"ctorch._utils\n_rebuild_tensor_v2\n(" + b"NNNNNNtR", "expected a view of a storage"),
        (b"ctorch._utils\n_rebuild_tensor_v2\n)R", "damaged (TypeError)"),
        (b"ctorch._utils\n_rebuild_tensor_v2\n", "got torch._utils._rebuild_tensor_v2"),
        (PARAMETER + b")R", "got an object of torch._utils._rebuild_parameter"),
        ((PARAMETER + b"(") * 3000 + tensor() + b"tR" * 3000, "damaged (RecursionError)"),
        (plain(("storage",)) + b"Q", "got an object of a persistent id"),
        (plain("storage") + b"Q", "got a call of a persistent id"),
        (plain([1.0]), "expected an array, got an object of type list"),
        (plain(["a" * 2**14] + [""] * 2**12), "characters in all"),
        (plain({"y": 1}), "expected an array, got an object of type dict"),
        (plain(b"abc"), "expected an array"),
    ],
)  # fmt: skip
def test_forged_values(path, value, part):
    forge(path, value)
    tracemalloc.start()
    try:
        assert part in refusal(path)
        assert tracemalloc.get_traced_memory()[1] < 2**25
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("members", "part"),
    [
        ({"data/0": None}, "expected the member data/0, got a file without it"),
        ({"data/0": b""}, "expected 48 bytes in data/0, got 0"),
        ({"data/0": bytes(47)}, "expected 48 bytes in data/0, got 47"),
        ({"data.pkl": None}, "expected the member data.pkl, got a file without it"),
        ({"data.pkl": b""}, "expected a pickle, got no bytes"),
        ({"data.pkl": b"\x80\x02}"}, "got one that ends at byte 3,"),
        ({"data.pkl": b"hello"}, "is damaged (UnpicklingError)"),
        ({"data.pkl": b"\x80\x02}" + b"N0" * 2**21 + b"."}, "reads of the pickle, got more"),
    ],
)
def test_missing_and_damaged_members(path, members, part):
    forge(path, **members)
    assert part in refusal(path)


def test_repeated_numbers_count_towards_the_limit(path):
    """A stride of 0, and rows that overlap: a file of 1 kB may hold 100 MB for whoever copies them."""
    for value in (tensor(0, (400_000, 72), (0, 0), length=12), tensor(0, (400_000, 12), (0, 1), length=12)):
        forge(path, value)
        with memory_limit("10MB"):
            assert "x: expected contents of at most 10 MB" in refusal(path)
        assert TorchArrays(path)["x"].shape[0] == 400_000
    forge(path, tensor(0, (1000, 12), (0, 1), length=12))
    with memory_limit("100kB"):
        arrays = TorchArrays(path)
        np.testing.assert_array_equal(arrays["x"], np.tile(np.arange(12.0), (1000, 1)))
        with pytest.raises(InputError, match="after 96000 bytes"):  # each reference counts
            [arrays["x"] for _ in range(3)]


def test_the_fuzzer_sees_repeated_numbers_that_are_not_counted(path, monkeypatch):
    """Its reader of such files makes arrays of the views that are read."""
    forge(path, tensor(0, (2**21, 4), (0, 0)))
    monkeypatch.setattr(Budget, "take", lambda self, count, itemsize=1: None)
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match="expected one of the keys"):
            read_arrays(path)
        assert tracemalloc.get_traced_memory()[1] > 2**25
    finally:
        tracemalloc.stop()


def test_members_that_torch_would_not_have_compressed(path):
    forge(path, how=zipfile.ZIP_DEFLATED)
    assert "stored as torch does, got it compressed or encrypted" in refusal(path)


@pytest.mark.parametrize(("at", "value"), [(8, 1), (10, 97), (20, 0xFF), (24, 0xFF), (42, 0xFF)])
def test_forged_directories(path, at, value):
    """An entry in the zip's directory: flags, compression, sizes, and where the member is."""
    forge(path)
    raw = bytearray(path.read_bytes())
    entry = raw.rindex(b"forged/data/0") - 46
    assert raw[entry:].startswith(b"PK\1\2")
    raw[entry + at] = value
    path.write_bytes(raw)
    if at != 20:  # the size when compressed, which says nothing where nothing is
        refusal(path)


@pytest.mark.parametrize(
    "content", [b"hello", b"", LEGACY, pickle.dumps({"x": 1}, 2)], ids=str.split("text empty legacy pickle")
)
def test_other_files_under_the_name_of_torchs(path, content):
    path.write_bytes(content)
    message = refusal(path, of=EstimateFile)
    assert (
        "before torch 1.6"
        if content is LEGACY
        else "expected a file written by torch.save, got another file or one that is"
    ) in message


def test_folders_under_the_name_of_torchs(path):
    path.mkdir()
    assert "expected a file, got a folder" in refusal(path, of=EstimateFile)


def test_truncated_files(path):
    data = AUTHORS.read_bytes()
    for end in range(0, len(data), 131):
        path.write_bytes(data[:end])
        assert "expected a file written by torch.save, got another file or one that is" in refusal(
            path, of=EstimateFile
        )


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_flipped_bytes_are_refused_or_read(path, data):
    broken = bytearray(AUTHORS.read_bytes())
    flips = st.lists(st.tuples(st.integers(0, len(broken) - 1), st.integers(0, 255)), max_size=6)
    for place, value in data.draw(flips, label="flips"):
        broken[place] = value
    path.write_bytes(broken)
    tracemalloc.start()
    try:
        file = EstimateFile(path)
        file.estimates()
    except InputError as error:
        assert str(path) in str(error)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 2**26


# ------------------------------------------------------------------------------------------------- hostile


class Call:
    """Pickles as a call of a function."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


def test_calls_are_refused_by_name_and_not_made(path, tmp_path):
    trap = tmp_path / "trap"
    for call, name in [
        (Call(os.system, f'mkdir "{trap}"'), f"{os.system.__module__}.system"),
        (Call(os.mkdir, str(trap)), f"{os.mkdir.__module__}.mkdir"),
        (Call(eval, f"__import__('os').mkdir({str(trap)!r})"), "__builtin__.eval"),
        (Call(np.load, str(trap)), "numpy.load"),
    ]:
        forge(path, plain(call))
        assert f"got '{name}'; nothing was executed" in refusal(path)
        assert not trap.exists()
    # The trap is a real one.
    pickle.loads(b"\x80\x02" + plain(Call(os.mkdir, str(trap))) + b".")
    assert trap.exists()


@pytest.mark.parametrize(
    "name",
    ["torch\nload", "torch\nFloatTensor", "torch._utils\n_import_dotted_name", "torch.jit\nload", "this\ns",
     "torch._utils\n_rebuild_tensor_v2.__globals__", "collections\ndefaultdict", "chumpy.ch\nCh",
     "scipy.sparse.csc\ncsc_matrix", "numpy.core.multiarray\nfromfile", "copyreg\n_reconstructor"],
)  # fmt: skip
def test_other_names_are_refused(path, name):
    forge(path, b"c" + name.encode() + b"\n")
    assert repr(name.replace("\n", ".")) in refusal(path)
    assert "this" not in sys.modules


def test_the_command_line_refuses_with_one_sentence(path, tmp_path, capsys):
    trap = tmp_path / "trap"
    forge(path, plain(Call(os.system, f'mkdir "{trap}"')))
    assert main(["refine", str(path), "-o", str(tmp_path / "out.npz")]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"kitro-np: error: {path}: expected ") and error.count("\n") == 1
    assert not trap.exists() and not (tmp_path / "out.npz").exists()


# --------------------------------------------------------------------------------------------------- large


def test_a_large_file_is_mapped_and_not_read(path):
    count = 2**24
    value = tensor(3, (count - 8,), (1,), length=count)
    forge(path, value, **{"data/0": np.arange(count, dtype="<f4").tobytes()})
    tracemalloc.start()
    array = TorchArrays(path)["x"]
    total = float(array[-1000:].sum())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    base = array
    while type(base) is np.ndarray:
        base = base.base
    assert type(base) is np.memmap and not array.flags.writeable
    assert peak < 2**20
    assert total == float(np.arange(count, dtype="f4")[count - 1005 : count - 5].sum())
