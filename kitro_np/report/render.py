"""Render: pictures, maps, a video or an animated image of all frames of a result."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..body.model import BodyModel
from ..errors import InputError, one_of
from ..safe_io.atomic_write import atomic_file, atomic_write, check_output
from .extras import need
from .images import Images, png_bytes
from .overlay import (
    OPACITY,
    PANELS,
    Panel,
    canvas_of,
    check_size,
    cut_image,
    draw_panels,
    frames_between,
    raster_of,
)
from .shown import Shown

MOVING = (".mp4", ".gif")
"""Suffixes of files of all frames."""

FPS = 30.0
"""Frames per second where nothing says how many."""

WIDEST_VIDEO = 3840
"""Pixels across a video or animated image, all panels together: players refuse much wider ones."""

HUNDREDTHS = 100
"""A GIF shows each frame for a whole number of hundredths of a second, most programs for two at least."""

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
    crop : bool, optional
        By default where there are neither images nor maps.
    points : bool
    maps : bool
        Also write maps of depth in mm, of parts (joints) and of people, each one more than its number and 0
        where nobody is.
    """

    panels: Sequence[Panel] = ("before", "after", "keypoints")
    mode: str = "mesh"
    opacity: float = OPACITY
    crop: bool | None = None
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
    tell: Callable[[str], object] | None = None,
) -> list[Path]:
    """Write pictures of a result's frames.

    Parameters
    ----------
    path : path
        An .mp4 or .gif of all frames, at most 3840 pixels wide; a .png of one frame; or a folder, which is
        made, for a .png of each.
    shown : Shown
    images : path, optional
        Folder of pictures, picture or video that the people were seen in; found by the pictures' names where
        these are known, else by the frames' numbers.
    look : Look, optional
    frames : sequence of int, optional
        Numbers of the frames; by default all that have people, of a .png the first.
    fps : float, optional
        Frames per second of a video; by default the result's. A GIF has the nearest rate that it can have, of
        a whole number of hundredths of a second a frame: 33.3 instead of 30.
    force : bool
        Overwrite existing files.
    progress : callable, optional
        Called with 1 after each frame.
    tell : callable, optional
        Takes a sentence on what may be wrong with the images, or was changed.

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
            raise InputError(f"frames: expected frames with people{frames_between(shown)}, got {missing[0]}.")
        numbers = np.unique(np.asarray(frames, np.int64))
    if not len(numbers):
        raise InputError("frames: expected at least one with people, got none.")
    if suffix == ".png":
        if frames is not None and len(numbers) > 1:
            raise InputError(
                f"{target}: expected a folder for several frames, as a .png holds one, got {len(numbers)}."
            )
        numbers = numbers[:1]
    if suffix in (".png", *MOVING):
        target = check_output(target, force=force)
        if look.maps and suffix != ".png":
            raise InputError(f"maps: expected a folder or a .png, got {target}.")
    elif suffix:
        raise InputError(
            f"{target}: expected a folder, or a name that ends in .png, .mp4 or .gif, got {suffix}."
        )
    tell = tell or (lambda _: None)
    pictures = _pictures(shown, images, numbers, look, tell, WIDEST_VIDEO if suffix in MOVING else None)
    if suffix in MOVING:
        rate = float(fps or shown.fps or FPS)
        if suffix == ".gif":
            asked, rate = rate, HUNDREDTHS / max(2, round(HUNDREDTHS / rate))
            if abs(rate - asked) > 0.05:
                tell(f"{target}: {rate:.1f} frames per second, the nearest that a GIF has to {asked:g}.")
        return [_write_moving(target, pictures, rate, len(numbers), progress)]
    return _write_pictures(target, pictures, suffix == ".png", force=force, progress=progress)


@dataclass(frozen=True, eq=False)
class _FramePicture:
    name: str
    rgb: np.ndarray
    maps: dict[str, np.ndarray]


def _pictures(
    shown: Shown,
    images: str | os.PathLike[str] | None,
    numbers: np.ndarray,
    look: Look,
    tell: Callable[[str], object],
    widest: int | None,
) -> Iterator[_FramePicture]:
    """Draw one frame after the other, all panels together `widest` pixels wide at most."""
    source = None if images is None else Images(images)
    numbered = source is not None and source.numbered(numbers)
    if source is not None and source.is_one and len(total := np.unique(shown.frame)) > 1:
        drawn = f"frame {numbers[0]} is" if len(numbers) == 1 else f"{len(numbers)} frames are"
        tell(f"{images}: one picture, and the result has {len(total)} frames: {drawn} drawn on it.")
    crop = (source is None and not look.maps) if look.crop is None else look.crop
    box = shown.take(np.flatnonzero(np.isin(shown.frame, numbers))).people_box() if crop else None
    told = False
    part = _part_of_triangles(shown.body) if look.maps else None
    names: set[str] = set()
    for number in numbers:
        rows = np.flatnonzero(shown.frame == number)
        people = shown.take(rows)
        name = None if people.image_name is None else str(people.image_name[0])
        canvas = None
        if source is not None:
            canvas = source.at(int(number), name, numbered=numbered)
            size = (canvas.shape[1], canvas.shape[0])
            check_size(shown, size, str(images))
            if size != shown.size and not told:
                told = True
                tell(
                    f"{images}: pictures of {size[0]} x {size[1]} pixels, and the camera's centre is that of "
                    f"{shown.size[0]} x {shown.size[1]}: the bodies may be drawn in the wrong place."
                )
        if box is not None:
            people = people.cut(box)
            canvas = None if canvas is None else cut_image(canvas, box)
        if canvas is None:
            canvas = canvas_of(None, shown if box is None else people)
        if widest is not None and canvas.shape[1] * len(look.panels) > widest:
            people, canvas = _narrowed(people, canvas, widest // len(look.panels))
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


def _narrowed(people: Shown, canvas: np.ndarray, width: int) -> tuple[Shown, np.ndarray]:
    """Return people and their image made smaller: drawing a smaller picture is faster than shrinking it."""
    image = need("PIL.Image", "render")
    size = (width, max(1, round(canvas.shape[0] * width / canvas.shape[1])))
    small = np.asarray(image.fromarray(canvas).resize(size, image.Resampling.BOX))
    seen = replace(people, image_size=np.array([canvas.shape[1], canvas.shape[0]], np.float64))
    return seen.scaled(size), small


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
