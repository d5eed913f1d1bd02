"""RefineResult: a sequence of bodies, a file and back, joints and vertices, other libraries."""

import json

import numpy as np
import pytest
from recorded import refine
from same import assert_identical

import kitro_np
from kitro_np import InputError, RefineResult, Skeleton

OTHER = {"map": {"hypotheses": 3}, "kitro": {"iterations": 3}}

HOW = {"map": {"uncertainty": True, "hypotheses": 2}, "kitro": {"iterations": 2}}


@pytest.fixture(scope="module", params=HOW)
def result(request, sim_batch):
    return refine(*sim_batch.some(np.arange(12, 18)), method=request.param, **HOW[request.param])


def same_hypotheses(one, other, index=slice(None)):
    if one.hypotheses is None:
        return other.hypotheses is None
    return all(
        np.array_equal(a, b[index], equal_nan=True)
        for a, b in zip(one.hypotheses, other.hypotheses, strict=True)
    )


def test_one_convention_for_what_a_method_does_not_give(result):
    of_map = ("quality", "swapped", "turned", "noise", "evidence", "joint_spread", "hypotheses")
    of_kitro = ("selection", "path_score")
    missing = of_kitro if result.method == "map" else of_map
    assert all(getattr(result, name) is None for name in missing)
    assert not set(missing) & set(result.arrays())


@pytest.mark.parametrize("index", [slice(1, 4), [0, 3], np.arange(6) % 2 == 0, slice(None, None, -2), 2, -1])
def test_index(result, index):
    some = result[index]
    assert_identical(some, result, index)
    assert same_hypotheses(some, result, index)
    assert some.method == result.method
    assert some.body is result.body


def test_index_beyond_the_end_and_two_axes(result, sim_batch):
    with pytest.raises(IndexError):
        result[6]
    grid = refine(*(part.reshape(2, 3, *part.shape[1:]) for part in sim_batch.some(np.arange(12, 18))))
    assert_identical(grid[1, 2], grid[1], 2)
    assert len(grid) == 2


def test_masks_and_ellipses_of_any_library(result):
    strict = pytest.importorskip("array_api_strict")
    other = result.map_arrays(strict.asarray)
    mask = np.arange(6) % 2 == 0
    np.testing.assert_array_equal(np.asarray(other[strict.asarray(mask)].pose), result[mask].pose)
    assert_identical(result[...], result)


def test_length_and_iteration(result):
    assert len(result) == 6
    for number, one in enumerate(result):
        assert_identical(one, result, number)
    with pytest.raises(TypeError):
        len(result[0])
    with pytest.raises(TypeError):
        result[0][0]


def test_concat_is_the_way_back(result):
    pieces = [result[:1], result[1:4], result[4:]]
    joined = RefineResult.concat(pieces)
    assert_identical(joined, result)
    assert same_hypotheses(joined, result)
    assert joined.body is result.body


def test_concat_of_what_does_not_fit(result, sim_batch):
    few = sim_batch.some([0])
    others = [
        refine(*few, method="smplify", steps=1, root_steps=1),
        refine(*few, method=result.method, **{**HOW[result.method], **OTHER[result.method]}),
        refine(*few._replace(betas=few.betas[:, :4]), method=result.method, **HOW[result.method]),
        refine(*(part[None] for part in few), method=result.method, **HOW[result.method]),
    ]
    for wrong in ([], [result[0]], [result[:1], result[1]], [1, 2], *([result, other] for other in others)):
        with pytest.raises(InputError, match=r"^results: expected .*, got .*\.$"):
            RefineResult.concat(wrong)


def test_concat_of_two_libraries_is_refused(result, sim_batch):
    torch = pytest.importorskip("torch")
    with pytest.raises(InputError, match=r"^results: expected numpy arrays .*, got torch arrays"):
        RefineResult.concat([result, result.map_arrays(torch.asarray)])


def test_equality_and_truth_raise_nothing(result):
    assert result == result
    assert result != result[:]
    assert result
    assert result[0]
    assert result[:0]
    assert len({result, result}) == 1


def test_repr_is_short(result):
    assert repr(result) == f"RefineResult(6 on open_v1: 6 bodies refined by {result.method})"
    assert repr(result[0]) == f"RefineResult(one body on open_v1: 1 body refined by {result.method})"


def test_save_and_load(result, tmp_path):
    path = result.save(tmp_path / "result.npz")
    loaded = RefineResult.load(path, body=result.body)
    assert_identical(loaded, result)
    assert same_hypotheses(loaded, result)
    assert loaded.method == result.method
    assert loaded.options == result.options
    np.testing.assert_array_equal(loaded.joints(), result.joints())
    with np.load(path) as plain:  # nothing that needs pickles
        assert json.loads(str(plain["options"])) == result.options


def test_save_never_writes_over_a_file_unasked(result, tmp_path):
    path = result.save(tmp_path / "result.npz")
    before = path.read_bytes()
    with pytest.raises(InputError, match="expected a new file"):
        result.save(path)
    assert path.read_bytes() == before
    result[:2].save(path, force=True)
    assert len(RefineResult.load(path)) == 2


def test_what_is_no_result_is_refused(result, tmp_path):
    with pytest.raises(FileNotFoundError):
        RefineResult.load(tmp_path / "none.npz")
    path = tmp_path / "wrong.npz"
    np.savez(path, pose=result.pose)
    with pytest.raises(InputError, match=r"expected the keys betas, transl, reprojection_error, status"):
        RefineResult.load(path)
    arrays = dict(result.arrays())
    wrong = {
        "betas": arrays["betas"][:2],
        "status": arrays["status"].astype(str),
        "transl": arrays["betas"],
        "reprojection_error": arrays["transl"],
    }
    for name, value in wrong.items():
        np.savez(path, **{**arrays, name: value})
        with pytest.raises(InputError, match=rf"{name}: expected numbers of shape .*, got "):
            RefineResult.load(path)
    np.savez(path, **{**arrays, "status": np.full(6, 77)})
    with pytest.raises(InputError, match=r"status: expected values of Status, got 77"):
        RefineResult.load(path)
    np.savez(path, **{**arrays, "pose": np.zeros((6, 5))})
    with pytest.raises(InputError, match=r"pose: expected rotations of joints, got"):
        RefineResult.load(path)
    if result.hypotheses is not None:
        hypotheses = {f"hypothesis_{name}": part for name, part in result.hypotheses._asdict().items()}
        for name, part in hypotheses.items():
            np.savez(path, **{**arrays, **hypotheses, name: part[:, :1]})
            with pytest.raises(InputError, match=r"hypothesis_\w+: expected numbers of shape"):
                RefineResult.load(path)
    np.savez(path, **arrays, options="[" * 100_000)
    with pytest.raises(InputError, match="options: expected a JSON object"):
        RefineResult.load(path)
    np.savez(path, **arrays, options="[1]")
    with pytest.raises(InputError, match="options: expected a JSON object"):
        RefineResult.load(path)
    path.write_bytes(b"no archive")
    with pytest.raises(InputError, match="archive"):
        RefineResult.load(path)


def test_joints_and_vertices(result, recorded_body):
    body = recorded_body
    posed = body.forward(result.pose, result.betas, result.transl)
    np.testing.assert_array_equal(result.vertices(), posed.vertices)
    np.testing.assert_allclose(result.joints(), posed.joints, atol=1e-12)
    np.testing.assert_allclose(result.joints(body.skeleton), posed.joints, atol=1e-9)
    np.testing.assert_allclose(result[2].joints(body.skeleton), posed.joints[2], atol=1e-9)
    with pytest.raises(InputError, match="got a Skeleton"):
        result.vertices(body.skeleton)
    with pytest.raises(InputError, match=r"^pose: expected shape"):
        result.joints(kitro_np.load_body("open_hand"))
    with pytest.raises(InputError, match=r"^body: expected a BodyModel or a Skeleton, got str"):
        result.joints("open")


def test_a_loaded_result_is_on_the_body_that_its_file_names(result, recorded_body, open_body, tmp_path):
    path = result.save(tmp_path / "r.npz")
    loaded = RefineResult.load(path)
    assert loaded.body is recorded_body
    assert loaded.body_name == "open_v1"
    np.testing.assert_array_equal(loaded.joints(), result.joints())
    assert RefineResult.load(path, recorded_body.skeleton).body is recorded_body.skeleton
    with pytest.raises(InputError) as error:
        RefineResult.load(path, open_body)
    assert str(error.value) == (
        f"body: expected open_v1, which {path} is on, got open_v2, on which betas mean other shapes."
    )


def test_a_loaded_result_has_the_correctives_of_its_body(sim_batch, tmp_path):
    few = sim_batch.some(np.arange(3))
    body = kitro_np.load_body("open", correctives=True)
    result = refine(*few, body=body)
    loaded = RefineResult.load(result.save(tmp_path / "r.npz"))
    np.testing.assert_array_equal(loaded.vertices(), result.vertices())
    assert np.abs(loaded.vertices(kitro_np.load_body("open")) - result.vertices()).max() > 1e-3
    again = RefineResult.load(loaded.save(tmp_path / "again.npz"))
    np.testing.assert_array_equal(again.vertices(), result.vertices())
    plain = refine(*few, body="open").save(tmp_path / "plain.npz")
    assert RefineResult.load(plain).body is kitro_np.load_body("open")
    with np.load(plain) as file:
        arrays = dict(file)
    for other in (np.zeros((3, 2)), np.array("yes"), np.array(1.0), np.array(False)):
        np.savez(plain, **arrays, correctives=other)
        assert RefineResult.load(plain).body is kitro_np.load_body("open")


@pytest.mark.parametrize("name", ["SMPL_NEUTRAL", "", "a\nb", "x" * 1000, None])
def test_a_loaded_result_asks_for_a_body_that_its_file_does_not_name(result, tmp_path, name):
    """Or that does not ship; a name that is none is not taken for one."""
    path = tmp_path / "r.npz"
    with np.load(result.save(tmp_path / "named.npz")) as file:
        arrays = {key: file[key] for key in file.files if key != "body"}
    np.savez(path, **arrays, **({} if name is None else {"body": name}))
    loaded = RefineResult.load(path)
    assert loaded.body_name == (name if name == "SMPL_NEUTRAL" else "")
    with pytest.raises(InputError, match=r"^body: expected a BodyModel or a Skeleton, got none\.$"):
        loaded.joints()


def test_a_result_on_a_bare_skeleton_names_no_body(sim_batch, recorded_body, tmp_path):
    bare = refine(*sim_batch.some(np.arange(3)), body=recorded_body.skeleton)
    assert bare.body_name == ""
    assert repr(bare).startswith("RefineResult(3: ")
    with np.load(bare.save(tmp_path / "r.npz")) as file:
        assert "body" not in file.files


def test_results_on_two_bodies_are_not_joined(sim_batch, recorded_body):
    few = sim_batch.some(np.arange(3))
    result = refine(*few)
    with pytest.raises(InputError) as error:
        RefineResult.concat([result, refine(*few, body="open_v2")])
    assert str(error.value) == (
        "results: expected all on open_v1, got one on open_v2, whose betas mean other shapes."
    )
    bare = refine(*few, body=recorded_body.skeleton)  # it may be the same one
    on_both = RefineResult.concat([result, bare])
    assert (on_both.body, on_both.body_name) == (None, "")
    assert RefineResult.concat([result, refine(*few)]).body_name == "open_v1"


def test_axis_angle_results_become_matrices(sim_batch, recorded_body):
    from scipy.spatial.transform import Rotation

    few = sim_batch.some(np.arange(12, 15))
    vectors = Rotation.from_matrix(few.pose.reshape(-1, 3, 3)).as_rotvec().reshape(3, 24, 3)
    expected = refine(*few._replace(pose=vectors))
    for pose in (vectors, vectors.reshape(3, 72)):
        matrices = refine(*few._replace(pose=pose)).with_matrices()
        assert matrices.pose.shape == (3, 24, 3, 3)
        back = Rotation.from_matrix(matrices.pose.reshape(-1, 3, 3)).as_rotvec().reshape(3, 24, 3)
        np.testing.assert_allclose(back, expected.pose, atol=1e-9)
    assert matrices.with_matrices() is matrices
    bare = matrices.joints(Skeleton.with_betas(recorded_body.skeleton, 10))
    np.testing.assert_allclose(bare, expected.joints(), atol=1e-9)


def test_numpy_of_tensors_shares_their_memory(sim_batch):
    torch = pytest.importorskip("torch")
    tensors = refine(*(torch.asarray(part) for part in sim_batch.some(np.arange(12, 15))))
    assert isinstance(tensors.joints(), torch.Tensor)
    arrays = tensors.numpy()
    for name, array in arrays.arrays().items():
        assert isinstance(array, np.ndarray), name
        assert np.shares_memory(array, getattr(tensors, name).numpy()), name
    assert tensors.numpy().accepted.dtype == bool
    assert isinstance(tensors[0].accepted, torch.Tensor)
