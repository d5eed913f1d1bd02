"""Render: pictures, maps, a video or an animated image of all frames of a result."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..body.model import BodyModel
from ..errors import InputError, one_of
from ..safe_io.atomic_write import atomic_file, atomic_write, check_output
from .extras import need
from .images import Images, png_bytes
from .overlay import OPACITY, PANELS, Panel, canvas_of, check_size, cut_image, draw_panels, raster_of
from .shown import Shown

MOVING = (".mp4", ".gif")
"""Suffixes of files of all frames."""

FPS = 30.0
"""Frames per second where nothing says how many."""

MOST_SIDE = 16_384
"""Pixels along a side of a picture, all panels together."""


@dataclass(frozen=True)
class Look:
    """What pictures show and how.

    Parameters
    ----------
    panels : sequence of str
        As of :func:`kitro_np.report.overlay`, as all below.
    mode : str
    opacity : float
    crop : bool
    points : bool
    maps : bool
        Also write maps of depth in mm, of parts (joints) and of people, each one more than its number and 0
        where nobody is.
    """

    panels: Sequence[Panel] = ("before", "after", "keypoints")
    mode: str = "mesh"
    opacity: float = OPACITY
    crop: bool = False
    points: bool = True
    maps: bool = False

    def __post_init__(self) -> None:
        if not self.panels:
            raise InputError("panels: expected at least one, got none.")
        for name in self.panels:
            one_of("panels", name, PANELS)


def render(
    path: str | os.PathLike[str],
    shown: Shown,
    images: str | os.PathLike[str] | None = None,
    *,
    look: Look | None = None,
    frames: Sequence[int] | None = None,
    fps: float | None = None,
    force: bool = False,
    progress: Callable[[int], None] | None = None,
) -> list[Path]:
    """Write pictures of a result's frames.

    Parameters
    ----------
    path : path
        An .mp4 or .gif of all frames, a .png of one frame, or a folder, which is made, for a .png of each.
    shown : Shown
    images : path, optional
        Folder of pictures, picture or video that the people were seen in; found by the pictures' names where
        these are known, else by the frames' numbers.
    look : Look, optional
    frames : sequence of int, optional
        Numbers of the frames; by default all that have people, of a .png the first.
    fps : float, optional
        Frames per second of a video; by default the result's.
    force : bool
        Overwrite existing files.
    progress : callable, optional
        Called with 1 after each frame.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    InputError
        If a file exists and `force` is not set, or an image is missing or of another size.
    """
    look, target = look or Look(), Path(path)
    suffix = target.suffix.lower()
    numbers = np.unique(shown.frame)
    if frames is not None:
        missing = sorted({int(number) for number in frames} - set(numbers.tolist()))
        if missing:
            raise InputError(f"frames: expected frames with people, got {missing[0]}.")
        numbers = np.unique(np.asarray(frames, np.int64))
    if not len(numbers):
        raise InputError("frames: expected at least one with people, got none.")
    if suffix == ".png":
        numbers = numbers[:1]
    if suffix in (".png", *MOVING):
        target = check_output(target, force=force)
        if look.maps and suffix != ".png":
            raise InputError(f"maps: expected a folder or a .png, got {target}.")
    elif suffix:
        raise InputError(f"{target}: expected a folder, or a name that ends in .png, .mp4 or .gif, got one.")
    pictures = _pictures(shown, images, numbers, look)
    if suffix in MOVING:
        rate = float(fps or shown.fps or FPS)
        return [_write_moving(target, pictures, rate, len(numbers), progress)]
    return _write_pictures(target, pictures, suffix == ".png", force=force, progress=progress)


@dataclass(frozen=True, eq=False)
class _FramePicture:
    name: str
    rgb: np.ndarray
    maps: dict[str, np.ndarray]


def _pictures(
    shown: Shown, images: str | os.PathLike[str] | None, numbers: np.ndarray, look: Look
) -> Iterator[_FramePicture]:
    """Draw one frame after the other."""
    source = None if images is None else Images(images)
    numbered = source is not None and source.numbered(numbers)
    box = shown.take(np.flatnonzero(np.isin(shown.frame, numbers))).people_box() if look.crop else None
    part = _part_of_triangles(shown.body) if look.maps else None
    names: set[str] = set()
    for number in numbers:
        rows = np.flatnonzero(shown.frame == number)
        people = shown.take(rows)
        name = None if people.image_name is None else str(people.image_name[0])
        if source is None:
            canvas = canvas_of(None, shown)
        else:
            canvas = source.at(int(number), name, numbered=numbered)
            check_size(shown, (canvas.shape[1], canvas.shape[0]), str(images))
        if box is not None:
            people, canvas = people.cut(box), cut_image(canvas, box)
        if max(canvas.shape[0], canvas.shape[1] * len(look.panels)) > MOST_SIDE:
            raise InputError(
                f"panels: expected at most {MOST_SIDE} pixels in all, got {len(look.panels)} of "
                f"{canvas.shape[1]} x {canvas.shape[0]}; crop=True (--crop) shows the people only."
            )
        rgb = draw_panels(
            canvas, people, look.panels, mode=look.mode, opacity=look.opacity, points=look.points
        )
        stem = Path(name.replace("\\", "/")).stem if name else ""
        stem = stem if stem.isprintable() and stem not in names and stem else f"frame_{number:06d}"
        names.add(stem)
        maps = {} if part is None else _maps(people, part, canvas.shape[:2])
        yield _FramePicture(stem, rgb, maps)


def _part_of_triangles(body: BodyModel) -> np.ndarray:
    """One more than the number of the joint that each triangle moves with most: (F,)."""
    weights = np.asarray(body.weights)[np.asarray(body.faces)]
    return np.asarray(np.argmax(weights.sum(axis=1), axis=1) + 1)


def _maps(people: Shown, part: np.ndarray, shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Depth in mm, and one more than the number of the part and of the person: (H, W) each, 0 for none."""
    raster = raster_of(people, people.after, (shape[1], shape[0]))
    millimetres = np.clip(np.round(1000 * raster.depth), 0, np.iinfo(np.uint16).max)
    person = np.append(people.person + 1, 0)[raster.mesh]
    return {
        "depth": millimetres.astype(np.uint16),
        "part": raster.labels([part] * len(people), 0).astype(np.uint8),
        "person": np.clip(person, 0, np.iinfo(np.uint16).max).astype(np.uint16),
    }


def _write_pictures(
    target: Path,
    pictures: Iterator[_FramePicture],
    single: bool,
    *,
    force: bool,
    progress: Callable[[int], None] | None,
) -> list[Path]:
    folder = target.parent if single else target
    if not single:
        if target.exists() and not target.is_dir():
            raise InputError(f"{target}: expected a folder, got a file.")
        target.mkdir(parents=True, exist_ok=True)
    written = []
    for picture in pictures:
        stem = target.stem if single else picture.name
        files = {f"{stem}.png": picture.rgb}
        files |= {f"{stem}_{name}.png": pixels for name, pixels in picture.maps.items()}
        for name, pixels in files.items():
            own = check_output(folder / name, force=force)
            data = png_bytes(pixels)
            atomic_write(own, lambda file, data=data: file.write(data))  # type: ignore[misc]
            written.append(own)
        if progress is not None:
            progress(1)
    return written


def _write_moving(
    target: Path,
    pictures: Iterator[_FramePicture],
    fps: float,
    count: int,
    progress: Callable[[int], None] | None,
) -> Path:
    ffmpeg = need("imageio_ffmpeg", "render")
    codec = {
        ".mp4": {"codec": "libx264", "output_params": ["-crf", "18", "-preset", "veryfast"]},
        ".gif": {
            "codec": "gif",
            "pix_fmt_out": "pal8",
            "output_params": ["-filter_complex", "split[a][b];[a]palettegen[p];[b][p]paletteuse"],
        },
    }[target.suffix.lower()]
    try:
        with atomic_file(target) as file, ExitStack() as stack:
            writer = None
            for picture in pictures:
                rgb = _even(picture.rgb)
                if writer is None:
                    size = (rgb.shape[1], rgb.shape[0])
                    frames = ffmpeg.write_frames(
                        file.name,
                        size,
                        fps=fps,
                        quality=None,
                        macro_block_size=1,
                        ffmpeg_log_level="error",
                        **codec,
                    )
                    writer = stack.enter_context(closing(frames))
                    writer.send(None)
                writer.send(np.ascontiguousarray(rgb))
                if progress is not None:
                    progress(1)
    except (BrokenPipeError, RuntimeError) as problem:
        raise InputError(f"{target}: expected ffmpeg to write {count} frames, got {problem}.") from None
    return target


def _even(rgb: np.ndarray) -> np.ndarray:
    """Return a picture with an even width and height, as H.264 needs."""
    height, width = rgb.shape[:2]
    if height % 2 or width % 2:
        return np.pad(rgb, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    return rgb
