"""Streaming: whatever carries the rows, each body is refined as in one call of refine."""

import gc
import os
import pickle
import signal
import threading
import weakref
from pathlib import Path

import numpy as np
import pytest
from shards import COUNT, DATA, hashes, rows, write_some

import kitro_np
from kitro_np import InputError, Refiner, read_shard, refine_shards, stream, write_shard
from kitro_np.keypoints.layouts import find_layout
from kitro_np.streaming import pool
from kitro_np.streaming.manifest import ShardEntry
from kitro_np.streaming.on_ray import check_address
from kitro_np.streaming.rows import stops_of
from kitro_np.streaming.shards import find_shards

pytest.importorskip("pyarrow")
import pyarrow as pa
import pyarrow.parquet as pq

WHOLE = kitro_np.refine(**DATA)


def parts(size):
    return (rows(k, k + size) for k in range(0, COUNT, size))


def test_a_refiner_is_refine():
    refined = Refiner()(rows())
    for name, array in WHOLE.arrays().items():
        np.testing.assert_array_equal(refined[name], array, err_msg=name)
    np.testing.assert_array_equal(refined["intrinsics"], DATA["intrinsics"])


def test_a_refiner_passes_on_what_it_does_not_know():
    given = rows()
    refined = Refiner()(given)
    assert refined["name"] is given["name"]
    assert refined["id"] is given["id"]
    assert "keypoints_2d" not in refined


def test_a_refiner_travels():
    refiner = pickle.loads(pickle.dumps(Refiner(method="map", uncertainty=True, hypotheses=2)))
    refined = refiner(rows(0, 4))
    assert refined["joint_spread"].shape == (4, 24)
    assert refined["hypothesis_pose"].shape == (4, 2, 24, 3, 3)


def test_a_refiner_takes_the_names_of_the_authors_and_flat_columns():
    given = rows(0, 4)
    renamed = {"pred_theta": given["pose"].reshape(4, -1), "pred_beta": given["betas"]}
    renamed |= {"pred_cam": given["transl"], "keypoints_2d": given["keypoints_2d"].reshape(4, -1)}
    refined = Refiner(body=DATA["body"])({**renamed, "intrinsics": given["intrinsics"].reshape(4, 9)})
    np.testing.assert_array_equal(refined["pose"], WHOLE.pose[:4])


def test_a_refiner_has_the_camera_of_its_settings():
    given = rows(0, 4)
    size = 2 * given.pop("intrinsics")[0, :2, 2]
    refined = Refiner(image_size=size, focal_length=1000.0)(given)
    assert refined["intrinsics"][:, 0, 0].tolist() == [1000.0] * 4
    one = {**rows(0, 4), "focal_length": np.full(4, 1000.0), "image_size": np.tile(size, (4, 1))}
    del one["intrinsics"]
    np.testing.assert_array_equal(Refiner()(one)["pose"], refined["pose"])


def test_a_refiner_refines_tracks_as_videos():
    track, frame = np.arange(COUNT) // 30, np.arange(COUNT) % 30
    given = rows(track=track, frame=frame, fps=np.full(COUNT, 25.0))
    video = kitro_np.refine(**DATA, tracks=track, frames=frame, fps=25.0)
    np.testing.assert_array_equal(Refiner()(given)["pose"], video.pose)
    np.testing.assert_array_equal(Refiner(each_frame=True)(given)["pose"], WHOLE.pose)
    named = Refiner()({**given, "track": np.array(["b", "a"], object)[track]})
    np.testing.assert_array_equal(named["pose"], video.pose)
    assert named["track"].tolist() == ["b"] * 30 + ["a"] * 30


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pose": None}, "expected the key pose or pred_theta, got"),
        ({"keypoints_2d": np.zeros((COUNT, 7, 2))}, "expected 24 points, as smpl24 has, got 7"),
        ({"fps": np.arange(COUNT)}, "fps: expected the same in all rows, got several"),
        ({"betas": np.zeros((COUNT, 2, 10))}, "betas: expected"),
    ],
)
def test_a_refiner_says_what_is_wrong(change, message):
    given = {name: part for name, part in {**rows(), **change}.items() if part is not None}
    with pytest.raises(InputError, match=message):
        Refiner()(given)


def test_settings_of_a_refiner_are_checked():
    for settings in (
        {"method": "none"},
        {"fps": -1},
        {"threads": 0},
        {"joints_of": "coco"},
        {"iterations": 3},
    ):
        with pytest.raises(InputError):
            Refiner(**settings)


@pytest.mark.parametrize("workers", [1, 3])
def test_a_stream_is_refine_in_order(workers):
    results = list(stream(parts(7), workers=workers))
    np.testing.assert_array_equal(np.concatenate([one["pose"] for one in results]), WHOLE.pose)
    assert np.concatenate([one["id"] for one in results]).tolist() == [*range(COUNT)]


def test_a_stream_is_lazy_and_looks_no_further_than_it_says():
    taken = []

    def batches():
        for k in range(100):
            taken.append(k)
            yield rows(0, 2)

    results = stream(batches(), workers=2, ahead=1)
    assert taken == []
    next(results)
    next(results)
    assert len(taken) == 4
    results.close()
    assert len(taken) == 4


def test_a_stream_keeps_nothing():
    class Kept(dict):
        pass

    seen = []

    def batches():
        for k in range(6):
            batch = Kept(rows(k, k + 2))
            seen.append(weakref.ref(batch))
            yield batch
            del batch

    before = threading.active_count()
    for number, _ in enumerate(stream(batches(), workers=1, ahead=0)):
        gc.collect()
        assert sum(ref() is not None for ref in seen) <= 1, number
    assert threading.active_count() == before


def test_a_stream_raises_in_the_place_of_the_batch():
    results = stream([rows(0, 2), {"pose": DATA["pose"]}, rows(2, 4)])
    assert len(next(results)["pose"]) == 2
    with pytest.raises(InputError, match="batch 1: expected the keys betas"):
        next(results)
    with pytest.raises(InputError, match="workers"):
        stream([], workers=0)
    with pytest.raises(InputError, match="batches: expected an iterable of dicts, got dict"):
        stream(rows())


@pytest.mark.parametrize("suffix", [".parquet", ".npz"])
def test_what_is_written_is_read(tmp_path, suffix):
    given = rows(flag=np.arange(COUNT) % 2 == 0, half=DATA["betas"].astype(np.float16))
    path = write_shard(tmp_path / f"one{suffix}", given, rows=7)
    found = read_shard(path)
    assert {*found} == {*given}
    for name, array in given.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)
        assert found[name].dtype == np.asarray(array).dtype
    with pytest.raises(InputError, match="expected a new file"):
        write_shard(path, given)
    with pytest.raises(InputError, match=r"arrays: expected one number of rows, got \[1, 2\]"):
        write_shard(tmp_path / f"two{suffix}", {"a": np.zeros(1), "b": np.zeros(2)})
    with pytest.raises(InputError, match=r"expected a name that ends in \.parquet or \.npz"):
        write_shard(tmp_path / "two.csv", given)


def lists(array, kind):
    """An Arrow column of an array as other programs write it."""
    if kind == "nested":
        column = pa.array(array.reshape(-1))
        for size in array.shape[:0:-1]:
            column = pa.FixedSizeListArray.from_arrays(column, size)
        return column
    return pa.array([one.reshape(-1).tolist() for one in array], pa.list_(pa.float32()))


@pytest.mark.parametrize("kind", ["nested", "flat"])
def test_lists_of_other_programs_are_read(tmp_path, kind):
    names = ("pose", "betas", "transl", "keypoints_2d", "intrinsics")
    table = pa.table({name: lists(DATA[name], kind) for name in names} | {"body": [DATA["body"]] * COUNT})
    table = table.append_column("notes", pa.array([{"a": k} if k % 2 else None for k in range(COUNT)]))
    (tmp_path / "in").mkdir()
    pq.write_table(table, tmp_path / "in" / "one.parquet", row_group_size=COUNT)
    done = refine_shards(tmp_path / "in", tmp_path / "out", workers=1, rows=16)
    assert done.bodies == COUNT, done.set_aside
    out = pq.read_table(tmp_path / "out" / "one.parquet")
    assert out["notes"].to_pylist() == table["notes"].to_pylist()
    assert out["body"].to_pylist() == table["body"].to_pylist()
    pose = np.array([np.ravel(one) for one in out["pose"].to_pylist()], np.float32)
    np.testing.assert_array_equal(pose.reshape(WHOLE.pose.shape), WHOLE.pose)


def test_shards_are_refine(tmp_path):
    """Of both formats, in subfolders, with videos, and of no rows."""
    folder, out = tmp_path / "in", tmp_path / "out"
    (folder / "sub").mkdir(parents=True)
    track = np.arange(COUNT) // 30
    write_shard(folder / "a.parquet", rows(), rows=7)
    write_shard(folder / "sub" / "a.npz", rows())
    write_shard(folder / "empty.parquet", rows(0, 0))
    write_shard(folder / "empty.npz", rows(0, 0))
    write_shard(folder / "video.parquet", rows(track=track, frame=np.arange(COUNT)), rows=7)
    (folder / "_SUCCESS").touch()
    (folder / ".hidden.npz").touch()
    counted = []
    done = refine_shards(folder, out, rows=16, progress=lambda rows, total: counted.append((rows, total)))
    assert done.set_aside == {}
    assert done.shards == 5
    assert done.bodies == 3 * COUNT == sum(rows for rows, _ in counted)
    assert {total for _, total in counted} == {3 * COUNT}
    for name in ("a.parquet", "sub/a.npz"):
        found = read_shard(out / name)
        for key, array in WHOLE.arrays().items():
            np.testing.assert_array_equal(found[key], array, err_msg=key)
        assert found["name"].tolist() == rows()["name"].tolist()
        assert str(found["body"]) == DATA["body"]
    video = kitro_np.refine(**DATA, tracks=track, frames=np.arange(COUNT))
    np.testing.assert_array_equal(read_shard(out / "video.parquet")["pose"], video.pose)
    assert len(read_shard(out / "empty.npz")["pose"]) == len(read_shard(out / "empty.parquet")["pose"]) == 0
    assert kitro_np.RefineResult.load(out / "sub" / "a.npz").summary() == WHOLE.summary()
    # The same bytes again, resumed or anew, on one worker or on two.
    before = hashes(out)
    refine_shards(folder, out, rows=16, workers=1, resume=True)
    assert hashes(out) == before
    (out / "sub" / "a.npz").write_bytes(b"")
    (out / "a.parquet").unlink()
    refine_shards(folder, out, rows=16, workers=1, resume=True)
    assert hashes(out) == before
    refine_shards(folder, out, rows=16, workers=1, force=True)
    assert hashes(out) == before
    # What is not the same as in the manifest is refused.
    for change, what in (({"uncertainty": True}, "options"), ({"rows": 8}, "rows")):
        with pytest.raises(InputError, match=f"^resume: expected {what} .*, as in .*manifest.jsonl, got"):
            refine_shards(folder, out, **{"rows": 16, **change}, resume=True)
    with pytest.raises(InputError, match=r"expected an empty folder, got one with .*--resume.*--force"):
        refine_shards(folder, out)


def test_tracks_are_not_cut():
    assert [*stops_of(10, 4)] == [4, 8, 10]
    assert [*stops_of(0, 4)] == []
    # Two people who overlap, then another one.
    assert [*stops_of(9, 2, np.array([0, 1, 0, 1, 1, 2, 2, 3, 3]))] == [5, 7, 9]
    assert [*stops_of(6, 1, np.array([0, 1, 2, 2, 1, 0]))] == [6]
    assert [*stops_of(4, 100, np.arange(4))] == [4]


def damage(folder):
    """Damage shards as disks and people do, and return their names."""
    whole = (folder / "part-00.parquet").read_bytes()
    (folder / "cut.parquet").write_bytes(whole[: len(whole) // 2])
    middle = bytearray(whole)
    middle[len(whole) // 3] ^= 255
    (folder / "flipped.parquet").write_bytes(middle)
    (folder / "text.npz").write_bytes(b"no archive")
    write_shard(folder / "whole.npz", rows(0, 8))
    flipped = bytearray((folder / "whole.npz").read_bytes())
    flipped[3000] ^= 255
    (folder / "flipped.npz").write_bytes(flipped)
    (folder / "whole.npz").unlink()
    write_shard(folder / "other.parquet", {"pose": DATA["pose"]})
    return ["cut.parquet", "flipped.npz", "flipped.parquet", "other.parquet", "text.npz"]


def test_damaged_shards_are_set_aside(tmp_path):
    folder, out = tmp_path / "in", tmp_path / "out"
    write_some(folder, 2)
    names = damage(folder)
    done = refine_shards(folder, out, workers=1)
    assert [*done.set_aside] == names
    assert all(reason.startswith(name) for name, reason in done.set_aside.items())
    assert done.bodies == 16
    assert done.summary() == "16 of 16 bodies refined, in 2 of 7 shards; 5 set aside."
    assert sorted(os.listdir(out)) == ["manifest.jsonl", "part-00.parquet", "part-01.parquet"]
    # One that was mended is refined when the run is resumed.
    write_shard(folder / "cut.parquet", rows(0, 8), force=True)
    again = refine_shards(folder, out, workers=1, resume=True)
    assert [*again.set_aside] == names[1:]
    assert again.bodies == 24


def bombs(folder):
    """Write small files of rows that are large, and return their names."""
    write_shard(folder / "rows.npz", rows(0, 8))
    plain = dict(np.load(folder / "rows.npz"))
    large = {f"constant_{k}": np.zeros(2**21) for k in range(2)}
    np.savez_compressed(folder / "constants.npz", **plain, **large)
    np.savez_compressed(folder / "columns.npz", **plain, more=np.zeros((8, 2**20)))
    labels = np.array(["", *7 * ["b"]], "U1000000")
    np.savez_compressed(folder / "labels.npz", **plain, track=labels)
    write_shard(folder / "rows.parquet", rows(0, 8))
    table = pq.read_table(folder / "rows.parquet")
    lists = pa.array([[], *7 * [[0]]], pa.list_(pa.int64()))
    one = pa.ListArray.from_arrays([0, *8 * [2**22]], pa.array(np.zeros(2**22, np.int64)))
    for name, column in (("fine", lists), ("list", one), ("track", pa.array([*7 * ["a"], 10**6 * "b"]))):
        pq.write_table(
            table.append_column(name if name == "track" else "more", column), folder / f"{name}.parquet"
        )
    return ["columns.npz", "constants.npz", "labels.npz", "list.parquet", "track.parquet"]


def test_rows_are_bounded_before_they_are_read(tmp_path):
    """As the contents of other files are, by a limit that goes to the workers."""
    (tmp_path / "in").mkdir()
    names = bombs(tmp_path / "in")
    assert sum(path.stat().st_size for path in (tmp_path / "in").iterdir()) < 3e6
    with kitro_np.memory_limit("20MB"):
        done = refine_shards(tmp_path / "in", tmp_path / "out", workers=2)
    assert [*done.set_aside] == names
    for reason in done.set_aside.values():
        assert "expected at most 20 MB at once (--max-memory or max_memory raises it), got" in reason
    assert done.shards - len(names) == 3


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory of processes is bounded on Linux")
def test_a_list_of_millions_in_one_row_ends_no_worker(tmp_path, monkeypatch):
    """What it is decoded to, 300 MB, nothing in the file says before."""
    monkeypatch.setattr(
        pool, "START", f"{pool.START}from kitro_np.streaming import worker; worker.SPARE = 2 * 10**8; "
    )
    write_some(tmp_path / "in", 1)
    table = pq.read_table(tmp_path / "in" / "part-00.parquet")
    many = pa.ListArray.from_arrays([0, *len(table) * [2**26]], pa.array(np.zeros(2**26, np.int8)))
    pq.write_table(table.append_column("more", many), tmp_path / "in" / "list.parquet")
    del many
    assert (tmp_path / "in" / "list.parquet").stat().st_size < 1e6
    with kitro_np.memory_limit("20MB"):
        done = refine_shards(tmp_path / "in", tmp_path / "out", workers=1)
    assert done.set_aside == {"list.parquet": "list.parquet: expected rows that fit into memory, got more."}
    assert done.shards == 2


def test_a_worker_that_dies_is_replaced(tmp_path, monkeypatch):
    write_some(tmp_path / "in")
    refine_shards(tmp_path / "in", tmp_path / "whole", workers=1)
    started, own = [], pool.subprocess.Popen
    monkeypatch.setattr(pool.subprocess, "Popen", lambda *a, **k: started.append(own(*a, **k)) or started[-1])

    def kill(count, total):
        if count > 0 and len(started) == 1:
            os.kill(started[0].pid, signal.SIGKILL)

    done = refine_shards(tmp_path / "in", tmp_path / "out", workers=1, progress=kill)
    assert done.set_aside == {}
    assert len(started) == 2
    assert hashes(tmp_path / "out") == hashes(tmp_path / "whole")


def test_a_shard_that_kills_its_workers_is_set_aside(tmp_path, monkeypatch):
    monkeypatch.setattr(pool, "START", "import os; os.kill(os.getpid(), 9); worker = None; ")
    write_some(tmp_path / "in", 1)
    done = refine_shards(tmp_path / "in", tmp_path / "out", workers=2)
    assert "got 2 workers that died of it (SIGKILL)" in done.set_aside["part-00.parquet"]


@pytest.mark.skipif(os.name != "posix", reason="limits the size of files")
def test_a_full_disk_ends_the_run_which_can_then_be_resumed(tmp_path, monkeypatch):
    """Here a file cannot grow beyond 8 kB."""
    write_some(tmp_path / "in")
    write_shard(tmp_path / "in" / "part-00.parquet", rows(0, 1), force=True)  # this one fits
    refine_shards(tmp_path / "in", tmp_path / "whole", workers=1)
    small = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192)); "
    with monkeypatch.context() as patch:
        patch.setattr(pool, "START", small + pool.START)
        with pytest.raises(OSError, match="File too large"):
            refine_shards(tmp_path / "in", tmp_path / "out", workers=1)
    assert sorted(os.listdir(tmp_path / "out")) == ["manifest.jsonl", "part-00.parquet"]
    refine_shards(tmp_path / "in", tmp_path / "out", workers=1, resume=True)
    assert hashes(tmp_path / "out") == hashes(tmp_path / "whole")


def test_a_result_that_cannot_be_written_ends_the_run(tmp_path):
    write_some(tmp_path / "in", 1)
    (tmp_path / "out").mkdir()
    refine_shards(tmp_path / "in", tmp_path / "out", workers=1)
    (tmp_path / "out" / "part-00.parquet").unlink()
    (tmp_path / "out" / "part-00.parquet").mkdir()
    with pytest.raises(OSError, match=r"part-00\.parquet: expected a file to write, got a folder"):
        refine_shards(tmp_path / "in", tmp_path / "out", workers=1, resume=True)
    assert "reason" not in (tmp_path / "out" / "manifest.jsonl").read_text()


@pytest.mark.skipif(os.name != "posix", reason="makes links")
def test_links_lead_nowhere(tmp_path):
    """Not from a result to a shard, not round and round."""
    write_some(tmp_path / "in", 2)
    (tmp_path / "in" / "round").symlink_to(".")
    (tmp_path / "in" / "again").symlink_to(".")
    (tmp_path / "in" / "same.parquet").symlink_to("part-01.parquet")
    names = ["part-00.parquet", "part-01.parquet"]
    for given in ("in", "in/**/*.parquet", "in/**/**/*.parquet"):
        assert [one.name for one in find_shards(tmp_path / given)] == names
    before = hashes(tmp_path / "in")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "part-00.parquet").symlink_to(tmp_path / "in" / "part-01.parquet")
    with pytest.raises(InputError, match="expected a result or nothing, got a link"):
        refine_shards(tmp_path / "in", tmp_path / "out", force=True)
    (tmp_path / "out" / "part-00.parquet").unlink()
    (tmp_path / "in" / "sub").mkdir()
    (tmp_path / "in" / "part-00.parquet").rename(tmp_path / "in" / "sub" / "part-01.parquet")
    (tmp_path / "out" / "sub").symlink_to(tmp_path / "in")
    with pytest.raises(InputError, match="expected another folder than the shards', got the same"):
        refine_shards(tmp_path / "in", tmp_path / "out", force=True)
    assert {*before.values()} == {*hashes(tmp_path / "in").values()}


@pytest.mark.parametrize("suffix", [".parquet", ".npz"])
def test_a_result_says_whose_body_it_is(tmp_path, suffix):
    other = {**rows(0, 8), "body": np.array(["open_v1"] * 8), "method": np.array(["mine"] * 8)}
    write_shard(tmp_path / f"a{suffix}", other)
    refine_shards(tmp_path / f"a{suffix}", tmp_path / "out", workers=1)
    found = read_shard(tmp_path / "out" / f"a{suffix}")
    own = kitro_np.refine(**{**DATA, "body": "open_v1"})
    np.testing.assert_array_equal(found["pose"], own.pose[:8])
    assert set(found["body"].reshape(-1).tolist()) == {"open_v1"}
    assert set(found["method"].reshape(-1).tolist()) == {"mine"}  # a column of the shard's


def test_shards_that_are_gone_stay_in_the_manifest(tmp_path):
    write_some(tmp_path / "in", 2)
    refine_shards(tmp_path / "in", tmp_path / "out", workers=1)
    before = hashes(tmp_path / "out")
    (tmp_path / "in" / "part-00.parquet").unlink()
    done = refine_shards(tmp_path / "in", tmp_path / "out", workers=1, resume=True)
    assert done.summary() == "8 of 8 bodies refined, in 1 of 1 shards; 1 had been done before."
    assert hashes(tmp_path / "out") == before
    refine_shards(tmp_path / "in", tmp_path / "out", workers=1, force=True)
    assert sorted(os.listdir(tmp_path / "out")) == ["manifest.jsonl", "part-01.parquet"]


@pytest.mark.parametrize("layout", ["smpl24", "coco17", "mpii16"])
@pytest.mark.parametrize("size", [2, 3])
def test_flat_keypoints_have_the_shape_of_their_layout(layout, size):
    """48 numbers are 24 points, or 16 with scores."""
    count = find_layout(layout, kitro_np.load_body("open")).num_points
    given = rows(0, 4)
    points = np.ones((4, count, 3))
    points[..., :2] = given["keypoints_2d"][:, :1]
    whole = Refiner(keypoint_layout=layout)({**given, "keypoints_2d": points[..., :size]})
    flat = {**given, "keypoints_2d": points[..., :size].reshape(4, -1)}
    np.testing.assert_array_equal(Refiner(keypoint_layout=layout)(flat)["pose"], whole["pose"])
    with pytest.raises(
        InputError, match=rf"expected {count} points in a row, {2 * count} or {3 * count} num"
    ):
        Refiner(keypoint_layout=layout)({**given, "keypoints_2d": np.ones((4, 7))})


def test_flat_shards_of_no_rows(tmp_path):
    write_shard(tmp_path / "a.parquet", rows(0, 8))
    table = pq.read_table(tmp_path / "a.parquet")
    plain = [
        pa.array([np.ravel(one).tolist() for one in table[name].to_pylist()])
        for name in table.column_names[:4]
    ]
    flat = pa.table(dict(zip(table.column_names[:4], plain, strict=True)), metadata=table.schema.metadata)
    pq.write_table(
        flat.append_column("intrinsics", table["intrinsics"]).slice(0, 0), tmp_path / "none.parquet"
    )
    done = refine_shards(tmp_path / "none.parquet", tmp_path / "out", workers=1)
    assert done.set_aside == {}
    assert len(read_shard(tmp_path / "out" / "none.parquet")["pose"]) == 0


def test_what_is_no_array_is_passed_on_and_not_read(tmp_path):
    write_shard(tmp_path / "a.parquet", rows(0, 4))
    more = {
        "when": pa.array([0, 1, 2, 3], pa.timestamp("s")),
        "about": pa.array([{"a": 1}] * 4),
        "b": pa.array([b"x"] * 4),
    }
    table = pq.read_table(tmp_path / "a.parquet")
    for name, column in more.items():
        table = table.append_column(name, column)
    pq.write_table(table, tmp_path / "a.parquet")
    refine_shards(tmp_path / "a.parquet", tmp_path / "out", workers=1)
    found = pq.read_table(tmp_path / "out" / "a.parquet")
    assert all(found[name].to_pylist() == column.to_pylist() for name, column in more.items())
    assert not set(more) & set(read_shard(tmp_path / "out" / "a.parquet"))
    twice = table.append_column("b", more["b"])
    pq.write_table(twice, tmp_path / "a.parquet")
    with pytest.raises(InputError, match="expected a name for each column, got 'b' twice"):
        read_shard(tmp_path / "a.parquet")


def test_one_run_at_a_time(tmp_path, monkeypatch):
    from kitro_np.streaming import lock

    monkeypatch.setattr(lock, "PATIENCE", 0.1)
    write_some(tmp_path / "in", 1)
    (tmp_path / "out").mkdir()
    other = pytest.raises(InputError, match="expected a folder that no other run writes to, got one in use")
    with lock.only_run(tmp_path / "out"), other:
        refine_shards(tmp_path / "in", tmp_path / "out")
    assert os.listdir(tmp_path / "out") == []


def test_which_shards_are_meant(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_some(Path("in/a"), 2, ".npz")
    write_some(Path("in/out"), 1, ".npz")
    named = lambda *given: [shard.name for shard in find_shards(*given)]  # noqa: E731
    assert named("in", Path("in/out")) == ["a/part-00.npz", "a/part-01.npz"]
    assert named("in/*/part-*1.npz") == ["a/part-01.npz"]
    assert named("in/a/part-00.npz") == ["part-00.npz"]
    for nothing in ("nowhere", "in/*.npz", "in/a/part-07.npz"):
        with pytest.raises(InputError, match="expected shards"):
            find_shards(nothing)
    with pytest.raises(InputError, match="expected another folder than the shards', got the same"):
        refine_shards("in/a", "in/a", force=True)
    Path("file").touch()
    with pytest.raises(InputError, match="expected a folder to write shards to, got a file"):
        refine_shards("in/a", "file")


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("nonsense:99999999", "expected local, auto or HOST:PORT, got 'nonsense:99999999'"),
        ("head", "expected local, auto or HOST:PORT, got 'head'"),
        ("ray://127.0.0.1:1", "expected a Ray cluster at ray://127.0.0.1:1, got .*refused"),
    ],
)
def test_clusters_that_are_not_there_are_not_waited_for(address, sentence):
    with pytest.raises(InputError, match=f"^ray: {sentence}"):
        check_address(address)


@pytest.mark.parametrize(
    "entry",
    [
        '{"shard": 5}', '{"shard": "a\\u0000b"}', '{"shard": "a", "counts": 5}', "[" * 10**5,
        '{"shard": "a", "counts": {"nonsense": 2}}', '{"shard": "a", "counts": {"refined": "x"}}',
        '{"shard": "a", "bodies": -1}', '{"shard": "a", "reason": 1}', '{"shard": "a", "bodies": "x"}',
        '{"shard": "a", "video": 2}',
    ],
)  # fmt: skip
def test_entries_of_a_manifest_are_checked(tmp_path, entry):
    write_some(tmp_path / "in", 1)
    (tmp_path / "out").mkdir()
    lines = ("{}", ShardEntry("part-00.parquet", "a", "b", 1, {"refined": 1}).line(), entry)
    (tmp_path / "out" / "manifest.jsonl").write_text("".join(f"{line}\n" for line in lines))
    for how in ({"resume": True}, {"force": True}):
        with pytest.raises(InputError, match="expected a manifest, got a damaged one"):
            refine_shards(tmp_path / "in", tmp_path / "out", workers=1, **how)


def test_a_manifest_that_is_none_is_refused(tmp_path):
    write_some(tmp_path / "in", 1)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "manifest.jsonl").write_text("{}x\n")
    with pytest.raises(InputError, match="expected a manifest, got a damaged one"):
        refine_shards(tmp_path / "in", tmp_path / "out", resume=True)
    (tmp_path / "out" / "manifest.jsonl").rename(tmp_path / "out" / "other")
    with pytest.raises(InputError, match=r"expected manifest\.jsonl of a run to resume, got none"):
        refine_shards(tmp_path / "in", tmp_path / "out", resume=True)
