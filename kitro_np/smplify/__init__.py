"""SMPLify (ECCV 2016), the baseline: gradient descent on the reprojection error, with priors."""
