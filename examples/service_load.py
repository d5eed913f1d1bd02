"""Load on the service of service.py: requests a second, how long they take, and how many are sent away.

Usage: python examples/service_load.py PORT [CLIENTS] [SECONDS]
"""

import json
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection

import numpy as np

import kitro_np


def requests():
    """Return what clients send: standing people, whose keypoints a detector is 3 pixels off."""
    draw = np.random.default_rng(0).normal
    for _ in range(50):
        pose, transl = 0.1 * draw(size=(24, 3)), np.array([0, 0, 4]) + 0.1 * draw(size=3)
        pose[0] = [np.pi, 0, 0]  # upright, where y points down
        betas, true_pose = 0.5 * draw(size=10), pose + 0.15 * draw(size=(24, 3))
        joints = kitro_np.load_body().joints(true_pose, betas, transl)
        points = 1000 * joints[:, :2] / joints[:, 2:] + [640, 360] + 3 * draw(size=(24, 2))
        body = {"pose": pose, "betas": betas, "transl": transl}
        body["keypoints_2d"] = np.concatenate([points, np.ones((24, 1))], axis=1)
        body["intrinsics"] = np.array([[1000, 0, 640], [0, 1000, 360], [0, 0, 1]])
        yield json.dumps({name: part.tolist() for name, part in body.items()})


def client(port, bodies, end):
    """Send one request after the other; return how long each took, and its status."""
    connection, answers = HTTPConnection("127.0.0.1", port), []
    while (begun := time.perf_counter()) < end:
        body = bodies[len(answers) % len(bodies)]
        connection.request("POST", "/refine", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        answers.append((time.perf_counter() - begun, answer.status))
    return answers


def main(port, clients=8, seconds=5.0):
    """Print a line."""
    bodies, end = list(requests()), time.perf_counter() + seconds
    with ThreadPoolExecutor(clients) as pool:
        each = pool.map(client, *zip(*[(port, bodies, end)] * clients, strict=True))
        answers = [answer for of_client in each for answer in of_client]
    statuses = Counter(status for _, status in answers)
    times = 1000 * np.array([time for time, status in answers if status == 200])
    failed = len(answers) - len(times) - statuses[503]
    median, late = np.percentile(times, [50, 99]) if len(times) else (np.nan, np.nan)
    print(
        f"{len(times) / seconds:.0f} requests/s from {clients} clients, median {median:.1f} ms, "
        f"99% below {late:.1f} ms, {statuses[503]} sent away, {failed} failed"
    )


if __name__ == "__main__":
    if len(sys.argv) < 2:
        raise SystemExit("Usage: python examples/service_load.py PORT [CLIENTS] [SECONDS]")
    main(int(sys.argv[1]), *(kind(text) for kind, text in zip((int, float), sys.argv[2:], strict=False)))
