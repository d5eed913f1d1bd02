"""Files that other programs open: animations, meshes and labels, one module each."""
