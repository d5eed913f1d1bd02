"""Reading SMPL-family files: every release's layout, and files that are broken, forged or hostile."""

import copyreg
import io
import os
import pickle
import re
import struct
import sys
import time
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
import smpl_files as make
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kitro_np import refine
from kitro_np.body import load_body
from kitro_np.body.locate import file_names, find_model_file, search_folders
from kitro_np.body.model_file import ModelArrays, read_model_file
from kitro_np.body.names import same_body
from kitro_np.errors import InputError
from kitro_np.safe_io import pickle_arrays
from kitro_np.safe_io.pickle_stream import read_pickle

BODY = make.body()
FORMS = [(0, True), (1, True), (2, True), (0, False), (2, False), (3, False), (4, False), (5, False)]
OPEN_BODY = Path(load_body.__code__.co_filename).with_name("open_body.npz")


def assert_same(read: ModelArrays, members: dict, betas: int = 10) -> None:
    for key in ("v_template", "posedirs", "J_regressor", "weights"):
        np.testing.assert_array_equal(getattr(read, key), members[key], err_msg=key)
        assert getattr(read, key).dtype == members["v_template"].dtype
        flags = getattr(read, key).flags
        assert flags.c_contiguous and flags.owndata and not flags.writeable
    np.testing.assert_array_equal(read.shapedirs, members["shapedirs"][:, :, :betas])
    np.testing.assert_array_equal(read.faces, members["f"])
    np.testing.assert_array_equal(read.parents[1:], members["kintree_table"][0, 1:])
    assert read.parents[0] == -1
    assert (read.parents.dtype, read.faces.dtype) == (np.int64, np.int32)


def refusal(path: Path, **options: object) -> str:
    """Read a file that must be refused; returns the message, one sentence that names the file."""
    with pytest.raises(InputError) as caught:
        read_model_file(path, **options)
    message = str(caught.value)
    assert str(path) in message and message.endswith(".") and "\n" not in message
    return message


# ---------------------------------------------------------------------------------------------- the releases


@pytest.mark.parametrize(("protocol", "python2"), FORMS)
def test_smpl_v100_pickle_of_every_protocol(tmp_path, protocol, python2):
    path = make.write_pickle(tmp_path / "smpl.pkl", make.smpl_v100(BODY), protocol, python2)
    assert_same(read_model_file(path), BODY)
    assert "chumpy" not in sys.modules


def test_python2_files_use_old_names_and_byte_strings():
    data = make.dump(make.smpl_v100(BODY), 2)
    for part in (
        b"cnumpy.core.multiarray\n",
        b"cscipy.sparse.csc\n",
        b"cchumpy.ch\nCh",
        b"c__builtin__\nset\n",
    ):
        assert part in data
    assert b"_core" not in data and b"_codecs" not in data


@pytest.mark.parametrize(("asked", "width"), [(10, 10), (300, 300), (1, 1), (None, 300)])
def test_smpl_v110_betas_are_sliced(tmp_path, asked, width):
    members = make.body(betas=300)
    path = make.write_pickle(tmp_path / "smpl.pkl", make.smpl_v100(members))
    assert_same(read_model_file(path, asked), members, width)


def test_more_betas_than_there_are_is_an_error(tmp_path):
    path = make.write_pickle(tmp_path / "smpl.pkl", BODY)
    assert "shapedirs: expected at least 300 betas (num_betas), got 10." in refusal(path, num_betas=300)


@pytest.mark.parametrize("flat", [False, True])
def test_mano_with_select_and_flat_bases(tmp_path, flat):
    members = make.body(vertices=14, joints=16)
    dressed = make.mano(members)
    if flat:
        dressed["shapedirs"] = make.Reshape(a=dressed["shapedirs"], newshape=-1)
    assert_same(read_model_file(make.write_pickle(tmp_path / "MANO_RIGHT.pkl", dressed)), members)


@pytest.mark.parametrize(("columns", "shape"), [(20, 10), (400, 300)])
def test_smplx_npz_without_its_expressions(tmp_path, columns, shape):
    members = make.body(vertices=6, joints=55, betas=columns)
    path = make.write_npz(tmp_path / "SMPLX_NEUTRAL.npz", make.smplx(members))
    assert_same(read_model_file(path), members)
    assert_same(read_model_file(path, None), members, shape)
    assert f"got {shape}." in refusal(path, num_betas=shape + 1)


def test_smplh_npz_of_amass(tmp_path):
    members = make.body(vertices=6, joints=52, betas=16)
    extra = {"bs_type": np.array(b"lrotmin"), "bs_style": np.array(b"lbs")}
    assert_same(read_model_file(make.write_npz(tmp_path / "model.npz", {**members, **extra})), members)


def test_bodies_in_files_of_one_name_have_names_of_their_own(tmp_path):
    """As in SMPL-H's download: male/model.npz and female/model.npz."""
    for gender in ("male", "female"):
        (tmp_path / "smplh" / gender).mkdir(parents=True)
        path = make.write_npz(tmp_path / "smplh" / gender / "model.npz", make.body(6, 52, 16))
        by_name = load_body("smplh", gender=gender, folder=tmp_path)
        assert (by_name.name, load_body(path).name) == (f"smplh_{gender}", f"{gender}_model")
        assert same_body(by_name.name, load_body(path).name)
    assert not same_body("male_model", "smplh_female")
    assert load_body(make.write_npz(tmp_path / "model.npz", make.body(6, 52, 16))).name == "model"


def test_bodies_of_refine_have_the_names_of_load_body(tmp_path, monkeypatch):
    monkeypatch.setenv("KITRO_NP_MODELS", str(tmp_path))
    path = make.write_npz(tmp_path / "basicmodel_neutral_lbs_10_207_0_v1.1.0.npz", make.body(6, 24, 10))
    keypoints = np.random.default_rng(0).uniform(0, 500, (2, 24, 2))
    estimate = (np.zeros((2, 24, 3)), np.zeros((2, 10)), np.tile([0.0, 0, 4], (2, 1)), keypoints)
    named, by_path = (
        refine(*estimate, image_size=(500, 500), body=body).body_name for body in ("smpl", str(path))
    )
    assert (named, by_path) == ("smpl_neutral", path.stem)
    assert same_body(named, by_path)


@pytest.mark.parametrize("suffix", [".pkl", ".npz"])
@pytest.mark.parametrize(
    ("name", "gender", "stem", "joints"),
    [
        ("mano", "right", "MANO_RIGHT", 16),
        ("mano", "left", "MANO_LEFT", 16),
        ("smplh", "female", "SMPLH_FEMALE", 52),
        ("smplx", "male", "SMPLX_MALE", 55),
    ],
)
def test_every_family_is_loaded_from_both_kinds_of_file(tmp_path, name, gender, stem, joints, suffix):
    """As released in one kind; the other kind holds the same members as plain arrays, as converters write."""
    members = make.body(vertices=6, joints=joints, betas=20)
    dressed = {"smplh": make.smplh, "smplx": make.smplx}.get(name, lambda same: same)(members)
    if name == "mano":
        dressed = make.mano(members) if suffix == ".pkl" else {**members, "hands_mean": np.zeros(45)}
    write = make.write_pickle if suffix == ".pkl" else make.write_npz
    path = write(tmp_path / (stem + suffix), dressed)
    body = load_body(name, gender=gender, folder=tmp_path)
    assert (body.name, body.num_joints, body.num_betas) == (f"{name}_{gender}", joints, 10)
    assert load_body(path).name == stem
    assert_same(read_model_file(path), members)
    for key in ("v_template", "posedirs", "weights"):
        np.testing.assert_array_equal(getattr(body, key), members[key])


def test_float32_stays_only_when_everything_is(tmp_path):
    single = {key: value.astype("f4") if value.dtype == "f8" else value for key, value in BODY.items()}
    assert_same(read_model_file(make.write_npz(tmp_path / "a.npz", single)), single)
    mixed = read_model_file(make.write_npz(tmp_path / "b.npz", {**single, "v_template": BODY["v_template"]}))
    assert {mixed.v_template.dtype, mixed.shapedirs.dtype, mixed.weights.dtype} == {np.dtype("f8")}


@pytest.mark.parametrize("kind", ["u4", "u8", "i4", "i8", "f8"])
@pytest.mark.parametrize("suffix", [".pkl", ".npz"])
def test_roots_of_every_integer_type(tmp_path, kind, suffix):
    table = BODY["kintree_table"].astype(np.int64)
    table[0, 0] = {"u4": 0xFFFFFFFF, "u8": -1, "i4": -1, "i8": 0xFFFFFFFF, "f8": -1}[kind]
    members = {**BODY, "kintree_table": table.astype(kind)}
    write = make.write_pickle if suffix == ".pkl" else make.write_npz
    assert_same(read_model_file(write(tmp_path / ("body" + suffix), members)), BODY)


@pytest.mark.parametrize(("layout", "module"), make.SPARSE)
def test_sparse_regressors_of_every_layout(tmp_path, layout, module):
    members = {**BODY, "J_regressor": make.sparse(BODY["J_regressor"], layout, module)}
    assert_same(read_model_file(make.write_pickle(tmp_path / "body.pkl", members)), BODY)


@pytest.mark.parametrize("layout", ["csc", "csr", "coo"])
def test_sparse_regressors_of_the_installed_scipy(tmp_path, layout):
    scipy_sparse = pytest.importorskip("scipy.sparse")
    for flavour in ("matrix", "array"):
        regressor = getattr(scipy_sparse, f"{layout}_{flavour}")(BODY["J_regressor"])
        path = tmp_path / f"{flavour}.pkl"
        path.write_bytes(pickle.dumps({**BODY, "J_regressor": regressor}))
        assert_same(read_model_file(path), BODY)


def test_big_endian_and_fortran_arrays(tmp_path):
    members = {
        key: np.asfortranarray(value).astype(value.dtype.newbyteorder(">")) for key, value in BODY.items()
    }
    assert_same(read_model_file(make.write_pickle(tmp_path / "body.pkl", members)), BODY)
    assert_same(read_model_file(make.write_npz(tmp_path / "body.npz", members)), BODY)


def test_joint_names_and_absent_posedirs(tmp_path):
    names = np.array(["pelvis", "knee", "foot", "head"])
    members = {key: value for key, value in BODY.items() if key != "posedirs"} | {"joint_names": names}
    for path in (make.write_npz(tmp_path / "a.npz", members), make.write_pickle(tmp_path / "a.pkl", members)):
        read = read_model_file(path)
        assert read.joint_names == ("pelvis", "knee", "foot", "head")
        assert read.posedirs is None
    assert "joint_names" in refusal(make.write_npz(tmp_path / "b.npz", {**members, "joint_names": names[:2]}))
    forged = np.frombuffer(struct.pack("<4I", *[0x7FFFFFFF] * 4), "<U1")
    assert "no Unicode characters" in refusal(
        make.write_npz(tmp_path / "c.npz", {**members, "joint_names": forged})
    )


def test_the_embedded_body_is_read():
    read = read_model_file(OPEN_BODY)
    assert read.v_template.dtype == np.float32
    assert len(read.joint_names) == len(read.parents) == 24


def test_reading_is_lazy_and_a_mapping(tmp_path):
    read = read_pickle(make.write_pickle(tmp_path / "smpl.pkl", make.smpl_v100(BODY)))
    assert set(read) == set(make.smpl_v100(BODY)) and len(read) == len(set(read))
    assert "v_shaped" in read and "nothing" not in read
    assert read["bs_type"] == "lrotmin"
    np.testing.assert_array_equal(read["J"], (BODY["J_regressor"] @ BODY["v_template"]).T)
    with pytest.raises(KeyError):
        read["nothing"]
    with pytest.raises(InputError, match=re.escape("chumpy.ch_ops.add")):
        read["v_shaped"]
    with pytest.raises(InputError, match="'O8'"):
        read["odd"]


# ------------------------------------------------------------------------------------------ wrong contents


WRONG = {
    "v_template": (
        [np.zeros((20, 2)), np.zeros((0, 3)), np.full((20, 3), np.nan), np.zeros((20, 3), complex)]
    ),
    "shapedirs": [np.zeros((19, 3, 10)), np.zeros((20, 3, 0)), np.zeros(61), np.full((20, 3, 10), np.inf)],
    "posedirs": [np.zeros((20, 3, 26)), np.zeros(20 * 3 * 27 + 1), np.zeros((20, 81))],
    "J_regressor": [np.zeros((20, 4)), np.zeros((5, 20)), np.full((4, 20), np.nan)],
    "weights": [np.full((20, 4), 0.3), np.full((20, 4), 1e308), np.full((20, 3), 1 / 3), np.zeros(80)],
    "kintree_table": [
        np.array([[-1, 0, 0, 3], [0, 1, 2, 3]]),
        np.array([[-1, -1, 0, 0], [0, 1, 2, 3]]),
        np.array([[-1, 0, 1, 7], [0, 1, 2, 3]]),
        np.array([[2, 0, 0, 0], [0, 1, 2, 3]]),
        np.array([[-1, 0, 0, 0], [1, 0, 2, 3]]),
        np.array([[-1, 0, 0, 0.5], [0, 1, 2, 3]]),
        np.array([[np.nan, 0, 0, 0], [0, 1, 2, 3]]),
        np.array([-1, 0, 0, 0]),
        np.zeros((2, 0), int),
    ],
    "f": [np.full((5, 3), 20), np.full((5, 3), -1), np.zeros((5, 4), int), np.zeros((0, 3), int)],
}


@pytest.mark.parametrize(("key", "value"), [(key, value) for key in WRONG for value in WRONG[key]])
@pytest.mark.parametrize("suffix", [".pkl", ".npz"])
def test_wrong_contents_are_named(tmp_path, key, value, suffix):
    write = make.write_pickle if suffix == ".pkl" else make.write_npz
    assert key in refusal(write(tmp_path / ("body" + suffix), {**BODY, key: value}))


@pytest.mark.parametrize("key", [key for key in BODY if key != "posedirs"])
def test_missing_keys_are_named(tmp_path, key):
    members = {other: value for other, value in BODY.items() if other != key}
    for path in (make.write_npz(tmp_path / "a.npz", members), make.write_pickle(tmp_path / "a.pkl", members)):
        assert f"expected the key {key}, got" in refusal(path)


def test_files_of_the_wrong_kind(tmp_path):
    for name, content, part in [
        ("empty.pkl", b"", "expected a pickle, got no bytes"),
        ("empty.npz", b"", "expected an .npz archive, got another file or one that is damaged"),
        (
            "page.pkl",
            b"<!DOCTYPE html><html>log in</html>",
            "expected a pickle of plain data, got another file",
        ),
        (
            "text.pkl",
            b"version https://git-lfs.github.com/spec/v1\n",
            "expected a pickle of plain data, got another file",
        ),
        ("zip.pkl", b"PK\x03\x04" + bytes(30), "expected a pickle of plain data, got another file"),
        ("page.npz", b"<!DOCTYPE html>", "expected an .npz archive"),
        ("list.pkl", pickle.dumps([1, 2]), "expected a dict at the top level"),
        ("array.pkl", pickle.dumps(np.eye(3)), "expected a dict at the top level"),
        ("stop.pkl", b".", "got another file or one that is damaged"),
        ("body.txt", b"x", "expected a .pkl or .npz file, got .txt"),
        ("body", b"x", "no suffix"),
    ]:
        path = tmp_path / name
        path.write_bytes(content)
        assert part in refusal(path)


def test_an_incomplete_download(tmp_path):
    path = tmp_path / "body.pkl"
    path.write_bytes(make.dump(BODY)[:1000])
    assert refusal(path).endswith("got one that ends at byte 1000, as incomplete downloads do.")


@pytest.mark.parametrize("suffix", [".pkl", ".npz"])
def test_missing_file_and_folder(tmp_path, suffix):
    with pytest.raises(FileNotFoundError):
        read_model_file(tmp_path / ("nothing" + suffix))
    (tmp_path / ("folder" + suffix)).mkdir()
    assert "got a folder" in refusal(tmp_path / ("folder" + suffix))


def test_object_members_are_refused_only_where_needed(tmp_path):
    odd = np.array([{}], dtype=object)
    assert "got dtype object" in refusal(make.write_npz(tmp_path / "a.npz", {**BODY, "weights": odd}))
    path = make.write_pickle(tmp_path / "a.pkl", {**BODY, "weights": odd})
    assert "weights: expected numbers or text, got dtype 'O8'." in refusal(path)


# ------------------------------------------------------------------------------------------- hostile pickles


class Call:
    """Pickles as a call of a function."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


def text(value: str) -> bytes:
    return b"V" + value.encode("unicode_escape") + b"\n"


def hostile(trap: str) -> dict[str, tuple[bytes, str]]:
    """Pickles that would make the folder `trap` if anything of them ran, with a part of the refusal."""
    mkdir = Call(os.mkdir, trap)
    code = f"__import__('os').mkdir({trap!r})"
    put = text("v_template")
    chumpy = b"cchumpy.ch\nCh\n"
    return {
        "reduce": (make.dump({"x": mkdir}), "mkdir"),
        "system": (make.dump({"x": Call(os.system, f'mkdir "{trap}"')}), "system"),
        "eval": (make.dump({"x": Call(eval, code)}), "eval"),
        "exec, protocol 4": (pickle.dumps({"x": Call(exec, code)}, 4), "builtins.exec"),
        "eval as Python 2": (
            b"}" + put + b"c__builtin__\neval\n(" + text(code) + b"tRs.",
            "__builtin__.eval",
        ),
        "getattr": (make.dump({"x": Call(getattr, "", "join")}), "getattr"),
        "numpy.load": (b"}" + put + b"cnumpy\nload\n(" + text(trap) + b"tRs.", "numpy.load"),
        "numpy.core": (b"}cnumpy.core\nmultiarray\n.", "numpy.core.multiarray"),
        "fromfile": (b"}cnumpy.core.multiarray\nfromfile\n.", "fromfile"),
        "runstring": (b"}cnumpy.testing._private.utils\nrunstring\n.", "runstring"),
        "dotted name": (
            b"\x80\x04}\x8c\x15numpy.core.multiarray\x8c\x18_reconstruct.__globals__\x93.",
            "_reconstruct.__globals__",
        ),
        "dotted module": (b"}cnumpy.os\nmkdir\n.", "numpy.os.mkdir"),
        "near miss": (b"}cchumpyx\nCh\n.", "chumpyx.Ch"),
        "long name": (b"}c" + b"a" * 5000 + b"\nb\n.", "aaa"),
        "name with a newline": (b"\x80\x04\x8c\x03a\nb\x8c\x01c\x93.", r"a\nb.c"),
        "import alone": (b"}cthis\ns\n.", "this.s"),
        "inst": (b"}" + put + b"(" + text(trap) + b"ios\nmkdir\ns.", "instruction 0x69"),
        "obj": (b"}" + put + b"(cos\nmkdir\n" + text(trap) + b"os.", "os.mkdir"),
        "obj of a permitted class": (b"}" + put + b"(" + chumpy + b"os.", "instruction 0x6f"),
        "newobj": (b"\x80\x02}" + put + b"cos\nmkdir\n" + text(trap) + b"\x85\x81s.", "os.mkdir"),
        "newobj_ex": (b"\x80\x04}" + put + chumpy + b")}\x92s.", "instruction 0x92"),
        "persistent id": (b"}" + put + b"Pthing\ns.", "instruction 0x50"),
        "binary persistent id": (b"}" + put + b"NQs.", "instruction 0x51"),
        "buffer": (b"\x80\x05}" + put + b"\x97s.", "instruction 0x97"),
        "inside chumpy": (make.dump({"v_template": make.ch(mkdir)}), "mkdir"),
        "inside a regressor": (make.dump({"x": make.SPARSE["csc", "scipy.sparse.csc"](data=mkdir)}), "mkdir"),
        "inside an object array": (make.dump({"x": np.array([mkdir])}), "mkdir"),
        "call of a call": (b"}" + put + chumpy + b")R)Rs.", "got a call of an object of chumpy.ch.Ch"),
        "call of text": (
            b"}" + put + text("os.mkdir") + b"(" + text(trap) + b"tRs.",
            "got a call of an object of type str",
        ),
        "call without a tuple": (b"}" + put + chumpy + b"]Rs.", "got a call of chumpy.ch.Ch"),
        "reconstruct text": (
            b"}" + put + b"ccopy_reg\n_reconstructor\n(" + text("os") + b"tRs.",
            "got a call without one",
        ),
        "build of a class": (b"}" + put + chumpy + b"}bs.", "got state for chumpy.ch.Ch"),
        "build of a dict": (b"}" + put + b"}}bs.", "got state for an object of type dict"),
        "build of a list": (b"}" + put + b"](N}tbs.", "got state for an object of type list"),
        "build twice": (b"}" + put + chumpy + b")R}b}bs.", "got state for an object of chumpy.ch.Ch"),
        "item of a class": (chumpy + text("__setstate__") + b"Ns.", "got items for chumpy.ch.Ch"),
        "append to an object": (chumpy + b")RNa.", "got another file or one that is damaged"),
        "reduce of chumpy": (
            b"}" + put + chumpy + b"(" + text(trap) + b"tRs.",
            "expected the key kintree_table",
        ),
    }


@pytest.mark.parametrize("name", hostile("trap"))
def test_hostile_pickles_run_nothing(tmp_path, name):
    trap = tmp_path / "trap"
    data, part = hostile(str(trap))[name]
    path = tmp_path / "body.pkl"
    path.write_bytes(data)
    assert part in refusal(path)
    assert not trap.exists()
    assert "this" not in sys.modules


def test_the_traps_are_real(tmp_path):
    for number, name in enumerate(["reduce", "eval", "eval as Python 2", "inst", "inside an object array"]):
        trap = tmp_path / str(number)
        pickle.loads(hostile(str(trap))[name][0], encoding="latin1")
        assert trap.exists(), name


def test_registered_extensions_are_refused(tmp_path):
    module = os.mkdir.__module__  # posix, or nt
    copyreg.add_extension(module, "mkdir", 0x7B)
    try:
        data = pickle.dumps({"x": Call(os.mkdir, str(tmp_path / "trap"))}, 2)
        assert b"\x82\x7b" in data
        pickle.loads(b"\x80\x02\x82\x7b.")  # now the C unpickler would skip find_class
        for code in (b"\x82\x7b", b"\x83\x7b\x00", b"\x84\x7b\x00\x00\x00"):
            path = tmp_path / "body.pkl"
            path.write_bytes(data.replace(b"\x82\x7b", code))
            assert f"instruction {code[0]:#04x}" in refusal(path)
    finally:
        copyreg.remove_extension(module, "mkdir", 0x7B)
        copyreg.clear_extension_cache()
    assert not (tmp_path / "trap").exists()


def test_odd_states_of_permitted_classes(tmp_path):
    good = make.dump(BODY, 2)
    regressor = make.sparse(BODY["J_regressor"])
    huge = np.array([0] * 20 + [2**62])
    for value, part in [
        (make.ch("text"), "expected numbers"),
        (make.ch(None), "expected an array, got an object of type NoneType"),
        (make.ch([1.0, 2.0]), "expected an array, got an object of type list"),
        (make.Ch(y=1), "NoneType"),
        (make.Select(a=BODY["weights"], idxs=np.arange(100)), "damaged (IndexError)"),
        (make.Select(a=BODY["weights"], idxs=np.arange(3), preferred_shape=(2**40, 2)), "integers"),
        (make.Select(a=BODY["weights"], idxs=np.arange(3), preferred_shape="abc"), "integers"),
        (make.Reshape(a=BODY["weights"], newshape=(3, 3)), "damaged (ValueError)"),
        (make.Transpose(a=BODY["weights"], axes=(0, 0)), "damaged (ValueError)"),
        (make.sparse(BODY["J_regressor"], "csr"), "expected shape (20, 4), got (4, 20)."),
        (type(regressor)(**{**vars(regressor), "_shape": (2**20, 2**20)}), "numbers, got shape"),
        (type(regressor)(**{**vars(regressor), "_shape": (3, 20)}), "expected sparse matrix"),
        (type(regressor)(**{**vars(regressor), "_shape": (4, 21)}), "expected sparse matrix"),
        (type(regressor)(**{**vars(regressor), "_shape": (4,)}), "damaged (IndexError)"),
        (type(regressor)(**{**vars(regressor), "indptr": huge}), "expected sparse matrix"),
        (type(regressor)(**{**vars(regressor), "indices": -regressor.indices - 1}), "expected sparse matrix"),
        (type(regressor)(), "without any"),
        (np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]), "dtype 'V12'"),
        (np.array(["2020-01-01"], "M8[D]"), "dtype 'M8'"),
        (np.float64(3.0), "expected shape (20, 4), got ()."),
        (np.array([]), "got (0,)."),
        (2**70, "expected an array, got an object of type int"),
        ("x" * 20_000, "expected an array, got an object of type str"),
    ]:
        path = make.write_pickle(tmp_path / "body.pkl", {**BODY, "weights": value})
        assert part in refusal(path)
    for old, new, part in [
        (b"U\x02f8", b"U\x02g8", "dtype 'g8'"),
        (b"U\x02f8", b"U\x02O8", "dtype 'O8'"),
        (b"U\x01<", b"U\x01?", "byte order"),
        (b"K\x14K\x03\x86", b"K\x15K\x03\x86", "expected 63 numbers of float64, got 480 bytes"),
        (b"K\x14K\x03\x86", b"K\x14K\x03\x87", "expected an array with data, got one without"),
    ]:
        assert old in good
        path = tmp_path / "body.pkl"
        path.write_bytes(good.replace(old, new, 1))
        assert part in refusal(path)


BOMBS = {
    "memo number": b"}r\xff\xff\xff\xff.",
    "memo number as text": b"}p4294967295\n.",
    "text of 2**40 bytes": b"}\x8d" + struct.pack("<Q", 2**40) + b"abc",
    "bytes of 2**62 bytes": b"}\x8e" + struct.pack("<Q", 2**62) + b"abc",
    "bytearray of 2**40 bytes": b"}\x96" + struct.pack("<Q", 2**40) + b"abc",
    "frame of 2**63 bytes": b"\x80\x04\x95" + struct.pack("<Q", 2**63) + b"}.",
    "number of many digits": b"}L" + b"9" * 100_000 + b"L\n.",
    "number of 2 GiB": b"}\x8b" + struct.pack("<i", 2**31 - 1) + b"abc",
    "key that takes for ever to hash": b"})" + b"2\x86" * 200 + b"Ns.",
    "key that is nested too deep": b"})" + b"\x85" * 300_000 + b"Ns.",
    "millions of instructions": b"}" + b"N0" * (2**20 + 1) + b".",
    "list within a list": b"}Vweights\n" + b"]" * 1000 + b"a" * 999 + b"s.",
    "chumpy leaf that holds itself": (
        b"}q\x00Vv_template\ncchumpy.ch\nCh\n)Rq\x01}Vx\nh\x01sbsVkintree_table\nh\x01s."
    ),
    "list that holds itself": b"}Vkintree_table\n]q\x00h\x00as.",
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_cost_little(tmp_path, name):
    path = tmp_path / "body.pkl"
    path.write_bytes(BOMBS[name])
    tracemalloc.start()
    began = time.process_time()
    try:
        refusal(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert time.process_time() - began < 8.0
    assert peak < 2**26


def test_archives_that_claim_too_much(tmp_path):
    members = {key: value for key, value in BODY.items() if key != "kintree_table"}
    header = "{'descr': '%s', 'fortran_order': False, 'shape': %s, }"
    for descr, shape, part in [
        ("<i8", (2**40, 2), "at most"),
        ("<U9999", (2**20,), "at most"),
        ("<i8", (2, 4), "expected 64 bytes, got 3."),
        ("<i8", (-1, 4), "at least 0"),
        ("|O", (2, 4), "got dtype object"),
        ("V8", (2, 4), "got dtype |V8"),
        ("nonsense", (2, 4), "damaged (ValueError)"),
        ("<i8", "(2L, 4L)", "expected 64 bytes"),
    ]:
        path = make.write_npz(tmp_path / "body.npz", members)
        stream = io.BytesIO()
        written = (header % (descr, shape)).encode()
        stream.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(written)) + written + b"abc")
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr("kintree_table.npy", stream.getvalue())
        assert part in refusal(path)


# --------------------------------------------------------------------------------------- broken at random


SMALL = make.body(vertices=5, joints=3, betas=2)
FILES = {
    ".pkl": [make.dump(make.smpl_v100(SMALL), 0), make.dump(make.mano(SMALL), 2), make.dump(SMALL, 5, False)],
    ".npz": [],
}


@pytest.fixture(scope="module")
def sound_files(tmp_path_factory):
    """Sound files of every sort, as (suffix, bytes)."""
    path = make.write_npz(tmp_path_factory.mktemp("sound") / "body.npz", make.smplx(SMALL))
    return [(".npz", path.read_bytes())] + [(".pkl", data) for data in FILES[".pkl"]]


def test_truncated_files(tmp_path, sound_files):
    for suffix, data in sound_files:
        path = tmp_path / ("body" + suffix)
        for end in sorted({*range(0, len(data), max(1, len(data) // 120)), *range(40), len(data) - 1}):
            path.write_bytes(data[:end])
            refusal(path, num_betas=2)
        path.write_bytes(data)
        assert_same(read_model_file(path, 2), SMALL, 2)


@settings(max_examples=150, deadline=5000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_flipped_bytes_are_refused_or_read(tmp_path, sound_files, data):
    suffix, sound = data.draw(st.sampled_from(sound_files), label="file")
    broken = bytearray(sound)
    places = st.integers(0, len(sound) - 1)
    for place, value in data.draw(
        st.lists(st.tuples(places, st.integers(0, 255)), max_size=6), label="flips"
    ):
        broken[place] = value
    path = tmp_path / ("body" + suffix)
    path.write_bytes(broken)
    tracemalloc.start()
    try:
        assert isinstance(read_model_file(path, 2), ModelArrays)
    except InputError as error:
        assert str(path) in str(error)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 2 * 8 * pickle_arrays.MAX_ELEMENTS


@settings(max_examples=150, deadline=5000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=60))
def test_any_bytes_are_refused(tmp_path, data):
    path = tmp_path / "body.pkl"
    path.write_bytes(b"}" + data)
    refusal(path)


# ------------------------------------------------------------------------------------------ looking for files


@pytest.fixture
def places(tmp_path, monkeypatch):
    """An empty machine: `here` is the working folder, `home` the user's."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.delenv("KITRO_NP_MODELS", raising=False)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    monkeypatch.setattr(sys, "platform", "linux")
    return tmp_path


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


@pytest.mark.parametrize(
    ("name", "gender", "file"),
    [
        ("smpl", "neutral", "SMPL_NEUTRAL.pkl"),
        ("SMPL", "Female", "smpl/SMPL_FEMALE.npz"),
        ("smpl", "neutral", "basicmodel_neutral_lbs_10_207_0_v1.1.0.pkl"),
        ("smpl", "female", "basicModel_f_lbs_10_207_0_v1.0.0.pkl"),
        ("smpl", "male", "SMPL_python_v.1.1.0/smpl/models/basicmodel_m_lbs_10_207_0_v1.1.0.pkl"),
        ("smpl", "neutral", "smplify_public/code/models/basicModel_neutral_lbs_10_207_0_v1.0.0.pkl"),
        ("smplh", "male", "smplh/male/model.npz"),
        ("smplh", "male", "smplh/SMPLH_MALE.pkl"),
        ("smplx", "neutral", "models/smplx/SMPLX_NEUTRAL.npz"),
        ("mano", "right", "mano/MANO_RIGHT.pkl"),
        ("mano", "neutral", "mano_v1_2/models/MANO_RIGHT.pkl"),
        ("mano", "left", "MANO/mano_left.PKL"),
    ],
)
def test_files_under_the_names_that_people_use(places, name, gender, file):
    for start in (places / "given", places / "here" / "models"):
        expected = touch(start / file)
        found = find_model_file(name, gender, start if start.name == "given" else None)
        assert found.resolve() == expected
        expected.unlink()


def test_folders_are_searched_in_order(places, monkeypatch):
    monkeypatch.setenv("KITRO_NP_MODELS", str(places / "variable"))
    user = places / "home" / ".local" / "share" / "kitro_np" / "models"
    order = [places / "given", places / "variable", Path("models"), user]
    assert search_folders(places / "given") == order
    assert search_folders(places / "variable") == order[1:]
    files = [touch(places / "here" / folder / "SMPL_NEUTRAL.pkl") for folder in order]
    for expected in files:
        assert find_model_file("smpl", folder=places / "given").resolve() == expected
        expected.unlink()


def test_the_users_data_folder(places, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(places / "data"))
    assert search_folders()[-1] == places / "data" / "kitro_np" / "models"
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    assert search_folders()[-1] == places / "home" / ".local" / "share" / "kitro_np" / "models"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert search_folders()[-1] == places / "home" / "Library" / "Application Support" / "kitro_np" / "models"
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(places / "local"))
    assert search_folders()[-1] == places / "local" / "kitro_np" / "models"

    def homeless() -> Path:
        raise RuntimeError

    monkeypatch.setattr(Path, "home", homeless)
    assert search_folders() == [Path("models")]


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("smpl", "https://smpl.is.tue.mpg.de"),
        ("smplh", "https://mano.is.tue.mpg.de"),
        ("smplx", "https://smpl-x.is.tue.mpg.de"),
        ("mano", "https://mano.is.tue.mpg.de"),
    ],
)
def test_a_missing_file_is_explained(places, name, address):
    (places / "given" / f"{name.upper()}_NEUTRAL.pkl").mkdir(parents=True)  # a folder is no file
    with pytest.raises(FileNotFoundError) as caught:
        find_model_file(name, folder=places / "given")
    message = str(caught.value)
    for part in [address, "licence", *map(str, search_folders(places / "given")), *file_names(name)]:
        assert part in message
    assert message.endswith(".") and "\n" not in message


def test_a_missing_file_where_other_genders_are(places):
    male = touch(places / "given" / "smpl" / "SMPL_MALE.pkl")
    female = touch(places / "here" / "models" / "basicModel_f_lbs_10_207_0_v1.0.0.pkl")
    female = female.relative_to(places / "here")
    there = (
        f"their usual subfolders; there is a file for 'female' ({female}) and 'male' ({male}); get it from"
    )
    with pytest.raises(FileNotFoundError, match=re.escape(there)):
        find_model_file("smpl", folder=places / "given")
    with pytest.raises(FileNotFoundError, match=r"their usual subfolders; get it from"):
        find_model_file("smplx", folder=places / "given")


def test_unknown_names_and_genders(places):
    for arguments, sentence in [
        (("skel",), "name: expected one of smpl, smplh, smplx, mano, got 'skel'."),
        (("smpl", "right"), "gender of smpl: expected one of neutral, female, male, got 'right'."),
        (("smpl", None), "gender of smpl: expected one of neutral, female, male, got None."),
        (("mano", "male"), "gender of mano: expected one of right, left, got 'male'."),
    ]:
        for function in (find_model_file, file_names):
            with pytest.raises(InputError, match=f"^{re.escape(sentence)}$"):
                function(*arguments)
