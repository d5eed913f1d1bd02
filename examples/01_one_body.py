"""Refine one body: its estimate and 24 keypoints in, a better body out.

Usage: python examples/01_one_body.py OUT.obj
"""

import sys

import kitro_np

if len(sys.argv) != 2:
    sys.exit(__doc__)

clip = kitro_np.example()  # what a network and a detector said of a clip of 60 frames
pose, betas, transl = clip["pose"][30], clip["betas"][30], clip["transl"][30]  # (24, 3, 3), (10,), (3,)
keypoints_2d, intrinsics = clip["keypoints_2d"][30], clip["intrinsics"][30]  # (24, 2), (3, 3)

result = kitro_np.refine(pose, betas, transl, keypoints_2d, intrinsics)

print(result)
print(f"joints are {result.reprojection_error:.1f} pixels from their keypoints, on average")
print(f"the left hand is at {result.joints()[22].round(3)} m: x to the right, y down, z forwards")
kitro_np.write(sys.argv[1], result)  # a mesh
