"""All tracks of a plan by kernels: rounds of steps by chunks of blocks, and of smoothing by tracks."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from ...arrays.rotations import cayley
from ...arrays.threads import each
from ...body.kinematics import forward_kinematics
from ...keypoints.visibility import image_bounds
from ...refinement.method import Execution
from ...refinement.outcome import Refined
from ...refinement.request import Request
from ...refinement.tracks import VideoTracks
from ...refinement.validity import Status
from ..facing import reflected
from ..model import PosteriorModel
from ..priors import BETAS_SHARE
from .accelerations import spacing_of, spreads_of
from .constant import Constants, update_constants
from .contacts import CONTACT_JOINTS, rests_of
from .frame import Sums
from .plan import VideoPlan
from .spreads import DEPTH_CORRELATION, SPREAD_FACTOR, USUAL_FRAMES, Round, effective_frames, rounds_of

BLOCK = 256
"""Frames of a block, counted from its track's first: sums do not depend on threads or other tracks."""

CHUNK = 512
"""Frames that a thread takes at once, about."""


def fit_by_kernels(
    request: Request,
    tracks: VideoTracks,
    refined: Refined,
    plan: VideoPlan,
    model: PosteriorModel,
    execution: Execution,
    *,
    uncertainty: bool = False,
    landmarks: bool | None = None,
    contacts: bool = False,
) -> tuple[Refined, np.ndarray | None]:
    """Find the most probable bodies of a plan's tracks, as kitro_np.posterior.video.fit.fit_track does.

    Parameters
    ----------
    request : Request
    tracks : VideoTracks
    refined : Refined
        Of each frame on its own; changed.
    plan : VideoPlan
    model : PosteriorModel
    execution : Execution
    uncertainty : bool
        Also return the joints' standard deviation (N, J), NaN where there is none.
    landmarks : bool, optional
        As of :func:`kitro_np.posterior.most_probable.most_probable`.
    contacts : bool
        Hold feet that rest.
    """
    fit = TracksInTheMaking(request, tracks, refined, plan, model, execution, landmarks)
    for turn in rounds_of(contacts=contacts):
        if turn.contacts:
            fit.hold_feet()
        fit.step(turn)
        if turn.motion:
            fit.smooth(robust=turn.robust)
    return fit.finish(uncertainty=uncertainty)


class TracksInTheMaking:
    """Tracks between rounds: current bodies are rows of `refined`, messages have rows in the plan's order.

    Parameters are those of :func:`fit_by_kernels`.
    """

    def __init__(
        self,
        request: Request,
        tracks: VideoTracks,
        refined: Refined,
        plan: VideoPlan,
        model: PosteriorModel,
        execution: Execution,
        landmarks: bool | None,
    ) -> None:
        from ...kernels.posterior.video import run as kernels

        self.kernels = kernels
        self.request, self.plan, self.execution, self.model = request, plan, execution, model
        self.landmarks = landmarks
        self.dtype = np.dtype(request.dtype)
        self.video = kernels.video_kernels(model, self.dtype)
        self.refined = refined
        self.pose = refined.pose.reshape(request.count, -1)
        joints, count = request.skeleton.num_joints, len(plan.rows)
        self.messages = kernels.message_arrays(count, 3 * joints + 3, self.dtype)
        number = len(plan.starts) - 1
        self.lengths = np.diff(plan.starts)
        self.fps = tracks.fps
        self.extrinsics = np.zeros((0, 12), self.dtype)
        if tracks.extrinsics is not None:
            self.extrinsics = kernels.in_order(tracks.extrinsics, self.dtype).reshape(request.count, 12)
        spacings = (spacing_of(plan.frame[first:last], tracks.fps) for first, last in pairwise(plan.starts))
        self.spacings = [tuple(part.astype(self.dtype) for part in spacing) for spacing in spacings]
        self.rests = np.zeros((0, 4 * len(CONTACT_JOINTS)), self.dtype)
        self.contacts: dict[int, np.ndarray] = {}
        self.scales = np.ones((number, joints + 1), self.dtype)
        points, shapes = request.layout.num_points, request.skeleton.num_betas
        self._start_anew()
        weight = plan.used.astype(np.float64)[:, None]
        begins = plan.starts[:-1]
        sums = np.add.reduceat(np.concatenate([weight * refined.betas[plan.rows], weight], axis=1), begins)
        estimates = np.add.reduceat(np.asarray(request.betas[plan.rows], np.float64), begins)
        self.prior_betas = BETAS_SHARE * estimates / self.lengths[:, None]
        self.constants = Constants(
            sums[:, :-1] / sums[:, -1:],
            np.zeros((number, joints, 3)),
            np.zeros((number, points, 2)),
            np.zeros((number, shapes, shapes)),
        )
        self._make_blocks()
        self.sums = np.zeros((len(self.first), kernels.sums_size(joints, shapes, points)))

    def _start_anew(self) -> None:
        """Start frames whose sides differ from their own fit's from their estimates."""
        plan, request = self.plan, self.request
        rows = plan.rows[plan.anew]
        if len(rows):
            pose = np.array(request.pose[rows], self.dtype)
            transl = np.array(request.transl[rows], self.dtype)
            turned = plan.turned[plan.anew]
            pose[turned] = reflected(self.model.skeleton, pose[turned], transl[turned])
            self.pose[rows] = pose.reshape(len(rows), -1)
            self.refined.transl[rows] = transl

    def _make_blocks(self) -> None:
        """Cut tracks into blocks, and put blocks together to chunks."""
        starts = self.plan.starts
        number = -(-self.lengths // BLOCK)
        self.track = np.repeat(np.arange(len(number)), number)
        within = np.arange(len(self.track)) - np.repeat(np.cumsum(number) - number, number)
        self.first = (starts[self.track] + BLOCK * within).astype(np.int64)
        self.last = np.append(self.first[1:], starts[-1])
        self.chunks = np.flatnonzero(np.diff(self.first // CHUNK, prepend=-1, append=-2))

    def step(self, turn: Round) -> None:
        """Take a step of all frames; find betas or constant errors anew if they are due."""
        summed = turn.shape or turn.errors

        def work(frames: Any, blocks: Any, sized: bool) -> None:
            self.video.step(
                frames, blocks, sized=sized, landmarks=self.landmarks, messages=turn.motion, summed=summed
            )

        self._over_chunks(work)
        if not summed:
            return
        number = len(self.lengths)
        sums = np.zeros((number, self.sums.shape[1]))
        np.add.at(sums, self.track, self.sums)
        sizes = (part.shape[1] for part in (self.constants.turn, self.constants.betas, self.constants.shift))
        found = Sums(*self.kernels.split_sums(sums, *sizes))
        self.constants = update_constants(
            self.constants, found, self.prior_betas, self.lengths.astype(np.float64), shape=turn.shape
        )

    def hold_feet(self) -> None:
        """Find where each track's feet rest; which rest is found once."""
        plan = self.plan
        if not len(self.rests):
            self.rests = np.zeros((len(plan.rows), self.rests.shape[1]), self.dtype)

        def work(track: int) -> int:
            own = slice(plan.starts[track], plan.starts[track + 1])
            rows = plan.rows[own]
            pose = self.pose[rows].reshape(len(rows), -1, 3, 3)
            betas = np.broadcast_to(
                self.constants.betas[track].astype(self.dtype), (len(rows), self.constants.betas.shape[1])
            )
            joints = forward_kinematics(self.model.skeleton, pose, betas).joints
            joints = joints + self.refined.transl[rows][:, None]
            extrinsics = self.extrinsics[rows].reshape(-1, 3, 4) if len(self.extrinsics) else None
            known = self.contacts.get(track)
            rests, self.contacts[track] = rests_of(joints, known, plan.frame[own], self.fps, extrinsics)
            held = np.concatenate([rests.place, rests.weight[..., None]], axis=-1)
            self.rests[own] = held.reshape(len(rows), -1)
            return len(rows)

        each(work, range(len(self.lengths)), self.execution.threads)

    def smooth(self, *, robust: bool) -> None:
        """Smooth all tracks: frames' messages become their neighbours'."""
        plan, joints, dtype = self.plan, self.request.skeleton.num_joints, self.dtype
        spreads = spreads_of(joints, self.fps, self.model.size).astype(dtype)
        skeleton = self.model.skeleton
        template, shapedirs = np.asarray(skeleton.joint_template)[0], np.asarray(skeleton.joint_shapedirs)[0]

        def work(track: int) -> int:
            own = slice(plan.starts[track], plan.starts[track + 1])
            spacing = self.spacings[track]
            root = (template + shapedirs @ self.constants.betas[track]).astype(dtype)
            squares = self.video.smooth(
                tuple(part[own] for part in self.messages),
                spacing,
                (plan.rows[own], self.pose, self.refined.transl, self.extrinsics, root),
                spreads,
                self.scales[track],
                robust=robust,
            )
            if robust:
                by_joint = squares[: 3 * joints + 3].reshape(-1, 3).mean(axis=1) * self.scales[track]
                inner = np.count_nonzero(spacing[3])
                self.scales[track] = (by_joint + USUAL_FRAMES) / (inner + USUAL_FRAMES)
            return own.stop - own.start

        each(work, range(len(self.lengths)), self.execution.threads)

    def finish(self, *, uncertainty: bool) -> tuple[Refined, np.ndarray | None]:
        """Write statuses, errors and betas; those of bodies that are not finite stay the estimates'."""
        plan, request, refined = self.plan, self.request, self.refined
        count, joints = request.count, request.skeleton.num_joints
        frames_number = len(plan.rows)
        error, status = np.zeros(frames_number, self.dtype), np.zeros(frames_number, np.int8)
        joint_spread = np.zeros((frames_number if uncertainty else 0, joints), self.dtype)

        def work(frames: Any, blocks: Any, sized: bool) -> None:
            self.video.finish(frames, blocks, sized=sized, landmarks=self.landmarks, spread=uncertainty)

        self._over_chunks(work, (error, status, joint_spread))
        spread = np.full((count, joints), np.nan, self.dtype) if uncertainty else None
        refined.betas[plan.rows] = np.repeat(self.constants.betas, self.lengths, axis=0)
        refined.reprojection_error[plan.rows] = error
        done = np.where(plan.used, int(Status.REFINED), int(Status.FILLED))
        refined.status[plan.rows] = np.where(status == 0, done, int(Status.DIVERGED))
        if spread is not None:
            spread[plan.rows] = SPREAD_FACTOR * joint_spread
        bad = plan.rows[status != 0]
        if len(bad):
            self.pose[bad] = np.asarray(request.pose[bad], self.dtype).reshape(len(bad), -1)
            refined.betas[bad], refined.transl[bad] = request.betas[bad], request.transl[bad]
        return refined, spread

    def _over_chunks(
        self, work: Callable[[Any, Any, bool], None], results: tuple[np.ndarray, ...] | None = None
    ) -> None:
        """Call `work` with the frames and the blocks of every chunk, on all threads."""
        request, plan, dtype, kernels = self.request, self.plan, self.dtype, self.kernels
        every = np.ones((1, request.layout.num_points), dtype)
        nowhere = np.zeros((1, 4), dtype)
        constants = self.constants
        number = len(self.lengths)
        shared = request.intrinsics.shape[0] == 1
        sized, sizes = request.image_size is not None, request.image_size
        parts = (constants.betas, cayley(constants.turn), constants.shift, constants.betas_precision)
        of_tracks = [part.reshape(number, -1).astype(dtype) for part in parts]
        of_tracks.append((1 / effective_frames(self.lengths, DEPTH_CORRELATION)).astype(dtype))
        nothing = (np.zeros(0, dtype), np.zeros(0, np.int8), np.zeros((0, 1), dtype))

        def chunk(index: int) -> int:
            blocks = slice(self.chunks[index], self.chunks[index + 1])
            begin, end = int(self.first[blocks.start]), int(self.last[blocks.stop - 1])
            rows, own = plan.rows[begin:end], slice(begin, end)

            def of(array: np.ndarray) -> np.ndarray:
                part = array[rows]
                return kernels.in_order(part.reshape(len(rows), math.prod(part.shape[1:])), dtype)

            cameras = (
                kernels.in_order(request.intrinsics, dtype).reshape(1, 9)
                if shared
                else of(request.intrinsics)
            )
            confidence = every if request.confidence is None else of(request.confidence)
            own_sizes = sizes if sizes is None or len(sizes) == 1 else sizes[rows]
            now_pose, now_transl = self.pose[rows], self.refined.transl[rows]
            flags = (part[own].astype(np.int8) for part in (plan.used, plan.turned))
            found = nothing if results is None else tuple(part[own] for part in results)
            frames = kernels.FrameRows(
                of(request.pose), of(request.betas), of(request.transl), of(request.keypoints_2d), cameras,
                confidence, image_bounds(own_sizes, every) if sized else nowhere, now_pose, now_transl,
                self.messages[0][own], self.messages[1][own], plan.side[own], *flags,
                plan.noise[own].astype(dtype), plan.scale[own].astype(dtype), self.rests[own], *found,
            )  # fmt: skip
            track = self.track[blocks]
            of_blocks = kernels.Blocks(
                self.first[blocks] - begin, self.last[blocks] - begin,
                *(part[track] for part in of_tracks), self.sums[blocks],
            )  # fmt: skip
            work(frames, of_blocks, sized)
            if results is None:
                self.pose[rows], self.refined.transl[rows] = now_pose, now_transl
            return end - begin

        each(chunk, range(len(self.chunks) - 1), self.execution.threads)
