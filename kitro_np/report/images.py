"""Images: a picture, a folder of pictures or a video, frame by frame."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from .extras import need

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff")
VIDEOS = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".gif")

MOST_PIXELS = 64_000_000
"""Of a picture, whose size is checked before it is read."""

LONGEST_LINE = 64
"""Bytes of a line before a frame of a video."""

_NUMBER = re.compile(r"(\d+)(?!.*\d)")


def read_image(path: str | os.PathLike[str]) -> np.ndarray:
    """Read a picture: (H, W, 3) of uint8.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    InputError
        If it is no picture, or too large.
    """
    image = need("PIL.Image", "image")
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected a picture, got no such file.")
    try:
        with image.open(path) as opened:
            width, height = opened.size
            if width * height > MOST_PIXELS:
                raise InputError(f"{path}: expected at most {MOST_PIXELS:,} pixels, got {width} x {height}.")
            return np.array(opened.convert("RGB"))
    except InputError:
        raise
    except (OSError, ValueError, SyntaxError, image.DecompressionBombError) as error:
        raise InputError(f"{path}: expected a picture, got {type(error).__name__}.") from None


class Images:
    """Pictures of a folder, of one file, or of a video, by the number or the name of a frame.

    Parameters
    ----------
    path : path
        A folder, a picture or a video.

    Raises
    ------
    FileNotFoundError, InputError
        If there is nothing, or nothing that can be read.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._video: Iterator[np.ndarray] | None = None
        self._next = 0
        self._files: list[Path] = []
        suffix = self.path.suffix.lower()
        if self.path.is_dir():
            found = (one for one in sorted(self.path.iterdir()) if one.suffix.lower() in PICTURES)
            self._files = [one for one in found if one.is_file()]
            if not self._files:
                raise InputError(f"{path}: expected pictures ({', '.join(PICTURES)}), got none.")
        elif not self.path.is_file():
            raise FileNotFoundError(f"{path}: expected a folder, a picture or a video, got no such file.")
        elif suffix in PICTURES:
            self._files = [self.path]
        elif suffix not in VIDEOS:
            kinds = ", ".join((*PICTURES, *VIDEOS))
            raise InputError(f"{path}: expected a folder or a file that ends in one of {kinds}, got another.")
        self._by_name = {one.name: one for one in self._files}
        self._by_stem = {one.stem: one for one in self._files}
        numbers = [_NUMBER.search(one.stem) for one in self._files]
        own = {int(number[1]): one for number, one in zip(numbers, self._files, strict=True) if number}
        self._by_number = own if len(own) == len(self._files) else {}

    @property
    def is_one(self) -> bool:
        """Whether there is one picture, which is that of every frame."""
        return bool(self._files) and self._files[0] == self.path

    def numbered(self, frames: np.ndarray) -> bool:
        """Whether frames are found by the numbers in the pictures' names, not by their places."""
        return all(int(frame) in self._by_number for frame in frames)

    def at(self, frame: int, name: str | None = None, *, numbered: bool = False) -> np.ndarray:
        """Return the picture of a frame; of a video, frames must ascend.

        Parameters
        ----------
        frame : int
            Its number in the pictures' names if they are `numbered`, else its place, from 0.
        name : str, optional
            Name of the picture; its folders do not count.
        """
        if not self._files:
            return self._frame_of_video(frame)
        if self.is_one:
            return read_image(self.path)
        if name:
            own = Path(name.replace("\\", "/"))
            found = self._by_name.get(own.name) or self._by_stem.get(own.stem)
            if found is not None:
                return read_image(found)
        if numbered:
            return read_image(self._by_number[frame])
        if not 0 <= frame < len(self._files):
            raise InputError(f"{self.path}: expected a picture of frame {frame}, got {len(self._files)}.")
        return read_image(self._files[frame])

    def _frame_of_video(self, frame: int) -> np.ndarray:
        if self._video is None:
            self._video = _frames(self.path)
        picture = None
        while self._next <= frame:
            picture = next(self._video, None)
            if picture is None:
                raise InputError(f"{self.path}: expected frame {frame}, got {self._next} frames.")
            self._next += 1
        if picture is None:
            raise InputError(f"{self.path}: expected ascending frames, got {frame} after {self._next - 1}.")
        return picture


def _frames(path: Path) -> Iterator[np.ndarray]:
    """Frames of a video, one after the other, as ffmpeg decodes them."""
    program = need("imageio_ffmpeg", "images").get_ffmpeg_exe()
    # As PPM, each frame says how large it is. Only files are read, whatever the video names.
    given = ["-v", "error", "-nostdin", "-protocol_whitelist", "file,pipe", "-i", f"file:{path.absolute()}"]
    asked = ["-map", "0:v:0", "-fps_mode", "passthrough", "-f", "image2pipe", "-vcodec", "ppm", "-"]
    with subprocess.Popen(
        [program, *given, *asked], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as run:
        assert run.stdout is not None
        count = 0
        try:
            while (line := run.stdout.readline(LONGEST_LINE)) == b"P6\n":
                width, height = (int(part) for part in run.stdout.readline(LONGEST_LINE).split())
                if width * height > MOST_PIXELS:
                    raise InputError(
                        f"{path}: expected at most {MOST_PIXELS:,} pixels, got {width} x {height}."
                    )
                run.stdout.readline(LONGEST_LINE)  # the largest value
                data = run.stdout.read(3 * width * height)
                if len(data) < 3 * width * height:
                    break
                yield np.frombuffer(data, np.uint8).reshape(height, width, 3).copy()
                count += 1
            if line or not count:
                raise InputError(f"{path}: expected a video that ffmpeg reads, got another file.")
        finally:
            run.kill()


def png_bytes(pixels: np.ndarray) -> bytes:
    """Encode a picture (H, W, 3) or a map (H, W), of uint8 or uint16, as PNG."""
    import io

    image: Any = need("PIL.Image", "render")
    buffer = io.BytesIO()
    image.fromarray(pixels).save(buffer, "PNG", compress_level=4)
    return buffer.getvalue()
