"""Figures of the paper's experiments: what is drawn, that one look means one method, and their files."""

import io
from dataclasses import replace
from functools import partial
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib import colors, rc_context, rcParams
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from kitro_np.paper import EXPERIMENTS, simulated_sets
from kitro_np.paper.look import LONGEST, LOOKS, Look
from kitro_np.paper.page import FORMS, Page, save_figure
from kitro_np.paper.plan import METHODS
from kitro_np.paper.runs import Measured

SVG = "{http://www.w3.org/2000/svg}"
FIGURES = {
    "fig1": ["fig1a", "fig1b"],
    "fig5": ["fig5"],
    **{n: [n] for n in ("improved", "noise", "hypotheses")},
}
STEMS = [stem for stems in FIGURES.values() for stem in stems]


def made_up(run):
    random = np.random.default_rng(sum(map(ord, str(run.steps))))
    joints = run.data.body.num_joints
    of_bodies = {name: 100 * random.random(5) for name in Measured._fields}
    per_joint = {name: random.random(joints) for name in ("joint_error", "right_branch")}
    return Measured(**{**of_bodies, **per_joint, "refused": np.zeros(5, bool)})


@pytest.fixture(scope="module")
def sets():
    return simulated_sets(8)


def page(name, sets):
    plan = EXPERIMENTS[name][1](sets)
    return plan.page({label: made_up(run) for label, run in plan.runs.items()})


@pytest.fixture(scope="module")
def draws(sets):
    """Functions that draw, by stem."""
    return {stem: draw for name in FIGURES for stem, draw in page(name, sets).figures.items()}


def projected(draw):
    figure = Figure(layout="constrained")
    draw(figure)
    return figure


def looks(axes):
    """Colours, markers, lines and hatches on a panel, by the method that its legend names."""
    handles, labels = axes.get_legend_handles_labels()
    for handle, label in zip(handles, labels, strict=True):
        if hasattr(handle, "patches"):  # bars
            yield label, {"colour": handle.patches[0].get_facecolor(), "hatch": handle.patches[0].get_hatch()}
        elif hasattr(handle, "get_marker"):
            marks = {"marker": handle.get_marker(), "line": handle.get_linestyle()}
            yield label, {"colour": handle.get_color(), **marks}
        else:  # outline of a histogram
            yield label, {"colour": handle.get_edgecolor()}


def test_all_figures_are_tried(draws):
    assert sorted(draws) == sorted(STEMS)


def test_no_two_methods_share_a_mark():
    assert list(LOOKS) == list(METHODS)
    for field in Look._fields:
        assert len({getattr(look, field) for look in LOOKS.values()}) == len(LOOKS), field


def test_colours_are_of_okabe_and_ito():
    palette = {"black", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7"}
    assert {colors.to_hex(look.colour) for look in LOOKS.values()} <= set(map(colors.to_hex, palette))


@pytest.mark.parametrize("stem", STEMS)
def test_a_method_looks_the_same_everywhere(stem, draws):
    for axes in projected(draws[stem]).axes:
        for label, found in looks(axes):
            if label in LOOKS:
                look = LOOKS[label]
                assert colors.same_color(found["colour"], look.colour)
                assert found.get("hatch") in (None, look.hatch)
                assert found.get("marker") in (None, "None", look.marker)
                assert found.get("line") in (None, "None", look.line)


def test_outlines_of_histograms_differ_in_their_lines(draws):
    (axes,) = projected(draws["improved"]).axes
    outlines, _ = axes.get_legend_handles_labels()
    assert len({str(outline.get_linestyle()) for outline in outlines}) == len(METHODS) - 1


@pytest.mark.parametrize("stem", STEMS)
def test_every_panel_has_a_legend_of_all_methods(stem, draws):
    expected = set(METHODS) - ({"estimate"} if stem == "improved" else set())  # gains are over the estimate
    for axes in projected(draws[stem]).axes:
        named = {text.get_text() for text in axes.get_legend().get_texts()}
        assert named - {"a good detector"} == expected


@pytest.mark.parametrize("stem", STEMS)
def test_titles_say_what_it_shows_of_which_set(stem, draws, sets):
    title, name = projected(draws[stem]).get_suptitle().split("\n")
    assert title
    assert name == sets.people[0].name


@pytest.mark.parametrize("stem", STEMS)
def test_grids_lie_behind(stem, draws):
    for axes in projected(draws[stem]).axes:
        assert axes.get_axisbelow() is True
        assert any(line.get_visible() for line in axes.get_ygridlines())


@pytest.mark.parametrize("stem", STEMS)
def test_no_label_leaves_the_figure_or_lies_on_another(stem, draws):
    """As measured on what is drawn, at the size that the files have."""
    figure = Figure(figsize=(7, 4.2), layout="constrained", dpi=150)
    FigureCanvasAgg(figure)
    draws[stem](figure)
    figure.canvas.draw()
    width, height = figure.canvas.get_width_height()
    for axes in figure.axes:
        texts = [axes.xaxis.label, axes.yaxis.label, axes.title, figure._suptitle]
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            ticks = [tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
            if not any(tick.get_rotation() for tick in ticks):
                boxes = [tick.get_window_extent() for tick in ticks]
                assert not any(one.overlaps(other) for one, other in pairwise(boxes))
            texts += ticks
        for box in (text.get_window_extent() for text in texts if text.get_text()):
            assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height


def test_figure_5_shows_methods_without_iterations_as_levels(draws, sets):
    (table,) = page("fig5", sets).tables
    shown = {row[0]: row[1:] for row in table.rows}
    for k, axes in enumerate(projected(draws["fig5"]).axes):
        lines = {line.get_label(): line for line in axes.get_lines()}
        np.testing.assert_array_equal(
            lines["kitro"].get_ydata(), [shown[str(count)][k] for count in range(11)]
        )
        assert set(lines["smplify"].get_ydata()) == {shown["smplify"][k]}
        assert set(lines["map"].get_ydata()) == {shown["map"][k]}
        assert set(lines["estimate"].get_ydata()) == {shown["0"][k]}


def test_left_and_right_are_averaged(draws, sets):
    (table,) = page("hypotheses", sets).tables
    shares = {row[0]: row[1:] for row in table.rows}
    (axes,) = projected(draws["hypotheses"]).axes
    names = [tick.get_text() for tick in axes.get_xticklabels()]
    assert len(names) == 14
    assert not any("left" in name or "right" in name for name in names)
    lines = {line.get_label(): line.get_ydata() for line in axes.get_lines()}
    for k, method in enumerate(METHODS):
        for name, share in zip(names, lines[method], strict=True):
            both = [shares[one][k] for one in (f"left_{name}", f"right_{name}") if one in shares]
            assert share == pytest.approx(np.mean(both or shares[name][k]))
            assert len(both) == (0 if name in shares else 2)


def test_bones_without_sides_stand_alone(sets):
    """As a hand's do."""
    hands = sets._replace(people=sets.hands)
    (draw,) = page("hypotheses", hands).figures.values()
    (axes,) = projected(draw).axes
    assert [tick.get_text() for tick in axes.get_xticklabels()] == list(
        sets.hands[0].body.skeleton.joint_names[1:]
    )


def test_of_long_names_the_end_is_shown(sets):
    """And what TeX would read means nothing."""
    own = replace(sets.people[0], name=f"/{'folder/' * 20}my_$file$")
    (draw,) = page("noise", sets._replace(people=[own])).figures.values()
    _, shown = projected(draw).get_suptitle().split("\n")
    assert shown.startswith("…") and shown.endswith("folder/my_$file$")
    assert len(shown) == LONGEST
    save_figure(draw, "svg", io.BytesIO())


# ------------------------------------------------------------------------------------------------- files


def test_pages_link_png_and_svg(draws, tmp_path):
    Page([], figures={"noise": draws["noise"]}).write(tmp_path, "page", "Title")
    text = (tmp_path / "page.md").read_text()
    assert "](noise.png)" in text and "](noise.svg)" in text
    assert (tmp_path / "noise.png").read_bytes().startswith(b"\x89PNG")
    assert {path.name for path in tmp_path.iterdir()} == {"page.md", "noise.png", "noise.svg"}


@pytest.mark.parametrize("stem", STEMS)
def test_svg_files_are_drawings(stem, draws):
    file = io.BytesIO()
    save_figure(draws[stem], "svg", file)
    root = ElementTree.fromstring(file.getvalue())
    assert root.tag == f"{SVG}svg"
    assert root.get("viewBox")
    assert len(root.findall(f".//{SVG}path")) > 20
    assert b"<dc:date>" not in file.getvalue()


@pytest.mark.parametrize("form", FORMS)
def test_files_are_the_same_every_time(form, draws):
    """Whatever the caller's matplotlib is set to, and that stays."""
    save = partial(save_figure, draws["fig1a"], form)
    first, second = io.BytesIO(), io.BytesIO()
    save(first)
    with rc_context({"font.size": 30, "axes.facecolor": "red", "svg.hashsalt": None}):
        save(second)
        assert rcParams["font.size"] == 30
    assert first.getvalue() == second.getvalue()
