"""Arrays of any library: rotations, poses, checks of arguments, engines and threads."""
