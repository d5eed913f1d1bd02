"""Work on several threads: at the same time, and no longer than somebody waits for it."""

import threading
import time

import pytest

from kitro_np.arrays.threads import each


def test_as_many_threads_as_asked_for_work_at_the_same_time():
    """Each waits for the two others; alone it would wait in vain."""
    meeting = threading.Barrier(3, timeout=10)
    done = []
    each(lambda start: start + 0 * meeting.wait(), range(3), 3, done.append)
    assert sorted(done) == [0, 1, 2]


def test_one_thread_works_in_order_in_the_calling_thread():
    done = []
    each(lambda start: threading.get_ident(), range(3), 1, done.append)
    assert done == 3 * [threading.get_ident()]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("failing", ["work", "report"])
def test_what_has_not_begun_is_dropped_when_something_fails(threads, failing):
    begun = []

    def stop(name):
        if name == failing:
            raise KeyboardInterrupt

    def work(start):
        begun.append(start)
        time.sleep(0.002)
        stop("work")
        return start

    with pytest.raises(KeyboardInterrupt):
        each(work, range(2000), threads, lambda done: stop("report"))
    assert len(begun) < 1000
