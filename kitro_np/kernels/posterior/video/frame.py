"""Steps of frames, block by block of a track."""

from __future__ import annotations

from ....posterior.priors import BETAS_PRECISION, DEPTH_SPREAD
from ....posterior.video.spreads import SPREAD_FRAMES
from ...jit import entry, kernel
from ...keypoints.visibility import visible_confidence
from ...lanes import full, load, own_lanes, store, where
from ...refinement.chunks import read_tile
from ...refinement.validity import outcome_status_by
from ...vector_math import add, dot, load3, load9, multiply, store_all, transform, transpose
from ..algorithm import nearest_visible, visible_error
from ..covariance import covariance
from ..fit import make_prior, rotate_joints
from ..gauss_newton import (
    add_point,
    backwards,
    cholesky,
    eliminate,
    factor_corner,
    forwards,
    linearise_prior,
    residual_after,
    solve_joints,
)
from ..projection import place_points
from ..robust import weigh_residuals
from ..scalars import INFORMATION, NOISE, PIXELS_PER_METRE, POSE_SCALE
from ..spread import joint_spread
from ..swaps import exchange, reflect
from .contacts import add_rests


@entry
def step_blocks(tree, chains, tile, memory, own, frames, blocks, sized, kind, messages, summed):
    """Fused twin of kitro_np.posterior.video.frame.take_step and sums_of, for the frames of every block.

    Messages are written, and sums are, only if they are needed next.
    """
    for b in range(blocks.first.size):
        for n in range(blocks.sums.shape[1]):
            blocks.sums[b, n] = 0.0
        last = blocks.last[b]
        for start in range(blocks.first[b], last, tile.status.shape[1]):
            _begin(tree, chains, tile, memory, own, frames, blocks, sized, kind, b, start, last)
            _linearise(tree, chains, tile, memory)
            add_rests(chains, tile, memory, own, frames, start, last)
            _own_diagonal(tree, chains, memory, own)
            _add_messages(tree, chains, memory, own, 1.0)
            for a in range(chains.moving.size - 1, -1, -1):
                eliminate(chains, memory, chains.moving[a])
            _solve_at_shape(chains, memory)
            if summed:
                _sum(tree, chains, tile, memory, own, blocks, b, start, last)
            _take_step(tree, chains, tile, memory, own)
            _write(tile, own, frames, start, last, messages)


@entry
def finish_blocks(tree, chains, tile, memory, own, frames, blocks, sized, kind):
    """Status and reprojection error of the final bodies, against keypoints as they are."""
    for b in range(blocks.first.size):
        last = blocks.last[b]
        for start in range(blocks.first[b], last, tile.status.shape[1]):
            _read(chains, tile, memory, frames, sized, start, last)
            _load_current(tree, chains, tile, frames, blocks, b, start, last)
            place_points(tree, chains, tile, memory)
            nearest = nearest_visible(chains, tile, memory)
            for lane in own_lanes(tile.status, tile.status.shape[1]):
                tile.status[0, lane] = 0.0
                tile.path_score[0, lane] = frames.used[min(start + lane, last - 1)]
            used = load(tile.path_score, 0) > 0.5
            visible_error(chains, tile, memory)
            outcome_status_by(where(used, nearest, load(tile.transl, 2)), tile)
            for lane in own_lanes(tile.status, last - start):
                frames.status[start + lane] = int(tile.status[0, lane])
                frames.error[start + lane] = tile.error[0, lane]


@entry
def spread_blocks(tree, chains, tile, memory, own, frames, blocks, sized, kind):
    """Fused twin of kitro_np.posterior.spread.joint_spread about the final bodies, with hedged messages."""
    border = memory.border_step.shape[0]
    shapes = border - 3
    for b in range(blocks.first.size):
        last = blocks.last[b]
        for start in range(blocks.first[b], last, tile.status.shape[1]):
            _begin(tree, chains, tile, memory, own, frames, blocks, sized, kind, b, start, last)
            _linearise(tree, chains, tile, memory)
            _add_messages(tree, chains, memory, own, 1.0 / SPREAD_FRAMES)
            for s in range(shapes):
                for r in range(s + 1):
                    row = border * s + r
                    store(
                        memory.corner,
                        row,
                        load(memory.corner, row) + blocks.betas_precision[b, shapes * s + r],
                    )
            for a in range(chains.moving.size - 1, -1, -1):
                eliminate(chains, memory, chains.moving[a])
            factor_corner(memory)
            covariance(chains, memory)
            joint_spread(tree, chains, tile, memory)
            for lane in own_lanes(tile.status, last - start):
                for j in range(memory.joint_spread.shape[0]):
                    frames.joint_spread[start + lane, j] = memory.joint_spread[j, lane]


@kernel
def _read(chains, tile, memory, frames, sized, start, last):
    """Read estimates and keypoints of a tile, and put sides right."""
    read_tile(tile, frames, start, last)
    visible_confidence(chains, tile, memory, frames, sized, start, last)
    for lane in own_lanes(tile.status, tile.status.shape[1]):
        frame = min(start + lane, last - 1)
        if frames.side[frame] >= 0:
            exchange(chains, tile, memory, frames.side[frame], lane)


@kernel
def _begin(tree, chains, tile, memory, own, frames, blocks, sized, kind, b, start, last):
    """Read a tile, its priors, its current bodies, and what the neighbours say."""
    _read(chains, tile, memory, frames, sized, start, last)
    for lane in own_lanes(tile.status, tile.status.shape[1]):
        frame = min(start + lane, last - 1)
        if frames.used[frame] == 0:
            for k in range(memory.confidence.shape[0]):
                memory.confidence[k, lane] = 0.0
        if frames.turned[frame] != 0:
            reflect(chains, tile.initial_pose, tile, lane)
    make_prior(tree, chains, tile, memory, kind)
    along = 1.0 / (DEPTH_SPREAD * load(tile.transl, 2))
    less = (1.0 - blocks.depth_share[b]) * along * along
    store(memory.transl_precision, 8, load(memory.transl_precision, 8) - less)
    pixels_per_metre = load(memory.scalars, PIXELS_PER_METRE)
    for row in range(tile.keypoints.shape[0]):
        shifted = load(tile.keypoints, row) - blocks.shift[b, row] * pixels_per_metre
        store(tile.keypoints, row, shifted)
    for lane in own_lanes(tile.status, tile.status.shape[1]):
        frame = min(start + lane, last - 1)
        memory.scalars[POSE_SCALE, lane] = frames.scale[frame]
        memory.scalars[NOISE, lane] = frames.noise[frame] * memory.scalars[PIXELS_PER_METRE, lane]
        for row in range(own.precision.shape[0]):
            own.precision[row, lane] = frames.precision[frame, row]
            own.right_side[row, lane] = frames.right_side[frame, row]
    for j in range(tree.parents.size):
        store(memory.moves, j, 1.0)
        turn = _turn_of(tile, blocks, b, 9 * j)
        store_all(tile.initial_pose, 9 * j, multiply(turn, load9(tile.initial_pose, j)))
    for s in range(tree.shapedirs.shape[1]):
        store(memory.prior_betas, s, full(tile.betas, blocks.betas[b, s]))
    _load_current(tree, chains, tile, frames, blocks, b, start, last)


@kernel
def _load_current(tree, chains, tile, frames, blocks, b, start, last):
    for lane in own_lanes(tile.status, tile.status.shape[1]):
        frame = min(start + lane, last - 1)
        for row in range(tile.pose.shape[0]):
            tile.pose[row, lane] = frames.now_pose[frame, row]
        for row in range(3):
            tile.transl[row, lane] = frames.now_transl[frame, row]
    for s in range(tree.shapedirs.shape[1]):
        store(tile.betas, s, full(tile.betas, blocks.betas[b, s]))


@kernel
def _turn_of(tile, blocks, b, first):
    like = tile.betas
    turn = blocks.turn
    return (
        full(like, turn[b, first]), full(like, turn[b, first + 1]), full(like, turn[b, first + 2]),
        full(like, turn[b, first + 3]), full(like, turn[b, first + 4]), full(like, turn[b, first + 5]),
        full(like, turn[b, first + 6]), full(like, turn[b, first + 7]), full(like, turn[b, first + 8]),
    )  # fmt: skip


@kernel
def _linearise(tree, chains, tile, memory):
    """Fill the normal equations of the frames by themselves."""
    place_points(tree, chains, tile, memory)
    linearise_prior(tree, chains, tile, memory)
    weigh_residuals(chains, memory)
    for k in range(chains.point_joint.size):
        add_point(tree, chains, tile, memory, k)


@kernel
def _own_diagonal(tree, chains, memory, own):
    """Diagonal of the frames' own precision, by global rotations: w of a joint is phi less its parent's."""
    joints = tree.parents.size
    border = memory.border_step.shape[0]
    for j in range(joints):
        block = 9 * (chains.first_block[j] + chains.depth[j])
        for axis in range(3):
            value = load(memory.block, block + 4 * axis)
            store(own.diagonal, 3 * j + axis, value)
            if j > 0:
                parent = tree.parents[j]
                with_parent = load(
                    memory.block, 9 * (chains.first_block[j] + chains.depth[parent]) + 4 * axis
                )
                row = 3 * parent + axis
                store(own.diagonal, row, load(own.diagonal, row) + (value - 2.0 * with_parent))
    for axis in range(3):
        entry = (border + 1) * (border - 3 + axis)
        store(own.diagonal, 3 * joints + axis, load(memory.corner, entry))


@kernel
def _add_messages(tree, chains, memory, own, share):
    """Add what the neighbours say, `share` of its precision, to the normal equations."""
    joints = tree.parents.size
    border = memory.border_step.shape[0]
    for row in range(3 * joints):
        store(memory.other_joint_side, row, load(own.right_side, row))
        store(own.along, row, share * load(own.precision, row))
    for j in range(joints - 1, -1, -1):  # along and other_joint_side: sums over subtrees
        for axis in range(3):
            row = 3 * j + axis
            precision, right_side = load(own.along, row), load(memory.other_joint_side, row)
            if j > 0:
                above = 3 * tree.parents[j] + axis
                store(own.along, above, load(own.along, above) + precision)
                store(memory.other_joint_side, above, load(memory.other_joint_side, above) + right_side)
            store(memory.joint_step, row, load(memory.joint_step, row) + right_side)
            for d in range(chains.depth[j] + 1):
                entry = 9 * (chains.first_block[j] + d) + 4 * axis
                store(memory.block, entry, load(memory.block, entry) + precision)
    for axis in range(3):
        row = 3 * joints + axis
        entry = (border + 1) * (border - 3 + axis)
        store(memory.corner, entry, load(memory.corner, entry) + share * load(own.precision, row))
        place = border - 3 + axis
        store(memory.border_step, place, load(memory.border_step, place) + load(own.right_side, row))


@kernel
def _solve_at_shape(chains, memory):
    """Solve for translation and joints at the current betas; what that leaves of betas goes to scratch.

    That is the precision of a change of the betas to covariance_corner, and its right side to
    other_border_side.
    """
    border = memory.border_step.shape[0]
    shapes = border - 3
    zero = full(memory.border_step, 0.0)
    t = border * shapes + shapes
    xx, xy, yy = load(memory.corner, t), load(memory.corner, t + border), load(memory.corner, t + border + 1)
    xz, yz = load(memory.corner, t + 2 * border), load(memory.corner, t + 2 * border + 1)
    zz = load(memory.corner, t + 2 * border + 2)
    factor = cholesky((xx, xy, xz, xy, yy, yz, xz, yz, zz))
    place = (
        load(memory.border_step, shapes),
        load(memory.border_step, shapes + 1),
        load(memory.border_step, shapes + 2),
    )
    place = forwards(factor, place)
    for s in range(shapes):
        with_transl = forwards(factor, _with_transl(memory, s))
        right_side = load(memory.border_step, s) - dot(with_transl, place)
        store(memory.other_border_side, s, right_side)
        for r in range(s + 1):
            other = forwards(factor, _with_transl(memory, r))
            value = load(memory.corner, border * s + r) - dot(with_transl, other)
            store(memory.covariance_corner, border * s + r, value - (BETAS_PRECISION if r == s else 0.0))
    for s in range(shapes):
        store(memory.border_step, s, zero)
    store_all(memory.border_step, shapes, backwards(factor, place))
    solve_joints(chains, memory)


@kernel
def _with_transl(memory, s):
    border = memory.border_step.shape[0]
    row = border * (border - 3) + s
    return load(memory.corner, row), load(memory.corner, row + border), load(memory.corner, row + 2 * border)


@kernel
def _sum(tree, chains, tile, memory, own, blocks, b, start, last):
    """Add a tile's frames to the sums of its block."""
    joints = tree.parents.size
    border = memory.border_step.shape[0]
    shapes, points = border - 3, chains.point_joint.size
    scale, noise = load(memory.scalars, POSE_SCALE), load(memory.scalars, NOISE)
    weight = 1.0 / (scale * scale)
    for j in range(joints):
        turn = add(load3(memory.deviation, j), load3(memory.joint_step, j))
        if j > 0:
            turn = transform(transpose(load9(tile.rotations, tree.parents[j])), turn)
        store_all(memory.other_joint_side, 3 * j, (weight * turn[0], weight * turn[1], weight * turn[2]))
    store(tile.error, 0, weight)
    inverse = 1.0 / load(memory.scalars, PIXELS_PER_METRE)
    factor = noise * noise / load(memory.scalars, INFORMATION)
    for k in range(points):
        own_weight = load(memory.weight, k)
        own_weight = factor * own_weight * own_weight
        u, v = residual_after(tree, chains, tile, memory, k, full(tile.betas, 1.0))
        store(memory.affine_weight, k, own_weight)
        store(own.shift, 2 * k, own_weight * inverse * u)
        store(own.shift, 2 * k + 1, own_weight * inverse * v)
    sums = blocks.sums
    for lane in own_lanes(tile.status, last - start):
        n = 0
        for s in range(shapes):
            for r in range(shapes):
                entry = border * s + r if r <= s else border * r + s
                sums[b, n] += memory.covariance_corner[entry, lane]
                n += 1
        for s in range(shapes):
            sums[b, n] += memory.other_border_side[s, lane]
            n += 1
        for row in range(3 * joints):
            sums[b, n] += memory.other_joint_side[row, lane]
            n += 1
        sums[b, n] += tile.error[0, lane]
        n += 1
        for k in range(points):
            sums[b, n] += own.shift[2 * k, lane]
            sums[b, n + 1] += own.shift[2 * k + 1, lane]
            n += 2
        for k in range(points):
            sums[b, n] += memory.affine_weight[k, lane]
            n += 1


@kernel
def _take_step(tree, chains, tile, memory, own):
    """Move the bodies, and leave the frames' messages in diagonal and right_side."""
    joints = tree.parents.size
    shapes = memory.border_step.shape[0] - 3
    for j in range(joints):
        x, y, z = load3(memory.joint_step, j)
        if j > 0:
            above = load3(own.along, tree.parents[j])
            x, y, z = x + above[0], y + above[1], z + above[2]
        store_all(own.along, 3 * j, (x, y, z))
    share = rotate_joints(tree, chains, tile, memory)
    for axis in range(3):
        change = load(memory.border_step, shapes + axis)
        store(own.along, 3 * joints + axis, change)
        store(tile.transl, axis, load(tile.transl, axis) + share * change)
    for row in range(3 * joints + 3):
        change = load(own.along, row)
        message = load(own.precision, row) * change - load(own.right_side, row)
        store(own.right_side, row, message + load(own.diagonal, row) * change * (1.0 - share))


@kernel
def _write(tile, own, frames, start, last, messages):
    """Write current bodies and, where motion is smoothed next, the frames' messages."""
    for lane in own_lanes(tile.status, last - start):
        frame = start + lane
        for row in range(tile.pose.shape[0]):
            frames.now_pose[frame, row] = tile.pose[row, lane]
        for row in range(3):
            frames.now_transl[frame, row] = tile.transl[row, lane]
        if messages:
            for row in range(frames.precision.shape[1]):
                inside = row < own.diagonal.shape[0]
                frames.precision[frame, row] = own.diagonal[row, lane] if inside else 1.0
                frames.right_side[frame, row] = own.right_side[row, lane] if inside else 0.0
