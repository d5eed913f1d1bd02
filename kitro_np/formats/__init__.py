"""Files of estimates and of ground truth: a module for each format that is known."""
