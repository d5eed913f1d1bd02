"""Animate the person in a video, without a GPU: MediaPipe's landmarks, fitted and refined, to GLB.

Usage: python examples/07_video_with_mediapipe.py VIDEO.mp4 MODEL.task OUT.glb

Needs `pip install mediapipe`, and one of its models, lite, full or heavy:
https://storage.googleapis.com/mediapipe-models/pose_landmarker/pose_landmarker_full/float16/latest/pose_landmarker_full.task
"""

import sys

import numpy as np

import kitro_np


def landmarks_of(video, model):
    """Return the frames with a person, its landmarks in metres and in pixels, the image size and fps."""
    try:
        import cv2  # comes with mediapipe
        from mediapipe import Image, ImageFormat
        from mediapipe.tasks.python import BaseOptions, vision
    except ImportError as error:
        sys.exit(f"This example needs MediaPipe, pip install mediapipe: {error}.")
    options = vision.PoseLandmarkerOptions(BaseOptions(model), vision.RunningMode.VIDEO)
    try:
        landmarker = vision.PoseLandmarker.create_from_options(options)
    except (OSError, RuntimeError) as error:
        sys.exit(f"{model}: not a model of MediaPipe's pose landmarker. {error}")
    results, capture = [], cv2.VideoCapture(video)
    fps = capture.get(cv2.CAP_PROP_FPS) or 30
    with landmarker:
        while (image := capture.read()[1]) is not None:
            size = image.shape[1::-1]
            image = Image(ImageFormat.SRGB, cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
            results.append(landmarker.detect_for_video(image, round(1000 * len(results) / fps)))  # time in ms
    frames = [number for number, result in enumerate(results) if result.pose_landmarks]
    if not frames:
        sys.exit(f"{video}: {'no person in any frame' if results else 'not a video that OpenCV can read'}.")
    world = [[(one.x, one.y, one.z) for one in results[frame].pose_world_landmarks[0]] for frame in frames]
    seen = [[(one.x, one.y, one.visibility) for one in results[frame].pose_landmarks[0]] for frame in frames]
    return frames, np.array(world), np.array(seen) * [*size, 1], size, fps


def animate(frames, world, seen, size, fps, output):
    """Fit bodies to landmarks in metres, refine them with those in pixels, and write them."""
    pixels, visibility = seen[..., :2], seen[..., 2]
    intrinsics = kitro_np.default_intrinsics(size)  # a guess: better, your camera's
    fit = kitro_np.fit_points(world, "mediapipe33", visibility)
    transl = fit.transl_in_image(pixels, intrinsics, visibility)
    result = kitro_np.refine(
        fit.pose, fit.betas, transl, pixels, intrinsics, keypoint_layout="mediapipe33",
        confidence=visibility, image_size=size, estimate="landmarks",
    )  # fmt: skip
    print(result.summary())
    print(f"joints are {np.median(result.reprojection_error):.1f} pixels from their landmarks")
    kitro_np.write(output, result, fps=fps, frame=frames, intrinsics=intrinsics, image_size=size, force=True)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    animate(*landmarks_of(*sys.argv[1:3]), sys.argv[3])
