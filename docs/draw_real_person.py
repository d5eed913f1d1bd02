"""Draw docs/real_person.png, a frame of the example's real person; it needs the extra ``report``."""

from pathlib import Path

from PIL import Image

from kitro_np.cli.demo import PICTURED
from kitro_np.report import overlay
from kitro_np.report.example import real_person

WIDTH = 1200


def draw() -> Image.Image:
    """Draw the estimate, the refined body and the truth side by side, with the detector's keypoints."""
    panels = ("before", "after", "truth")
    picture = Image.fromarray(overlay(None, real_person(), frame=PICTURED, panels=panels))
    # In true colour: a palette shows bands on the bodies.
    return picture.resize((WIDTH, round(picture.height * WIDTH / picture.width)), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    path = Path(__file__).with_name("real_person.png")
    draw().save(path, optimize=True)
    print(f"wrote {path}")
