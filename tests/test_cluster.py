"""Ray: the same rows as without it, also where a worker is killed."""

import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
from shards import COUNT, DATA, hashes, rows, write_some

import kitro_np
from kitro_np.cluster import refine_dataset

ray = pytest.importorskip("ray")
pytest.importorskip("ray.data")
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray"),
    pytest.mark.skipif(not hasattr(os, "killpg"), reason="workers are killed"),
]


@pytest.fixture(scope="module", autouse=True)
def cluster():
    """Two workers on this machine."""
    here = {"env_vars": {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}}
    ray.init(
        num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR", runtime_env=here
    )
    ray.data.DataContext.get_current().enable_progress_bars = False
    yield
    ray.shutdown()


class KillOnce(kitro_np.Refiner):
    """A refiner whose process is killed in the middle, once."""

    def __init__(self, flag: Path, at: int) -> None:
        super().__init__(each_frame=True)
        self.flag, self.at = str(flag), at

    def run(self, arrays, name="batch"):
        done = super().run(arrays, name)
        if self.at in np.asarray(arrays["id"]) and not os.path.exists(self.flag):
            Path(self.flag).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return done


def plain(columns, k):
    """A row for Ray: texts and numbers of Python, arrays of NumPy."""
    return {name: part[k] if part.ndim > 1 else part[k].item() for name, part in columns.items()}


def dataset(times):
    many = {
        name: np.concatenate([part] * times) for name, part in rows().items() if not isinstance(part, str)
    }
    many["id"] = np.arange(COUNT * times)
    many["body"] = np.array([DATA["body"]] * COUNT * times)
    return ray.data.from_items([plain(many, k) for k in range(COUNT * times)], override_num_blocks=4)


def found(ds):
    batches = list(ds.iter_batches(batch_size=None, batch_format="numpy"))
    together = {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}
    order = np.argsort(together["id"], kind="stable")
    return {name: part[order] for name, part in together.items()}


def attack(tmp_path, times):
    flag = tmp_path / "killed"
    got = found(refine_dataset(dataset(times), refiner=KillOnce(flag, COUNT * times // 2), batch_size=16))
    assert flag.exists()
    assert got["id"].tolist() == [*range(COUNT * times)]  # nothing lost, nothing doubled
    pose = kitro_np.refine(**DATA).pose
    np.testing.assert_array_equal(got["pose"].reshape(-1, COUNT, 24, 3, 3), np.stack([pose] * times))
    assert got["name"][0] == "person 0"


def test_a_worker_is_killed(tmp_path):
    attack(tmp_path, 2)


@pytest.mark.stress
def test_a_worker_is_killed_among_many(tmp_path):
    attack(tmp_path, 200)


@pytest.mark.stress
def test_videos_are_brought_together():
    columns = {name: part for name, part in rows().items() if name != "body"}
    many = [plain(columns, k) for k in range(COUNT)]
    for k, row in enumerate(many):
        row |= {"track": k % 2, "frame": k // 2, "body": DATA["body"]}
    ds = ray.data.from_items(many, override_num_blocks=3)
    got = found(refine_dataset(ds, track="track"))
    video = kitro_np.refine(**DATA, tracks=np.arange(COUNT) % 2, frames=np.arange(COUNT) // 2)
    np.testing.assert_array_equal(got["pose"], video.pose)


def test_shards_on_ray_are_the_same_bytes(tmp_path):
    write_some(tmp_path / "in", 3)
    (tmp_path / "in" / "bad.parquet").write_bytes(b"PAR1")
    kitro_np.refine_shards(tmp_path / "in", tmp_path / "own", workers=1)
    done = kitro_np.refine_shards(tmp_path / "in", tmp_path / "ray", ray="local")
    assert [*done.set_aside] == ["bad.parquet"]
    assert hashes(tmp_path / "ray") == hashes(tmp_path / "own")
