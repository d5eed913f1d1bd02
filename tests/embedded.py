"""Programs that embed the package, run by test_embedding.py: ``embedded.py NAME [DELAY]``.

Each prints nothing but its name, at the end.
"""

import asyncio
import importlib
import os
import sys
import threading
import time
import warnings
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import numpy as np

import kitro_np
from kitro_np.arrays.forks import cached_property, compiler_locks

# From Python 3.12 on; here it is meant: what is tested is that such a fork works.
warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)

PATIENCE = 60
"""Seconds after which a child counts as hanging."""


def refine(number):
    """Refine one body, as any worker would; its pose."""
    data = kitro_np.example()
    one = {name: value if name == "body" else value[number : number + 1] for name, value in data.items()}
    return kitro_np.refine(**one, method="kitro", threads=1).pose


def expect(found):
    for number, pose in enumerate(found):
        np.testing.assert_array_equal(pose, refine(number))


def fork(work):
    """Call `work` in a forked child, which must end."""
    wait_for(start_fork(work))


def start_fork(work):
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = work() or 0
        finally:
            os._exit(status)
    return child


def wait_for(child):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            assert status == 0
            return
        time.sleep(0.002)
    os.kill(child, 9)
    raise AssertionError("the child hangs")


def forks():
    """Fork while another thread makes its first call: as it imports, as it compiles, and once it is done."""
    thread = threading.Thread(target=refine, args=(0,))
    thread.start()
    while "numba" not in sys.modules:
        time.sleep(0.001)
    fork(lambda: refine(0) is None)
    thread.join()

    from numba.core.compiler_lock import global_compiler_lock

    compiling, compiled = threading.Event(), []

    def compile_for_long():
        with global_compiler_lock:
            compiling.set()
            time.sleep(0.3)
            compiled.append(True)

    thread = threading.Thread(target=compile_for_long)
    thread.start()
    compiling.wait()
    # The other data type's kernels are not loaded yet: that takes the lock.
    fork(lambda: not compiled or kitro_np.load_body().joints(np.zeros((1, 24, 3))) is None)
    thread.join()
    fork(lambda: refine(1) is None)


def first_calls():
    """Fork thrice, some time after three threads have begun their first calls."""
    threads = [threading.Thread(target=refine, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    time.sleep(float(sys.argv[2]))
    children = [start_fork(lambda: refine(0) is None) for _ in range(3) if time.sleep(0.05) is None]
    for child in children:
        wait_for(child)
    for thread in threads:
        thread.join()


def bodies():
    """Fork again and again while threads derive skeletons: products that BLAS would share among its own."""
    body, end = kitro_np.load_body(), time.monotonic() + 3

    def derive():
        kitro_np.BodyModel.from_arrays(
            body.name,
            body.v_template,
            body.shapedirs,
            body.posedirs,
            body.J_regressor,
            body.weights,
            body.faces,
            body.skeleton.parents,
        )

    def derive_many():
        while time.monotonic() < end:
            derive()

    threads = [threading.Thread(target=derive_many) for _ in range(3)]
    for thread in threads:
        thread.start()
    while time.monotonic() < end:
        time.sleep(0.003)
        fork(derive)
    for thread in threads:
        thread.join()


class LookedForLong:
    """A finder of a module that is not there, which it takes long to look for."""

    def __init__(self):
        self.begun = threading.Event()

    def find_spec(self, name, path=None, target=None):
        if name == "kitro_np.absent" and not self.begun.is_set():
            self.begun.set()
            time.sleep(0.3)


def look_for_absent():
    try:
        importlib.import_module("kitro_np.absent")
    except ModuleNotFoundError:
        return
    raise AssertionError


class TakesLong:
    """An object with a property that it takes long to compute."""

    def __init__(self):
        self.begun = threading.Event()

    @cached_property
    def one(self):
        self.begun.set()
        time.sleep(0.3)
        return 1


def locks():
    """What compiles takes the locks, and what forks waits for them, and for modules that are looked for."""
    import llvmlite.binding
    import numba

    numba.njit(lambda: 1)()
    of_numba, of_llvm = compiler_locks()
    assert waits(of_numba, lambda: numba.njit(lambda: 2)())
    assert waits(of_llvm, lambda: llvmlite.binding.parse_assembly(""))
    assert waits(of_numba, lambda: fork(lambda: 0))
    assert waits(of_llvm, lambda: fork(lambda: 0))

    finder = LookedForLong()
    sys.meta_path.insert(0, finder)
    thread = threading.Thread(target=look_for_absent)
    thread.start()
    finder.begun.wait()
    fork(look_for_absent)
    thread.join()

    long = TakesLong()
    thread = threading.Thread(target=lambda: long.one)
    thread.start()
    long.begun.wait()
    fork(lambda: long.one - 1)
    thread.join()


def waits(lock, act):
    """Whether `act` ends only after another thread has released a lock."""
    done = threading.Event()
    thread = threading.Thread(target=lambda: (act(), done.set()))
    with lock:
        thread.start()
        early = done.wait(0.3)
    thread.join()
    return not early and done.is_set()


def pools():
    """Processes of every start method, joblib's among them; then threads and an event loop."""
    for method in ("spawn", "forkserver", "fork"):
        with ProcessPoolExecutor(1, get_context(method)) as pool:
            expect(pool.map(refine, range(2)))
    try:
        import joblib
    except ImportError:
        pass
    else:
        expect(joblib.Parallel(n_jobs=2)(joblib.delayed(refine)(number) for number in range(2)))
    with ThreadPoolExecutor(8) as pool:
        expect(pool.map(refine, range(16)))

    async def serve():
        loop = asyncio.get_running_loop()
        return await asyncio.gather(*(loop.run_in_executor(None, refine, number) for number in range(4)))

    expect(asyncio.run(serve()))


if __name__ == "__main__":
    programs = (forks, first_calls, bodies, locks, pools)
    {program.__name__: program for program in programs}[sys.argv[1]]()
    print(sys.argv[1])
