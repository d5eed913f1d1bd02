"""Input that people have: scores beside coordinates, lists, masks, one person's betas, a body by its name."""

import numpy as np
import pytest
from recorded import refine
from same import assert_identical

import kitro_np
from kitro_np import InputError, Status, load_body

COUNT = 5


@pytest.fixture(scope="module")
def batch(sim_batch):
    return sim_batch.some(np.arange(12, 12 + COUNT))


@pytest.fixture(scope="module")
def scores():
    return np.random.default_rng(3).uniform(0.1, 1, (COUNT, 24))


def test_a_third_coordinate_is_the_score(batch, scores):
    scored = np.concatenate([batch.keypoints_2d, scores[..., None]], axis=-1)
    expected = refine(*batch, confidence=scores)
    assert_identical(refine(*batch._replace(keypoints_2d=scored)), expected)
    one = refine(*batch._replace(keypoints_2d=scored).some(1))
    assert_identical(one, expected, 1)
    with pytest.raises(InputError, match=r"^confidence: expected None where keypoints_2d are \(x, y, s"):
        refine(*batch._replace(keypoints_2d=scored), confidence=scores)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_what_a_masked_array_hides_is_not_visible(batch, scores, dtype):
    hidden = scores < 0.4
    given = batch.astype(dtype)
    expected = refine(*given, confidence=np.where(hidden, 0, scores).astype(dtype))
    masked = np.ma.MaskedArray(given.keypoints_2d, np.repeat(hidden[..., None], 2, axis=-1))
    masked_scores = np.ma.MaskedArray(scores.astype(dtype), hidden)
    for points, confidence in (
        (masked, scores.astype(dtype)),
        (given.keypoints_2d, masked_scores),
        (masked, masked_scores),
    ):
        assert_identical(refine(*given._replace(keypoints_2d=points), confidence=confidence), expected)


def test_masked_whole_numbers_and_masks_without_anything_hidden(batch):
    pixels = np.round(batch.keypoints_2d).astype(int)
    expected = refine(*batch._replace(keypoints_2d=pixels))
    plain = np.ma.MaskedArray(pixels)
    assert_identical(refine(*batch._replace(keypoints_2d=plain)), expected)
    hiding = np.ma.MaskedArray(pixels, np.arange(COUNT)[:, None, None] * np.ones(pixels.shape) == 2)
    found = refine(*batch._replace(keypoints_2d=hiding))
    assert found.status[2] == Status.TOO_FEW_KEYPOINTS
    assert_identical(found[[0, 1, 3, 4]], expected, [0, 1, 3, 4])


def test_a_body_whose_estimate_is_masked_is_not_refined(batch):
    pose = np.ma.MaskedArray(batch.pose, np.zeros(batch.pose.shape, bool))
    pose[3, 5, 1, 1] = np.ma.masked
    found = refine(*batch._replace(pose=pose), method="kitro", iterations=1)
    assert list(found.status == Status.NOT_FINITE) == [False, False, False, True, False]


def test_lists_of_everything(batch, scores):
    """Booleans and ragged lists too: a list of True and False is a mask."""
    lists = [part.tolist() for part in batch]
    visible = scores > 0.3
    expected = refine(*batch, confidence=visible)
    assert_identical(refine(*lists, confidence=visible.tolist()), expected)


def test_lists_beside_tensors_become_tensors(batch):
    torch = pytest.importorskip("torch")
    given = [torch.asarray(part) for part in batch]
    expected = refine(*given)
    found = refine(given[0], batch.betas.tolist(), *given[2:4], batch.intrinsics.tolist())
    assert isinstance(found.betas, torch.Tensor)
    for name, array in expected.arrays().items():
        assert torch.equal(getattr(found, name), array), name


@pytest.mark.parametrize("method", ["map", "kitro"])
@pytest.mark.parametrize("engine", ["numba", "array"])
def test_betas_and_a_camera_of_one_are_for_all(batch, method, engine):
    betas, camera = batch.betas[2], batch.intrinsics[1]
    each = batch._replace(betas=np.tile(betas, (COUNT, 1)), intrinsics=np.tile(camera, (COUNT, 1, 1)))
    expected = refine(*each, method=method, engine=engine)
    found = refine(*batch._replace(betas=betas, intrinsics=camera), method=method, engine=engine)
    assert_identical(found, expected)
    assert found.betas.shape == (COUNT, 10)
    fewer = refine(*batch._replace(betas=betas[:4]), method=method, engine=engine)
    assert fewer.betas.shape == (COUNT, 4)


def test_a_body_by_its_name_or_file(batch, tmp_path):
    expected = kitro_np.refine(*batch)
    assert expected.body_name == "open_v2"
    for name in ("open", "OPEN", "open_v2", load_body("open"), load_body("open").skeleton):
        found = refine(*batch, body=name)
        np.testing.assert_array_equal(found.pose, expected.pose)
    assert refine(*batch).body_name == "open_v1"
    assert np.any(refine(*batch).pose != expected.pose)
    with pytest.raises(FileNotFoundError, match=r"^smpl: expected a model file"):
        refine(*batch, body="smpl")
    with pytest.raises(
        InputError, match=r"^body: expected one of open, open_v2, open_v1, open_hand, .* got 'opn'"
    ):
        refine(*batch, body="opn")
    with pytest.raises(InputError, match=r"^body: expected a BodyModel, a Skeleton or a body's name, got i"):
        refine(*batch, body=3)


def test_layouts_by_name_in_any_case(batch, recorded_body):
    coco = batch.keypoints_2d[:, :17]
    given = batch._replace(keypoints_2d=coco)
    assert_identical(
        refine(*given, keypoint_layout="COCO17", safe=False),
        refine(*given, keypoint_layout=kitro_np.find_layout("coco17", recorded_body), safe=False),
    )


def test_smplh_poses_of_22_joints_are_padded_on_request(batch):
    padded = kitro_np.pad_pose(batch.pose[:, :22])
    expected = batch.pose.copy()
    expected[:, 22:] = np.eye(3)
    np.testing.assert_array_equal(padded, expected)
    assert np.all(refine(*batch._replace(pose=padded)).status == 0)


def test_the_example_of_the_readme_is_refined():
    data = kitro_np.example()
    result = kitro_np.refine(**data)
    assert result.accepted.all()
    assert len(result) == len(data["pose"]) > 30


def test_an_estimate_with_another_focal_length_keeps_its_place_in_the_image(batch, recorded_body):
    """The helper that refine(focal_length=...) sends to: f = 0.65 diagonals, fx and fy in ratio."""
    intrinsics = batch.intrinsics.copy()
    intrinsics[:, 1, 1] *= 1.5
    focal = 0.65 * np.linspace(1800, 2600, COUNT)
    changed, transl = kitro_np.with_focal_length(intrinsics, batch.transl, focal)
    np.testing.assert_allclose(changed[:, 0, 0], focal)
    np.testing.assert_allclose(changed[:, 1, 1] / changed[:, 0, 0], intrinsics[:, 1, 1] / intrinsics[:, 0, 0])
    place = batch.transl[:, :2] / batch.transl[:, 2:] * intrinsics[:, [0, 1], [0, 1]]
    after = transl[:, :2] / transl[:, 2:] * changed[:, [0, 1], [0, 1]]
    np.testing.assert_allclose(after, place, rtol=1e-12)


def test_masks_count_in_a_list_of_frames(batch, scores):
    """As a loop over the frames of a video makes it, of which only some have a mask."""
    hidden = np.repeat((scores < 0.4)[..., None], 2, axis=-1)
    masked = np.ma.MaskedArray(batch.keypoints_2d, hidden)
    frames = [masked[0], *masked[1:]]
    assert_identical(
        refine(*batch._replace(keypoints_2d=frames)), refine(*batch._replace(keypoints_2d=masked))
    )
    with pytest.raises(InputError, match=r"^keypoints_2d: expected an array of numbers, got a ragged"):
        refine(*batch._replace(keypoints_2d=[masked[0], masked[1, :3]]))


@pytest.mark.parametrize("engine", [None, "array"])
@pytest.mark.parametrize("form", ["array", "list"])
def test_masks_of_true_and_false_beside_tensors(batch, scores, engine, form):
    torch = pytest.importorskip("torch")
    given, seen = [torch.asarray(part) for part in batch], scores > 0.4
    expected = refine(*batch, confidence=seen, engine=engine or "numba")
    mask = torch.asarray(seen) if form == "array" else seen.tolist()
    found = refine(*given, confidence=mask, engine=engine)
    np.testing.assert_allclose(found.pose.numpy(), expected.pose, atol=1e-9)
    with pytest.raises(InputError, match=r"^confidence: expected an array of the same kind as pose, torch"):
        refine(*given, confidence=seen, engine=engine)


def test_half_precision_goes_in_and_out_of_files(batch, tmp_path):
    torch = pytest.importorskip("torch")
    half = [torch.asarray(part).to(torch.bfloat16) for part in batch[:3]]
    result = refine(*half, *map(torch.asarray, batch[3:]), hypotheses=2)
    assert result.hypotheses.pose.dtype == result.pose.dtype == torch.bfloat16
    arrays = result.numpy()
    assert arrays.pose.dtype == arrays.hypotheses.pose.dtype == np.float32
    np.testing.assert_array_equal(arrays.pose, result.pose.float().numpy())
    assert_identical(kitro_np.RefineResult.load(result.save(tmp_path / "half.npz")), arrays)


def test_tensors_that_numpy_cannot_view_directly(batch):
    torch = pytest.importorskip("torch")
    given = [torch.asarray(part) for part in batch]
    expected = refine(*given)
    negative = torch.imag(torch.complex(torch.zeros_like(given[2]), -given[2]).conj())
    assert negative.is_neg()
    assert torch.equal(refine(*given[:2], negative, *given[3:]).pose, expected.pose)
    for wrong in (given[0].to("meta"), given[0].to_sparse()):
        with pytest.raises(InputError, match=r"^pose: expected a dense tensor with data, got "):
            refine(wrong, *given[1:])
        with pytest.raises(InputError, match=r"^betas: expected a dense tensor with data, got "):
            refine(given[0], wrong, *given[2:])


@pytest.mark.parametrize("name", ["image_size", "focal_length"])
def test_a_wrong_size_of_one_body_is_a_matter_of_that_body(batch, name):
    sizes = {"image_size": np.full((COUNT, 2), (1920.0, 1080)), "focal_length": np.full(COUNT, 1500.0)}
    sizes[name][3] = 0
    found = refine(*batch[:4], **sizes)
    assert list(found.status == Status.NOT_FINITE) == [False, False, False, True, False]


def test_ragged_keypoints_are_refused_by_every_method(batch):
    for method in ("map", "kitro", "smplify"):
        with pytest.raises(InputError, match=r"^keypoints_2d: expected an array of numbers, got a ragged"):
            refine(*batch._replace(keypoints_2d=[[[1, 2], [3]]] * COUNT), method=method)


def test_engines_by_name_in_any_case(batch):
    torch = pytest.importorskip("torch")
    given = [torch.asarray(part) for part in batch]
    for engine in ("array", "numba"):
        upper = refine(*given, engine=engine.upper())
        assert torch.equal(upper.pose, refine(*given, engine=engine).pose)
        posed = load_body().forward(given[0], engine=engine.upper())
        assert torch.equal(posed.joints, load_body().forward(given[0], engine=engine).joints)


def test_a_body_file_that_changes_is_read_again(batch, recorded_body, tmp_path):
    path = tmp_path / "body.npz"

    def write(scale):
        arrays = {
            name: np.asarray(getattr(recorded_body, name)) for name in ("shapedirs", "J_regressor", "weights")
        }
        tree = np.stack([np.array(recorded_body.skeleton.parents), np.arange(24)])
        np.savez(
            path,
            v_template=scale * recorded_body.v_template,
            f=recorded_body.faces,
            kintree_table=tree,
            **arrays,
        )

    write(1.0)
    expected = refine(*batch, body=load_body(path))
    assert_identical(refine(*batch, body=path), expected)
    assert refine(*batch, body=path).body is refine(*batch, body=str(path)).body
    write(1.25)
    assert_identical(refine(*batch, body=path), refine(*batch, body=load_body(path)))
    assert np.any(refine(*batch, body=path).betas != expected.betas)
