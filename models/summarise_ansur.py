"""Summarise ANSUR II, the anthropometric survey of the U.S. Army of 2012, for the build of the open body.

Run ``python -m models.summarise_ansur MALE.csv FEMALE.csv -o models/open_body/ansur_ii.npz``. The two files
are the public release of the survey (4,082 men and 1,986 women; Gordon et al. 2014, NATICK/TR-15/007), a work
of the U.S. government in the public domain. What is kept are means and covariances of the measures that the
build needs, in metres, for each sex; no person's data.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .open_body.people import MEASURES
from .shared.command_line import check_output, output_parser, run
from .shared.errors import BuildError
from .shared.npz import write_npz

PROGRAM = "python -m models.summarise_ansur"

SOURCE = "ANSUR II (2012), U.S. Army, public domain: Gordon et al. 2014, NATICK/TR-15/007"


def read_survey(path: Path) -> np.ndarray:
    """Measures (n, m) of all people in a file of the survey, in metres."""
    with path.open(encoding="latin1", newline="") as file:
        people = list(csv.DictReader(file))
    if not people or (missing := [name for name in MEASURES if name not in people[0]]):
        raise BuildError(f"{path}: expected a file of ANSUR II, {', '.join(missing) or 'people'} missing.")
    return np.array([[float(person[name]) for name in MEASURES] for person in people]) / 1e3


def summarise(paths: Sequence[Path]) -> dict[str, np.ndarray]:
    """Mean (2, m) and covariance (2, m, m) of men and women."""
    surveys = [read_survey(path) for path in paths]
    return {
        "measures": np.array(MEASURES),
        "mean": np.stack([people.mean(0) for people in surveys]),
        "covariance": np.stack([np.cov(people.T) for people in surveys]),
        "source": np.array(SOURCE),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the survey and write the summary."""
    parser = output_parser(PROGRAM, __doc__)
    parser.add_argument("male", type=Path)
    parser.add_argument("female", type=Path)
    options: argparse.Namespace = parser.parse_args(arguments)
    check_output(parser, options.output, replace=True)

    def build() -> list[str]:
        write_npz(options.output, summarise([options.male, options.female]))
        return [f"wrote {options.output}"]

    return run(PROGRAM, build)


if __name__ == "__main__":
    sys.exit(main())
