"""Programs that embed the package, run by test_embedding.py in a process of its own: ``embedded.py NAME``.

Each prints nothing but its name, at the end.
"""

import asyncio
import os
import sys
import threading
import time
import warnings
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import numpy as np

import kitro_np

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
    child = os.fork()
    if child == 0:
        os._exit(work() or 0)
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            assert status == 0
            return
        time.sleep(0.01)
    os.kill(child, 9)
    raise AssertionError("the child hangs")


def forks():
    """Fork while another thread makes its first call: as it imports, and as it compiles."""
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
    {"forks": forks, "pools": pools}[sys.argv[1]]()
    print(sys.argv[1])
