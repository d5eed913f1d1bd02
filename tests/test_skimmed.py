"""Large files are skimmed: what comes out must be what the parser alone reads, also of forged files."""

from __future__ import annotations

import dataclasses
import io
import pickle
from collections.abc import Mapping

import numpy as np
import pytest

from kitro_np import InputError, read_estimates
from kitro_np.formats.estimates_in import phalp as phalp_reader
from kitro_np.safe_io import pickle_tree
from kitro_np.safe_io.pickle_arrays import Node, RefusedError
from kitro_np.safe_io.pickle_tree import as_array, parse_tree
from kitro_np.safe_io.skimmed import Column, IrregularError, Skimmed
from kitro_np.safe_io.stored import StoredArray

joblib = pytest.importorskip("joblib")


@pytest.fixture
def skimming(monkeypatch):
    """Return what turns skimming on, also of small files, or off."""

    def turn(on):
        monkeypatch.setattr(pickle_tree, "_LARGE", 0 if on else 2**60)
        monkeypatch.setattr(pickle_tree, "_MANY", 0)

    return turn


def plain(value):
    """Everything in a tree, in a form that can be compared."""
    if isinstance(value, (StoredArray, Node)):
        try:
            array = as_array(value)
        except RefusedError as error:
            return str(error)
        return array.dtype.str, array.shape, array.tobytes()
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value) is tuple, [plain(item) for item in value]
    return type(value).__name__, repr(value)


def read(data):
    """Read all that a file holds; None if it is refused."""
    try:
        return plain(parse_tree(data)[0])
    except (RefusedError, RecursionError):
        return None


class Trees:
    """Random trees as trackers write them, and less regular ones.

    Parameters
    ----------
    seed : int
    odd : float
        How often something else comes than what trackers write.
    """

    def __init__(self, seed, odd):
        self.rng = np.random.default_rng(seed)
        self.odd = odd
        self.met = []  # lists, dicts and texts, which may come again

    def number(self):
        return int(self.rng.choice([0, 7, 255, 256, 65535, 65536, 2**31 - 1, -1, -300]))

    def array(self):
        shape = [(3,), (1, 3, 3), (0,), (2, 2), ()][self.rng.integers(5)]
        dtype = ["f4", "f8", "i8", ">f4", "?"][self.rng.choice(5, p=[0.5, 0.2, 0.1, 0.1, 0.1])]
        array = np.asarray(self.rng.normal(size=shape) * 50).astype(dtype)
        return np.asfortranarray(array) if self.rng.random() < 0.2 else array

    def value(self, depth=0):
        if self.met and self.rng.random() < 0.05:
            return self.met[self.rng.integers(len(self.met))]
        if self.rng.random() < self.odd:
            return self.strange()
        kinds = [
            self.number,
            self.array,
            self.array,
            lambda: float(self.rng.normal()),
            lambda: [None, True, False][self.rng.integers(3)],
            lambda: self.keep("text" * self.rng.integers(0, 90)),
            lambda: bytes(self.rng.integers(0, 300)),
            lambda: np.float32(self.rng.normal()),
            lambda: (self.number(), 1.5, 3)[: self.rng.integers(1, 4)],
        ]
        if depth < 3:
            kinds += [lambda: self.list(depth), lambda: self.list(depth), lambda: self.dict(depth)]
        return kinds[self.rng.integers(len(kinds))]()

    def strange(self):
        strange = [
            2**40,
            "häuser",
            (1, 2, 3, 4),
            (),
            {1, 2},
            {np.int64(3): 4, (1, 2): 5, 6: 7},
            [[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]],
            np.array([{"x": 1}, None], dtype=object),
            np.array(["a", "bc"]),
        ]
        return strange[self.rng.integers(len(strange))]

    def keep(self, value):
        self.met.append(value)
        return value

    def list(self, depth):
        count = self.rng.choice([0, 1, 2, 5])
        alike = self.rng.random() < 0.6
        first = self.array()
        return self.keep([first.copy() if alike else self.value(depth + 1) for _ in range(count)])

    def dict(self, depth=0):
        keys = self.rng.permutation(["a", "b", "c", "d", "e", "f"])[: self.rng.choice([0, 1, 2, 5])]
        return self.keep({str(key): self.value(depth + 1) for key in keys})

    def tree(self, frames):
        known = {key: np.zeros(3, np.float32) for key in "abcdef"}
        others = {f"other {k}": self.value() for k in range(frames // 4)}
        rows = [*{f"frame {k}": self.dict() for k in range(frames)}.items(), *others.items()]
        return {"first": known, **dict(rows[k] for k in self.rng.permutation(len(rows)))}


class Pipe(io.BytesIO):
    """A file that does not say where it is: joblib cannot align arrays in it."""

    def tell(self):
        raise io.UnsupportedOperation


def dump(tree, how="aligned"):
    if how.isdecimal():
        return pickle.dumps(tree, protocol=int(how))
    file = Pipe() if how == "not aligned" else io.BytesIO()
    joblib.dump(tree, file, protocol=2 if how == "protocol 2" else None)
    return file.getvalue()


@pytest.mark.parametrize("odd", [0.0, 0.02])
@pytest.mark.parametrize("how", ["aligned", "not aligned", "protocol 2", "4", "5"])
def test_a_skimmed_tree_is_what_the_parser_reads(skimming, how, odd):
    skimmed = 0
    for seed in range(20):
        data = dump(Trees(seed, odd).tree(60), how)
        skimming(False)
        expected = read(data)
        skimming(True)
        tree, end = parse_tree(data)
        assert end == len(data)
        skimmed += sum(type(frame) is Skimmed for frame in tree.values())
        assert plain(tree) == expected
        assert expected is not None
    assert (skimmed > 200) == (how in ("aligned", "not aligned"))


def test_values_that_come_again_are_the_same_object(skimming):
    """A track that is not seen keeps its last body: later frames refer to a skimmed one."""
    skimming(True)
    bodies = [{"a": np.full(3, k, np.float32)} for k in range(100)]
    tree = {"first": {"a": [np.zeros(3, np.float32)], "smpl": []}}
    tree |= {f"frame {k}": {"smpl": [bodies[k], bodies[max(k - 1, 0)]], "a": k} for k in range(100)}
    tree["last"] = bodies[50]
    read, _ = parse_tree(dump(tree))
    assert type(read["frame 98"]) is Skimmed
    assert read["last"] is read["frame 50"]["smpl"][0]
    for k in range(99, 0, -1):
        assert read[f"frame {k}"]["smpl"][1] is read[f"frame {k - 1}"]["smpl"][0]
        np.testing.assert_array_equal(as_array(read[f"frame {k}"]["smpl"][0]["a"]), np.full(3, k))


def test_a_long_chain_of_references_is_read(skimming):
    """Each frame refers to the one before it, and the last one is asked for first."""
    skimming(True)
    tree, before = {"first": {"a": np.zeros(3), "b": np.zeros(3), "c": 0}}, {"a": 0, "b": 0}
    for k in range(2999):
        tree[f"frame {k}"] = {"a": before, "b": (before := {"a": k, "b": k}), "c": bytes(200)}
    read, _ = parse_tree(dump(tree))
    assert type(read["frame 2998"]) is Skimmed
    assert read["frame 2998"]["a"] is read["frame 2997"]["b"]


def test_a_dict_that_grows_after_it_was_skimmed(skimming):
    """Items of a large dict come in batches: what follows the first may not be skimmed."""
    skimming(True)
    large = {str(k): k for k in range(1001)}
    tree = {
        "first": {"a": np.zeros(3), "b": np.zeros(3), **large},
        "many": {**large},
        "one": {"1": {}},
        "no": {},
    }
    assert plain(parse_tree(dump(tree))[0])["many"] == plain(large)
    assert plain(parse_tree(dump(tree))[0])["one"] == {"1": {}}


@pytest.mark.parametrize("seed", range(4))
def test_a_forged_file_is_read_or_refused_as_without_skimming(skimming, seed):
    data = dump(Trees(seed, 0).tree(25))
    rng = np.random.default_rng(seed)
    instructions = np.frombuffer(b"\x94\x68\x6a(eua\x73]}KMJGN\x8cXCB\x85\x86\x87R\x95b0.", np.uint8)
    for _ in range(250):
        changed = bytearray(data)
        for place in rng.integers(0, len(data), rng.integers(1, 3)):
            changed[place] = rng.choice(instructions) if rng.random() < 0.6 else rng.integers(256)
        skimming(False)
        expected = read(bytes(changed))
        skimming(True)
        assert read(bytes(changed)) == expected


def phalp(seed, frames=40):
    """A PHALP file as the program writes it, with people that are not seen and keep their last body."""
    rng = np.random.default_rng(seed)
    tree, last = {}, {}
    for time in range(frames):
        people = [1, 300, 7, 70000][: rng.choice([0, 1, 2, 4])]
        name = f"out/{time:06d}.jpg"
        tree[name] = frame = {"time": time, "shot": 0, "frame_path": name, "tid": people}
        for key in ("tracked_time", "camera", "size", "smpl", "2d_joints", "conf", "mask"):
            frame[key] = []
        for person in people:
            stale = person in last and rng.random() < 0.3
            if not stale:
                last[person] = {
                    "camera": rng.normal(size=3).astype(np.float32),
                    "size": [720, 1280],
                    "smpl": {
                        "global_orient": rng.normal(size=(1, 3, 3)).astype(np.float32),
                        "body_pose": rng.normal(size=(23, 3, 3)).astype(np.float32),
                        "betas": rng.normal(size=10).astype(np.float32),
                    },
                    "2d_joints": rng.normal(size=90).astype(np.float32),
                    "conf": np.float32(rng.random()),
                    "mask": [{"size": [720, 1280], "counts": bytes(rng.integers(0, 300))}, None],
                }
            frame["tracked_time"].append(int(stale))
            for key, value in last[person].items():
                frame[key].append(value)
    return tree


def estimates(path):
    """Read a file's estimates, or the message why it is refused."""
    try:
        read = read_estimates(path)
    except InputError as error:
        return str(error)
    return read


CHANGES = {
    "nothing": lambda frame: None,
    "no joints": lambda frame: frame.pop("2d_joints"),
    "another number of joints": lambda frame: frame["2d_joints"].append(np.zeros(90, np.float32)),
    "no times": lambda frame: frame.pop("tracked_time"),
    "no time": lambda frame: frame.pop("time"),
    "no camera": lambda frame: frame.pop("camera"),
    "a camera in float64": lambda frame: frame["camera"].__setitem__(0, np.ones(3)),
    "a camera of another shape": lambda frame: frame["camera"].__setitem__(0, np.ones((1, 3), np.float32)),
    "other betas": lambda frame: frame["smpl"].__setitem__(0, frame["smpl"][0] | {"betas": np.zeros(11)}),
    "no betas": lambda frame: frame["smpl"].__setitem__(0, {"body_pose": np.zeros((23, 3, 3), np.float32)}),
    "a size of floats": lambda frame: frame["size"].__setitem__(0, [720.0, 1280.0]),
    "a size of three": lambda frame: frame["size"].__setitem__(0, [1, 2, 3]),
    "a size as an array": lambda frame: frame["size"].__setitem__(0, np.array([720, 1280])),
    "an identity as NumPy's": lambda frame: frame.__setitem__("tid", [np.int64(p) for p in frame["tid"]]),
    "no list": lambda frame: frame.__setitem__("smpl", 3),
}


@pytest.mark.parametrize("whom", ["one frame", "all frames"])
@pytest.mark.parametrize("what", CHANGES)
def test_estimates_are_the_same_whether_a_file_is_skimmed(tmp_path, skimming, monkeypatch, what, whom):
    monkeypatch.setattr(phalp_reader, "_BLOCK", 7)
    tree = phalp(len(what))
    peopled = [frame for frame in tree.values() if frame["tid"]]
    for frame in peopled[-5:-4] if whom == "one frame" else peopled:
        CHANGES[what](frame)
    path = tmp_path / "demo.pkl"
    path.write_bytes(dump(tree))
    skimming(False)
    expected = estimates(path)
    skimming(True)
    found = estimates(path)
    if isinstance(expected, str) or isinstance(found, str):
        assert found == expected
        return
    for part in dataclasses.fields(expected):
        ours, theirs = getattr(found, part.name), getattr(expected, part.name)
        if part.name == "joints_2d" and theirs is not None:
            ours, theirs = ours.points, theirs.points
        np.testing.assert_array_equal(ours, theirs, part.name)


def test_a_skimmed_file_is_read_without_reading_its_frames(tmp_path, skimming):
    skimming(True)
    path = tmp_path / "demo.pkl"
    path.write_bytes(dump(phalp(0, 200)))
    tree, _ = parse_tree(path.read_bytes())
    frames = [frame for frame in tree.values() if type(frame) is Skimmed]
    assert len(frames) > 190
    late = Column.of(frames[100:])
    lists, counts = late.under("camera").items()
    assert lists.numbers().shape == (counts.sum(), 3)
    with pytest.raises(IrregularError):
        late.under("shape")
    assert not {frame.number for frame in frames[100:]} & {*frames[0].skim._read}
