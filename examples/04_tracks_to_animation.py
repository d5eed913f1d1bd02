"""Animate the people of a tracker's file, refined with a detector's keypoints: PHALP and OpenPose to GLB.

Usage: python examples/04_tracks_to_animation.py TRACKS.pkl OPENPOSE_FOLDER OUT.glb [BODY]

The same is `kitro-np refine TRACKS.pkl --keypoints OPENPOSE_FOLDER -o OUT.glb`.
"""

import sys

import kitro_np

if len(sys.argv) not in (4, 5):
    sys.exit(__doc__)

tracks, folder, output, *body = sys.argv[1:]

estimates = kitro_np.read_estimates(tracks)  # of PHALP, WHAM, TRAM, ...: recognised by what is in the file
keypoints = kitro_np.read_keypoints(folder)  # of OpenPose, MMPose, Ultralytics, ...
print(f"{estimates.source}: {len(estimates)} bodies; camera: {estimates.camera}")
print(f"{keypoints.source}: {len(keypoints)} people's {keypoints.layout}")

# Whose keypoints are whose, over all frames; people who are not detected keep their estimates.
people = kitro_np.refine_people(estimates, keypoints, body=body[0] if body else None)
print(*people.notes, people.result.summary(), sep="\n")

kitro_np.write(output, people, fps=30)
