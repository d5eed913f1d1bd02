"""Measure a GPU beside the CPU, a section a process: ``python bench/gpu.py speed``; bench/gpu.sh runs all."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from samples import make_batch, smpl_arrays

import kitro_np
from kitro_np import load_body, refine
from kitro_np.evaluation.evaluate import evaluate

REPEATS = 5
SECONDS = 1.5
"""Time to spend on a case."""

CPU_BODIES = 16_384
"""Largest batch of the CPU: its speed is the same from a thousand on."""


class Gpu:
    """CuPy on a GPU; without one NumPy, so that a machine without a GPU can try the script."""

    def __init__(self) -> None:
        try:
            import cupy

            self.name = cupy.cuda.runtime.getDeviceProperties(0)["name"].decode()
            self.xp: Any = cupy
        except Exception as error:  # CuPy raises errors of its own
            print(f"no GPU ({type(error).__name__}: {error}): a dry run with NumPy", file=sys.stderr)
            self.name, self.xp = "no GPU", np

    @property
    def is_dry(self) -> bool:
        return self.xp is np

    def there(self, bodies: Any) -> tuple[Any, ...]:
        return tuple(map(self.xp.asarray, bodies))

    def back(self, array: Any) -> np.ndarray:
        return np.asarray(array) if self.is_dry else self.xp.asnumpy(array)

    def time(self, call: Callable[[], Any]) -> float:
        """Median seconds from a call until the GPU has done all of it."""
        call()
        self.wait()
        times: list[float] = []
        while len(times) < 3 or (len(times) < REPEATS and sum(times) < SECONDS):
            self.wait()
            begin = time.perf_counter()
            call()
            self.wait()
            times.append(time.perf_counter() - begin)
        return median(times)

    def wait(self) -> None:
        if not self.is_dry:
            self.xp.cuda.Device().synchronize()


def cpu_time(call: Callable[[], Any]) -> float:
    call()
    times = []
    for _ in range(3):
        begin = time.perf_counter()
        call()
        times.append(time.perf_counter() - begin)
    return median(times)


def compile_section(gpu: Gpu, _: argparse.Namespace) -> dict[str, Any]:
    """First call of a process; run twice, it finds what it compiled on the disk."""
    bodies = make_batch(64, "float32")
    given = gpu.there(bodies)
    found: dict[str, Any] = {"cache": os.environ.get("NUMBA_CACHE_DIR", "default")}
    for method in ("map", "kitro"):
        begin = time.perf_counter()
        gpu.back(refine(*given, method=method).pose)
        found[f"{method}_first_call_s"] = time.perf_counter() - begin
        print(f"{method:<8}first call of the process {found[f'{method}_first_call_s']:8.2f} s")
    return found


def code_section(gpu: Gpu, asked: argparse.Namespace) -> dict[str, Any]:
    """Registers, and local memory for what they do not hold, of all that is compiled."""
    if gpu.is_dry:
        return {}
    from kitro_np.kernels import gpu_code

    found, load = {}, gpu_code.load_entry

    def watched(entry: Any, dtype: Any, *rest: Any) -> Any:
        code = load(entry, dtype, *rest)
        about = code.kernel.attributes
        found[f"{entry.__name__} {dtype.name}"] = {
            "registers": int(about.num_regs), "local_bytes": int(about.local_size_bytes), "warps": code.warps
        }  # fmt: skip
        return code

    gpu_code.load_entry = watched  # type: ignore[assignment]
    given = gpu.there(make_batch(64, asked.dtype))
    for options in METHODS.values():
        refine(*given, **options)
    for name, about in found.items():
        print(f"{name:<40}{about}")
    return found


def speed_section(gpu: Gpu, _: argparse.Namespace) -> dict[str, Any]:
    """Bodies a second by batch, with and without the way to the GPU and back."""
    found: dict[str, Any] = {}
    batches = [100, 1000] if gpu.is_dry else [100, 1000, 10_000, 100_000, 1_000_000]
    print(f"{'':<16}{'batch':>10}{'GPU':>14}{'with transfer':>16}{'CPU':>14}   bodies/s")
    for name, options in METHODS.items():
        for batch in batches:
            if name == "map + spread" and batch not in (10_000, 100_000):
                continue
            row = found[f"{name} {batch}"] = speed_of(gpu, batch, options)
            cpu = f"{row['cpu']:14,.0f}" if row["cpu"] else f"{'':>14}"
            print(
                f"{name:<16}{batch:>10,}{row['gpu']:14,.0f}{row['gpu_with_transfer']:16,.0f}{cpu}"
                f"   pose off by {row['pose_off_95']:.1e}, at most {row['pose_off_max']:.1e}"
            )
    return found


METHODS: dict[str, dict[str, Any]] = {
    "map": {"method": "map"},
    "map + spread": {"method": "map", "uncertainty": True},
    "kitro": {"method": "kitro"},
}


def speed_of(gpu: Gpu, batch: int, options: dict[str, Any]) -> dict[str, Any]:
    bodies = make_batch(batch, "float32")
    given = gpu.there(bodies)
    expected = refine(*make_batch(256, "float32"), **options).pose
    last = gpu.back(refine(*given, **options).pose[-256:])
    off = np.abs(last - expected[np.arange(batch - len(last), batch) % 256]).max(axis=(1, 2, 3))

    def transfer() -> None:
        result = refine(*gpu.there(bodies), **options)
        for part in (result.pose, result.betas, result.transl, result.status):
            gpu.back(part)

    on_cpu = batch <= CPU_BODIES
    return {
        "gpu": batch / gpu.time(lambda: refine(*given, **options)),
        "gpu_with_transfer": batch / gpu.time(transfer),
        "cpu": batch / cpu_time(lambda: refine(*bodies, **options)) if on_cpu else None,
        "pose_off_95": float(np.quantile(off, 0.95)),
        "pose_off_max": float(off.max()),
    }


def phases_section(gpu: Gpu, _: argparse.Namespace) -> dict[str, Any]:
    """Where the time of large batches goes: milliseconds by phase, each waited for, and of the kernels."""
    if gpu.is_dry:
        return {}
    import kitro_np.api as api
    from kitro_np.kernels.gpu_code import GpuEntry

    found: dict[str, Any] = {}
    for batch in (100_000, 1_000_000):
        given = gpu.there(make_batch(batch, "float32"))
        for method in ("map", "kitro"):
            refine(*given, method=method)
            gpu.wait()
            begin = time.perf_counter()
            result = refine(*given, method=method)
            returned = time.perf_counter() - begin
            gpu.wait()
            row = {"returned": returned, "total": time.perf_counter() - begin}
            del result
            events: list[tuple[Any, Any]] = []
            names = ("read_request", "_hint", "_result", "_with_given_dtypes")
            kept = {name: getattr(api, name) for name in names}
            launch = GpuEntry.launch
            for name in names:
                setattr(api, name, _waited_for(gpu, kept[name], name, row))
            GpuEntry.launch = _between_events(gpu, launch, events)  # type: ignore[method-assign]
            begin = time.perf_counter()
            refine(*given, method=method)
            gpu.wait()
            row["total_waited"] = time.perf_counter() - begin
            for name in names:
                setattr(api, name, kept[name])
            GpuEntry.launch = launch  # type: ignore[method-assign]
            spans = [gpu.xp.cuda.get_elapsed_time(*pair) / 1e3 for pair in events]
            row |= {"launches": sum(spans), "first_launch": spans[0], "longest_launch": max(spans)}
            row |= {"number_of_launches": len(spans) / 1e3}
            pool = gpu.xp.get_default_memory_pool()
            row |= {"pool_GB": pool.total_bytes() / 1e12, "used_GB": pool.used_bytes() / 1e12}
            found[f"{method} {batch}"] = row
            print(f"{method:<7}{batch:>10,}", {name: round(1e3 * value, 2) for name, value in row.items()})
    return {**found, **_launches_of(gpu)}


def _launches_of(gpu: Gpu) -> dict[str, Any]:
    """A million bodies in launches of different sizes."""
    from kitro_np.kernels.refinement import run_gpu

    found, batch = {}, 1_000_000
    given = gpu.there(make_batch(batch, "float32"))
    kept = run_gpu.TOGETHER
    for method in ("map", "kitro"):
        for together in (1, 4, 100):
            run_gpu.TOGETHER = together
            refine(*given, method=method)
            gpu.wait()
            begin = time.perf_counter()
            refine(*given, method=method)
            gpu.wait()
            found[f"{method} {together}"] = batch / (time.perf_counter() - begin)
            print(
                f"{method:<7}{together:>4} bodies a thread and launch{found[f'{method} {together}']:14,.0f}"
            )
    run_gpu.TOGETHER = kept
    return found


def _waited_for(gpu: Gpu, call: Callable[..., Any], name: str, times: dict[str, float]) -> Callable[..., Any]:
    def waited(*arguments: Any, **options: Any) -> Any:
        gpu.wait()
        begin = time.perf_counter()
        found = call(*arguments, **options)
        gpu.wait()
        times[name] = times.get(name, 0.0) + time.perf_counter() - begin
        return found

    return waited


def _between_events(gpu: Gpu, launch: Callable[..., Any], events: list[Any]) -> Callable[..., Any]:
    def watched(*arguments: Any) -> None:
        pair = gpu.xp.cuda.Event(), gpu.xp.cuda.Event()
        pair[0].record()
        launch(*arguments)
        pair[1].record()
        events.append(pair)

    return watched


def accuracy_section(gpu: Gpu, asked: argparse.Namespace) -> dict[str, Any]:
    """Errors on a simulated set, by the GPU and by the CPU."""
    if asked.sim is None or not Path(asked.sim).exists():
        print("accuracy: no simulated set given")
        return {}
    with np.load(asked.sim, allow_pickle=False) as file:
        data = {key: file[key] for key in file.files if file[key].dtype.kind in "fiu"}
    body, found = load_body(), {}
    keypoints = data.get("keypoints_2d_noisy", data["keypoints_2d"])
    given = (data["pred_theta"], data["pred_beta"], data["pred_cam"], keypoints, data["intrinsics"])
    given = tuple(np.asarray(part, np.float32) for part in given)
    truth = (data["GT_theta"], data["GT_beta"])
    for method in ("map", "kitro"):
        results = {"CPU": refine(*given, method=method), "GPU": refine(*gpu.there(given), method=method)}
        status = {name: gpu.back(result.status) for name, result in results.items()}
        for name, result in results.items():
            refined = gpu.back(result.pose), gpu.back(result.betas)
            errors = evaluate(body, given[:2], refined, truth, metrics=["pa_mpjpe", "mpjpe"])
            means = {key: float(np.nanmean(value)) for key, value in errors.after.items()}
            found[f"{method} {name}"] = means
            print(f"{method:<8}{name:<5}", {key: round(value, 3) for key, value in means.items()})
        same = float(np.mean(status["CPU"] == status["GPU"]))
        off = np.abs(gpu.back(results["GPU"].pose) - results["CPU"].pose).max(axis=(1, 2, 3))
        found[f"{method} same"] = {
            "status": same,
            **{f"pose_{q}": float(np.quantile(off, q)) for q in (0.5, 0.99, 1)},
        }
        print(f"{method:<8}GPU against CPU", found[f"{method} same"])
    return found


def body_section(gpu: Gpu, _: argparse.Namespace) -> dict[str, Any]:
    """Vertices and joints of a body of SMPL's size, with the bandwidth of what is read and written."""
    arrays = smpl_arrays()
    names = ("v_template", "shapedirs", "posedirs", "J_regressor", "weights", "f")
    parents = arrays["kintree_table"][0]
    body = kitro_np.BodyModel.from_arrays("smpl", *(arrays[name] for name in names), parents)
    found = {}
    for call, batches in (("joints", (1000, 100_000, 1_000_000)), ("forward", (1000, 10_000, 100_000))):
        for batch in batches[:1] if gpu.is_dry else batches:
            row = found[f"{call} {batch}"] = posing_of(gpu, body, call, batch)
            print(
                f"{call:<10}{batch:>10,}{row['bodies_per_second']:16,.0f} bodies/s"
                f"{row['GB_per_second']:10.1f} GB/s   off by {row['off']:.1e} m"
            )
    if not gpu.is_dry:
        found["profile"] = profile_of(gpu, body, 10_000)
    return found


def profile_of(gpu: Gpu, body: Any, batch: int) -> dict[str, float]:
    """Milliseconds of each stage of forward, and of the products in it, waited for."""
    from kitro_np.body import skinning

    there = gpu.there(make_batch(batch, "float32")[:3])
    times: dict[str, float] = {}
    body.forward(*there)
    names = ("forward_kinematics", "joint_transforms", "blend_vertices", "skin")
    kept = {name: getattr(skinning, name) for name in names}
    for name, stage in kept.items():
        setattr(skinning, name, _waited_for(gpu, stage, name, times))
    begin = time.perf_counter()
    body.forward(*there)
    gpu.wait()
    times["forward, waited for"] = time.perf_counter() - begin
    for name, stage in kept.items():
        setattr(skinning, name, stage)
    surface, pose = body.like(there[0])._surface, there[0]
    planes = skinning.blend_vertices(surface, there[1][:1000], pose[:1000])
    feature = gpu.xp.concatenate([there[1][:1000], skinning.pose_feature(pose[:1000])], axis=1)
    rows = gpu.xp.ascontiguousarray(pose[:1000].reshape(-1, surface.weights.shape[0]))[:12_000]
    parts: dict[str, Callable[[], Any]] = {
        "product of blend shapes, 1000": lambda: gpu.xp.matmul(feature, surface.directions),
        "product of 9/12 of the transforms, 1000": lambda: gpu.xp.matmul(rows, surface.weights),
        "a sum of vertices, 1000": lambda: planes + planes,
        "vertices to the end, 1000": lambda: gpu.xp.stack([planes[:, k, :] for k in range(3)], axis=-1),
    }
    for name, part in parts.items():
        times[name] = gpu.time(part)
    begin = time.perf_counter()
    body.forward(*there)
    times["the call until it returns"] = time.perf_counter() - begin
    gpu.wait()
    for name, seconds in times.items():
        print(f"forward {batch:,}: {name:<42}{1e3 * seconds:10.3f} ms")
    return times


def posing_of(gpu: Gpu, body: Any, call: str, batch: int) -> dict[str, float]:
    def run(*pose: Any) -> Any:
        return body.joints(*pose) if call == "joints" else body.forward(*pose).vertices

    given = make_batch(batch, "float32")[:3]
    there = gpu.there(given)
    off = gpu.back(run(*there)[-256:]) - run(*(part[-256:] for part in given))
    seconds = gpu.time(lambda: run(*there))
    joints, points = body.num_joints, body.num_vertices if call == "forward" else 0
    size = 4 * (9 * joints + body.num_betas + 3 + 3 * joints + 3 * points)
    return {
        "bodies_per_second": batch / seconds,
        "GB_per_second": batch * size / seconds / 1e9,
        "off": float(np.abs(off).max()),
    }


SECTIONS = {
    "compile": compile_section,
    "code": code_section,
    "accuracy": accuracy_section,
    "speed": speed_section,
    "phases": phases_section,
    "body": body_section,
}


def main() -> None:
    """Run a section, and write what it finds to a file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("section", choices=SECTIONS)
    parser.add_argument("--sim", help="npz file of a simulated set")
    parser.add_argument("--dtype", default="float32", help="of the section code")
    parser.add_argument("--json", help="file to add to")
    asked = parser.parse_args()
    gpu = Gpu()
    found = SECTIONS[asked.section](gpu, asked)
    print(f"{asked.section}: float32 unless noted, {gpu.name}")
    if asked.json:
        path = Path(asked.json)
        known = json.loads(path.read_text()) if path.exists() else {}
        name = asked.section
        while name in known:
            name += " again"
        path.write_text(json.dumps({**known, name: found, "gpu": gpu.name}, indent=1) + "\n")


if __name__ == "__main__":
    main()
