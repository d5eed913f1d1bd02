"""Arrays of any library: rotations and poses, the checks of arguments, engines and threads."""
