"""The paper's experiments: what they run on, what they write, and that they go on where they stopped."""

import csv
import re
import sys
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest

from kitro_np import InputError, load_body, refine
from kitro_np.body import BodyModel
from kitro_np.cli.main import main, parser
from kitro_np.cli.paper import DATA_DEFAULTS
from kitro_np.evaluation.metrics import body_errors
from kitro_np.formats.estimates import Estimates, TrueBodies
from kitro_np.paper import EXPERIMENTS, DataSet, file_set, simulated_sets, write_paper
from kitro_np.paper import command as command_module
from kitro_np.paper.page import Page, Table
from kitro_np.paper.plan import KITRO
from kitro_np.paper.runs import Measured, Run, Runs, measure_run
from kitro_np.paper.tables import ABLATIONS, ORDERS, table_1
from kitro_np.safe_io.npz import write_npz
from kitro_np.simulate import simulate

COUNT = 24


@pytest.fixture(scope="module")
def sets():
    return simulated_sets(COUNT)


@pytest.fixture(scope="module")
def folder(sets, tmp_path_factory):
    folder = tmp_path_factory.mktemp("paper") / "out"
    write_paper(sets, folder)
    return folder


def rows(path):
    with path.open() as file:
        return list(csv.reader(file))


def test_every_experiment_writes_a_page_that_the_index_links(folder):
    index = (folder / "README.md").read_text()
    for name, (title, _) in EXPERIMENTS.items():
        stem = f"table{name}" if name.isdigit() else name
        assert f"[{title}]({stem}.md)" in index
        page = (folder / f"{stem}.md").read_text()
        assert page.startswith(f"# {title}\n")
        for picture in re.findall(r"!\[\w+\]\(([\w-]+\.png)\)", page):
            assert (folder / picture).read_bytes().startswith(b"\x89PNG")
    assert not list(folder.glob(".*"))


def test_pages_show_the_figures_of_their_csv_files(folder):
    for path in folder.glob("*.csv"):
        stem = re.sub(r"(-\d+|(?<=\d)[ab])$", "", path.stem)
        text = (folder / f"{stem}.md").read_text()
        for row in rows(path)[1:]:
            shown = [f"{float(cell):.2f}" if re.fullmatch(r"[-\d.]+", cell) else cell or "-" for cell in row]
            shown[0] = row[0]
            assert f"| {' | '.join(shown)} |" in text, (path, row)


def test_figures_are_those_of_refine_and_the_metrics(sets, folder):
    data = sets.people[0]
    estimates = data.estimates
    found = refine(*estimates, body=data.body, method="kitro", camera_update="fixed")
    truth = data.truth
    expected = body_errors(data.body, found.pose, found.betas, truth.pose, truth.betas)
    shown = next(row for row in rows(folder / "table1.csv") if row[0] == "camera fixed")
    means = [1000 * float(np.mean(errors)) for errors in expected]
    np.testing.assert_allclose([float(cell) for cell in shown[1:4]], means, rtol=1e-4)


def test_no_iterations_are_the_estimate(sets, folder):
    curve = rows(folder / "fig5.csv")
    estimate = rows(folder / "table2.csv")[1]
    np.testing.assert_allclose(
        [float(cell) for cell in curve[1][1:]], [float(cell) for cell in estimate[1:4]], rtol=1e-6
    )
    ten = rows(folder / "table2.csv")[3]
    np.testing.assert_allclose([float(c) for c in curve[11][1:]], [float(c) for c in ten[1:4]], rtol=1e-6)


def test_every_switch_of_table_1_changes_the_result(sets, folder):
    table = {row[0]: row[1:4] for row in rows(folder / "table1.csv")}
    assert set(ABLATIONS) < set(table)
    figures = [tuple(table[row]) for row in ABLATIONS]
    assert len(set(figures)) == len(ABLATIONS)


def test_what_orders_is_said(sets):
    plan = table_1(sets)
    places = {"full": 0, "soft": 1, "tree, hard": 2, "Eq. 3": 1}
    found = {}
    for label in plan.runs:
        place = next((place for word, place in places.items() if word in label), 3)
        found[label] = Measured(*([np.full(1, float(place))] * len(Measured._fields)))
    assert "better than every row" in plan.page(found).remarks[0]


def test_what_does_not_order_is_said(sets):
    plan = table_1(sets)
    nothing = np.zeros(1)
    same = {label: Measured(*([nothing] * len(Measured._fields))) for label in plan.runs}
    remark = plan.page(same).remarks[0]
    assert all(f"{better} (0.00) is not better than {worse} (0.00)" in remark for better, worse in ORDERS)


def test_a_stopped_call_goes_on(sets, tmp_path, monkeypatch):
    """What is measured once is not measured again, by the same data and steps, in whatever table."""
    done = []

    def counted(run):
        if len(done) == 4:
            raise KeyboardInterrupt
        done.append(run)
        return measure_run(run)

    monkeypatch.setattr("kitro_np.paper.runs.measure_run", counted)
    with pytest.raises(KeyboardInterrupt):
        write_paper(sets, tmp_path, ["2", "4"])
    assert (tmp_path / "table2.md").exists()
    assert not (tmp_path / "table4.md").exists()
    again = []
    monkeypatch.setattr("kitro_np.paper.runs.measure_run", lambda run: again.append(run) or measure_run(run))
    write_paper(sets, tmp_path, ["2", "4"])
    assert len(again) == 4  # of Table 4's eight rows four are Table 2's
    assert (tmp_path / "table4.md").exists()


def test_a_damaged_memory_is_measured_again(sets, tmp_path):
    run = Run(sets.people[0], (KITRO,))
    first = Runs(tmp_path).measure(run)
    (path,) = tmp_path.glob("*.npz")
    path.write_bytes(path.read_bytes()[:100])
    second = Runs(tmp_path).measure(run)
    for name in Measured._fields:
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))


def test_other_data_are_other_runs(sets, tmp_path):
    data = sets.people[0]
    runs = Runs(tmp_path)
    runs.measure(Run(data))
    runs.measure(Run(data.with_noise(0.01)))
    assert len(list(tmp_path.glob("*.npz"))) == 2


def test_noise_moves_keypoints_by_its_share_of_the_height(sets):
    data = sets.people[0]
    keypoints = data.estimates.keypoints_2d
    moved = data.with_noise(0.01).estimates.keypoints_2d - keypoints
    height = np.ptp(keypoints[..., 1], axis=1)
    np.testing.assert_allclose(np.std(moved / height[:, None, None]), 0.01, rtol=0.05)


def test_right_branches_of_the_truth_itself(sets):
    data = sets.people[0]
    exact = data.estimates._replace(pose=data.truth.pose, betas=data.truth.betas)
    there = DataSet("truth", data.body, exact, data.truth, data.protocol)
    measured = measure_run(Run(there))
    np.testing.assert_array_equal(measured.right_branch, 1)
    for name in ("mpjpe", "pa_mpjpe", "pve", "depth_error", "joint_error"):
        np.testing.assert_allclose(getattr(measured, name), 0, atol=2e-3)


# -------------------------------------------------------------------------------------- files and commands


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "network.npz"
    write_npz(path, simulate(count=8, seed=3).arrays())
    return path


def test_files_of_the_users_own(file, tmp_path, capsys):
    out = tmp_path / "out"
    assert (
        main(["paper", "--data", str(file), "--table", "2", "--table", "3", "-o", str(out), "--quick"]) == 0
    )
    assert "wrote" in capsys.readouterr().out
    assert rows(out / "table2.csv")[0][0] == "network"
    assert rows(out / "table3.csv")[0][0] == "network"
    assert not (out / "table1.md").exists()


def test_hands_of_the_users_own(tmp_path):
    path = tmp_path / "hands.npz"
    write_npz(path, simulate(body=load_body("open_hand"), count=8).arrays())
    out = tmp_path / "out"
    options = ["--body", "open_hand", "--table", "5", "--quick"]
    assert main(["paper", "--data", str(path), *options, "-o", str(out)]) == 0
    assert rows(out / "table5.csv")[0][0] == "hands"


def test_files_of_one_name_are_two_data_sets(file, tmp_path):
    paths = [tmp_path / folder / "network.npz" for folder in "ab"]
    for path, shift in zip(paths, (0, 100), strict=True):
        path.parent.mkdir()
        arrays = dict(np.load(file))
        write_npz(path, {**arrays, "keypoints_2d": arrays["keypoints_2d"] + shift})
    out = tmp_path / "out"
    given = map(str, (*paths, paths[0]))
    assert main(["paper", "--data", *given, "--table", "2", "-o", str(out), "--quick"]) == 0
    tables = [rows(out / f"table2-{k}.csv") for k in (1, 2)]
    assert [table[0][0] for table in tables] == list(map(str, paths))
    assert tables[0][1][1:] == tables[1][1][1:]  # the estimate
    assert tables[0][3][1:] != tables[1][3][1:]
    assert not (out / "table2-3.csv").exists()


def test_bodies_that_are_nowhere_are_left_out(file):
    data = file_set(file, load_body())
    pose = np.array(data.estimates.pose)
    pose[3] = np.nan
    gap = replace(data, estimates=data.estimates._replace(pose=pose))
    kept = [0, 1, 2, 4, 5, 6, 7]
    rest = replace(
        data,
        estimates=Estimates(*(part[kept] for part in data.estimates)),
        truth=TrueBodies(*(part[kept] for part in data.truth)),
    )
    found, expected = (measure_run(Run(one, (KITRO,))) for one in (gap, rest))
    for name in ("mpjpe", "keypoint_error"):
        assert found.mean(name) == pytest.approx(expected.mean(name))
    for name in ("joint_error", "right_branch"):
        # The file is in single precision.
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-5)


@pytest.mark.parametrize("name", ["pred_beta", "pred_cam", "keypoints_2d", "intrinsics", "GT_beta"])
def test_arrays_that_do_not_fit(name, file, tmp_path):
    arrays = dict(np.load(file))
    path = tmp_path / "cut.npz"
    np.savez(path, **{**arrays, name: arrays[name][:5]})
    with pytest.raises(InputError, match=r"cut\.npz: .*: expected shape .*, got \(5, [^\n]*\.$"):
        file_set(path, load_body())


def test_bodies_that_are_refused_are_counted(file, tmp_path):
    """As all are where a keypoint is always missing."""
    arrays = dict(np.load(file))
    arrays["keypoints_2d"][:, 7] = np.nan
    path = tmp_path / "gaps.npz"
    np.savez(path, **arrays)
    out = tmp_path / "out"
    tables = ["--table", "2", "--table", "fig1", "--table", "fig5", "--table", "hypotheses"]
    assert main(["paper", "--data", str(path), *tables, "-o", str(out), "--quick"]) == 0
    assert "\nUp to 8 of 8 bodies could not be refined" in (out / "table2.md").read_text()
    assert "| estimate | - |" in (out / "fig1.md").read_text()
    assert "MPJPE does not decrease." in (out / "fig5.md").read_text()


def test_limbs_of_a_body_with_fingers(sets):
    """SMPL-H and SMPL-X have no hand joint, and their files no names."""
    open_body = load_body()
    parents = (*open_body.skeleton.parents[:22], 20, 21, 22)
    pick = [*range(24), 22]
    body = BodyModel.from_arrays(
        "fingers",
        open_body.v_template,
        open_body.shapedirs,
        None,
        open_body.J_regressor[pick],
        np.pad(open_body.weights, ((0, 0), (0, 1))),
        open_body.faces,
        parents,
    )
    made = simulate(body=body, count=8)
    data = DataSet("fingers", body, made.estimates, made.truth, sets.people[0].protocol)
    plan = EXPERIMENTS["fig1"][1](sets._replace(people=[data]))
    found = {label: measure_run(run) for label, run in plan.runs.items()}
    table = plan.page(found).tables[1]
    assert [row[0] for row in table.rows] == [
        *("collar", "shoulder", "elbow", "wrist"),
        *("hip", "knee", "ankle", "foot"),
    ]
    wrists = found["kitro"].joint_error[[20, 21]]
    assert table.rows[3][3] == pytest.approx(wrists.mean())


def test_a_body_without_limbs(tmp_path):
    """All there is for a tree of one's own but Fig. 1b."""
    body = load_body("open_hand")
    tree = np.array([body.skeleton.parents, range(16)])
    tree[0, 4] = 1  # the middle finger begins at the index
    model = tmp_path / "claw.npz"
    members = ("v_template", "shapedirs", "J_regressor", "weights")
    arrays = {name: getattr(body, name) for name in members}
    np.savez(
        model, **arrays, f=body.faces, kintree_table=tree, posedirs=np.zeros((*body.v_template.shape, 135))
    )
    path = tmp_path / "claws.npz"
    write_npz(path, simulate(body=body, count=8).arrays())
    out = tmp_path / "out"
    tables = ["--table", "2", "--table", "fig1", "--table", "hypotheses"]
    assert main(["paper", "--data", str(path), "--body", str(model), *tables, "-o", str(out), "--quick"]) == 0
    assert (out / "fig1a.png").exists()
    assert not (out / "fig1b.png").exists()
    assert rows(out / "hypotheses.csv")[1][0] == "joint_1"


def test_axis_angles_and_an_image_size(file, tmp_path):
    arrays = dict(np.load(file))
    del arrays["intrinsics"]
    path = tmp_path / "sized.npz"
    np.savez(path, **arrays)
    data = file_set(path, load_body(), image_size=(1920, 1080))
    np.testing.assert_allclose(data.estimates.intrinsics[:, 0, 2], 960)
    assert data.estimates.intrinsics.shape == (8, 3, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "nowhere.npz"], "nowhere.npz"),
        (["--table", "2", "-o", "file.txt"], "file.txt: expected a folder to write to, got a file"),
        (["--data", "network.npz", "--regressor", "nowhere.npy"], "nowhere.npy"),
        (
            ["--regressor", "nowhere.npy"],
            "regressor: expected --data, which this option applies to, got only no",
        ),
        (["--body", "smpl"], "body: expected --data, which this option applies to, got only smpl."),
        (["--image-size", "9", "9"], "image-size: expected --data"),
        (
            ["--data", "network.npz", "--image-size", "100", "-1"],
            "image_size: expected a positive width and height in pixels, got [100.0, -1.0].",
        ),
    ],
)
def test_wrong_arguments(arguments, message, file, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file.txt").write_text("mine")
    given = arguments if "-o" in arguments else [*arguments, "-o", "out"]
    assert main(["paper", "--quick", *given]) == 2
    assert message in capsys.readouterr().err
    assert (tmp_path / "file.txt").read_text() == "mine"
    assert {path.name for path in tmp_path.iterdir()} == {"file.txt", "network.npz"}


def test_defaults_of_what_data_need():
    options = parser().parse_args(["paper", "-o", "out"])
    assert {name: getattr(options, name) for name in DATA_DEFAULTS} == DATA_DEFAULTS


def test_a_folder_that_is_closed(sets, tmp_path, monkeypatch):
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(InputError, match=r"expected a writable folder, got a read-only one\.$"):
        write_paper(sets, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_folder_of_something_else_is_left_alone(sets, tmp_path):
    index = tmp_path / "README.md"
    index.write_text("# My project\n")
    with pytest.raises(InputError, match=r"README\.md: expected no file, or one that this command wrote"):
        write_paper(sets, tmp_path)
    assert index.read_text() == "# My project\n"
    assert list(tmp_path.iterdir()) == [index]


def test_progress_counts_runs(sets, folder):
    """Those that are known, too."""
    totals, done = [], []

    @contextmanager
    def progress(total):
        totals.append(total)
        yield done.append

    write_paper(sets, folder, ["2", "5"], progress)
    assert totals == [8]
    assert done == [1] * 8


def test_who_stops_it_is_told_that_it_goes_on(tmp_path, monkeypatch, capsys):
    def stop(run):
        raise KeyboardInterrupt

    monkeypatch.setattr("kitro_np.paper.runs.measure_run", stop)
    assert main(["paper", "--quick", "--table", "2", "-o", str(tmp_path)]) == 130
    assert capsys.readouterr().err == "kitro-np: stopped; the same command resumes.\n"


def test_unknown_experiment(sets, tmp_path):
    with pytest.raises(InputError, match=r"^table: expected one of 1, 2, .*, got '6'\.$"):
        write_paper(sets, tmp_path, ["6"])


def test_without_matplotlib(sets, tmp_path, monkeypatch):
    monkeypatch.setattr(command_module, "find_spec", lambda name: None)
    with pytest.raises(
        InputError, match=r"^paper: expected matplotlib to be installed, .*kitro-np\[report\]'\.$"
    ):
        write_paper(sets, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_matplotlib_is_not_imported_with_the_command_line():
    """It takes longer than all the rest."""
    import subprocess

    code = "import sys, kitro_np.cli.main; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_tables_for_people_and_programs():
    table = Table(["set", "MPJPE"], [["a", 1.2345], ["b", None]], "t")
    assert table.markdown() == "| set | MPJPE |\n| --- | ---: |\n| a | 1.23 |\n| b | - |"
    assert table.csv() == "set,MPJPE\na,1.2345\nb,\n"
    assert Page([table]).figures == {}
    assert Table(["a|b"], [["c|d"]], "t").markdown() == "| a\\|b |\n| --- |\n| c\\|d |"
