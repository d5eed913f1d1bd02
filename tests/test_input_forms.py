"""Input that people have: scores beside coordinates, lists, masks, one person's betas, a body by its name."""

import numpy as np
import pytest
from same import assert_identical

import kitro_np
from kitro_np import InputError, Status, load_body, refine

COUNT = 5


@pytest.fixture(scope="module")
def batch(sim_batch):
    return sim_batch.some(np.arange(COUNT))


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
    expected = refine(*batch)
    for name in ("open", "OPEN", load_body("open"), load_body("open").skeleton):
        found = refine(*batch, body=name)
        np.testing.assert_array_equal(found.pose, expected.pose)
    with pytest.raises(FileNotFoundError, match="smpl: expected a model file"):
        refine(*batch, body="smpl")
    with pytest.raises(InputError, match=r"^body: expected one of open, open_hand, .* got 'opn'"):
        refine(*batch, body="opn")
    with pytest.raises(InputError, match=r"^body: expected a BodyModel, a Skeleton or a body's name, got i"):
        refine(*batch, body=3)


def test_layouts_by_name_in_any_case(batch, open_body):
    coco = batch.keypoints_2d[:, :17]
    given = batch._replace(keypoints_2d=coco)
    assert_identical(
        refine(*given, keypoint_layout="COCO17", safe=False),
        refine(*given, keypoint_layout=kitro_np.find_layout("coco17", open_body), safe=False),
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


def test_an_estimate_with_another_focal_length_keeps_its_place_in_the_image(batch, open_body):
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
