"""A service: one person a request, JSON in and out; people who wait at the same time are refined together.

Usage: python examples/service.py [PORT]

POST /refine takes {"pose": (24, 3), "betas": (10,), "transl": (3,), "keypoints_2d": (24, 3) with scores,
"intrinsics": (3, 3)}, all finite. It needs: pip install fastapi uvicorn
"""

import asyncio
import json
import sys
from contextlib import asynccontextmanager

import numpy as np
from fastapi import FastAPI, HTTPException, Request

import kitro_np

SHAPES = {"pose": (24, 3), "betas": (10,), "transl": (3,), "keypoints_2d": (24, 3), "intrinsics": (3, 3)}
WAITING, TOGETHER = 256, 64
"""Requests that may wait, before others are sent away; and how many of them are refined in one call."""

MOST_BYTES, MOST_SHOWN = 2**15, 100
"""Of a request, which takes 4 kB: all others wait while it is parsed. And how much of it an error repeats."""


async def receive(request):
    """Return what a request holds, of which no more is read than one may have."""
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > MOST_BYTES:
            raise HTTPException(413, f"request: expected at most {MOST_BYTES} bytes, got more.")
    try:
        given = json.loads(content)
    except (ValueError, RecursionError):
        raise HTTPException(422, "request: expected JSON, got something else.") from None
    if not isinstance(given, dict):
        raise HTTPException(422, f"request: expected an object, got {type(given).__name__}.")
    return given


def read(given):
    """Return the arrays of a request; an error in one sentence for what is not finite numbers of a shape."""
    body = {}
    for name, shape in SHAPES.items():
        if name not in given:
            raise HTTPException(422, f"{name}: expected numbers of shape {shape}, got none.")
        try:
            with np.errstate(over="ignore"):  # beyond single precision is infinite
                body[name] = np.array(given[name], np.float32)
        except (TypeError, ValueError, OverflowError) as error:
            got = str(error)[:MOST_SHOWN]
            raise HTTPException(422, f"{name}: expected numbers of shape {shape}, got {got!r}.") from None
        if body[name].shape != shape:
            raise HTTPException(422, f"{name}: expected shape {shape}, got {body[name].shape}.")
        if not np.all(np.isfinite(body[name])):  # nor has JSON NaN
            raise HTTPException(422, f"{name}: expected finite numbers in float32, got others.")
    return body


def refine(bodies):
    """Refine people of several requests in one call; none depends on the others, whatever they send."""
    found = kitro_np.refine(**{name: np.stack([body[name] for body in bodies]) for name in SHAPES})
    return [
        {
            "status": kitro_np.Status(int(found.status[k])).name,
            "pose": found.pose[k].tolist(),
            "betas": found.betas[k].tolist(),
            "transl": found.transl[k].tolist(),
        }
        for k in range(len(bodies))
    ]


async def work(queue):
    """Take all who wait, refine them on a thread, so that others can be read meanwhile, and answer."""
    while True:
        waiting = [await queue.get()]
        while not queue.empty() and len(waiting) < TOGETHER:
            waiting.append(queue.get_nowait())
        try:
            answers = await asyncio.to_thread(refine, [body for body, _ in waiting])
        except Exception as error:  # ours, not theirs; the next ones are served
            answers = [HTTPException(500, type(error).__name__)] * len(waiting)
        for (_, answer), found in zip(waiting, answers, strict=True):
            if not answer.cancelled():  # its client has gone
                answer.set_result(found)


@asynccontextmanager
async def lifespan(app):
    """Compile before the first request."""
    await asyncio.to_thread(kitro_np.warmup, "map", "float32")
    app.state.queue = asyncio.Queue(WAITING)
    worker = asyncio.create_task(work(app.state.queue))
    yield
    worker.cancel()


app = FastAPI(lifespan=lifespan)


@app.post("/refine")
async def answer(request: Request):
    """Refine one person, or say 503 at once where too many wait."""
    body = read(await receive(request))
    found = asyncio.get_running_loop().create_future()
    try:
        app.state.queue.put_nowait((body, found))
    except asyncio.QueueFull:
        raise HTTPException(503, "too many wait", headers={"Retry-After": "1"}) from None
    answered = await found
    if isinstance(answered, HTTPException):
        raise answered
    return answered


if __name__ == "__main__":
    import uvicorn

    uvicorn.run(app, port=int(sys.argv[1]) if len(sys.argv) > 1 else 8000, log_level="warning")
