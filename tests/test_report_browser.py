"""The page of a result in a real browser: tests/browser/report.mjs says what is done with it."""

import json
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pages import HOSTILE, make_shown

from kitro_np import Status
from kitro_np.report import write_report

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "tests" / "browser" / "report.mjs"


def playwright():
    """Folder of the npm package playwright-core; None where there is none."""
    roots = [os.environ.get("PLAYWRIGHT_CORE", ""), str(ROOT / "web" / "node_modules" / "playwright-core")]
    return next((root for root in roots if root and (Path(root) / "package.json").is_file()), None)


def test_the_page_in_a_browser(tmp_path):
    node = shutil.which("node")
    browser = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if node is None or browser is None:
        pytest.skip("no Node" if node is None else "no Chromium: install it, or name it in CHROMIUM")
    folder = playwright()
    if folder is None:
        pytest.skip("no playwright-core: cd web && npm ci, or name its folder in PLAYWRIGHT_CORE")
    shown = make_shown(
        8,
        hypotheses=2,
        spread=True,
        fps=30.0,
        frame=np.tile(np.arange(4), 2),
        person=np.repeat([0, 1], 4),
        image_name=np.array(2 * HOSTILE),
    )
    status = np.array([*7 * [0], Status.TOO_FEW_KEYPOINTS], np.int8)  # the last has no explanation
    shown = replace(shown, result=replace(shown.result, status=status))
    path = write_report(tmp_path / "page.html", shown, title=HOSTILE[0])
    expected = []
    for stage in ("before", "after", "truth"):
        vertices = shown.body.forward(*shown.stage(stage)).vertices
        for row, vertex in ((0, 0), (5, 3000), (7, len(vertices[0]) - 1)):
            place = vertices[row, vertex].tolist()
            expected.append({"stage": stage, "row": row, "vertex": vertex, "place": place})
    (tmp_path / "expected.json").write_text(json.dumps(expected))
    command = [node, str(SCRIPT), folder, browser, str(path), "--layers", "truth,spread,ghosts"]
    command.append(str(tmp_path / "expected.json"))
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "ok hypotheses have probabilities" in done.stdout
    assert "ok the card Why follows the body" in done.stdout
    assert "ok no request, no error" in done.stdout
