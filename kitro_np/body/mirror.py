"""Mirror a body: the left hand from the right one."""

from __future__ import annotations

from typing import Any

from array_api_compat import array_namespace, device

from .model import BodyModel
from .skeleton import Skeleton

__all__ = ["mirror_body"]


def mirror_body(body: BodyModel, name: str | None = None) -> BodyModel:
    """Mirror a body at the plane x = 0: a right hand becomes a left hand, and vice versa.

    Joints keep their order and their names, so this suits a body that is one side of a person, such as a
    hand. The mirror image of a posed body is the mirrored body in the mirrored pose: with S = diag(-1, 1, 1),
    every rotation R becomes S R S, that is, an axis-angle vector (x, y, z) becomes (x, -y, -z). Betas do not
    change; the x of a translation changes its sign.

    Parameters
    ----------
    body : BodyModel
        With arrays of any library.
    name : str, optional
        Name of the mirrored body; by default that of `body` followed by ``_mirrored``.

    Returns
    -------
    BodyModel
        With v_template, shapedirs and posedirs mirrored; the vertices of each face in reverse order, so that
        it still faces outwards; weights, J_regressor and parents unchanged.
    """
    skeleton = body.skeleton
    faces = body.faces
    return BodyModel(
        name=f"{body.name}_mirrored" if name is None else name,
        v_template=_mirrored(body.v_template, axis=1),
        shapedirs=_mirrored(body.shapedirs, axis=1),
        posedirs=None if body.posedirs is None else _mirrored_pose_blend(body.posedirs),
        J_regressor=body.J_regressor,
        weights=body.weights,
        faces=array_namespace(faces).flip(faces, axis=1),
        skeleton=Skeleton(
            skeleton.parents,
            _mirrored(skeleton.joint_template, axis=1),
            _mirrored(skeleton.joint_shapedirs, axis=1),
            skeleton.joint_names,
        ),
    )


def _mirrored(array: Any, axis: int) -> Any:
    """Negate x along an axis of three coordinates."""
    signs = _signs(array)
    return array * array_namespace(array).reshape(signs, (3, *[1] * (array.ndim - axis - 1)))


def _mirrored_pose_blend(posedirs: Any) -> Any:
    """Mirror posedirs (V, 3, 9 (J - 1)) per entry of R - I, row by row: R - I becomes S (R - I) S."""
    xp = array_namespace(posedirs)
    signs = _signs(posedirs)
    entry_signs = xp.reshape(signs[:, None] * signs, (9,))
    signed = xp.reshape(posedirs, (*posedirs.shape[:2], -1, 9)) * entry_signs
    return _mirrored(xp.reshape(signed, posedirs.shape), axis=1)


def _signs(like: Any) -> Any:
    """Return the diagonal of S as an array of the kind, dtype and device of `like`."""
    return array_namespace(like).asarray([-1.0, 1.0, 1.0], dtype=like.dtype, device=device(like))
