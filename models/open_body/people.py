"""Step 1: people to model, drawn from anthropometric tables.

Sizes and how they go together come from ANSUR II (4,082 men and 1,986 women; half of each are drawn here). It
measures between points on the skin; where joints lie, as shares of stature, is from Drillis and Contini
(1966), as reprinted by Winter, Biomechanics and Motor Control of Human Movement. A person's joints are at
these shares, times how much the person's own measure exceeds the mean one.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..shared.makehuman import phenotype_scores

TABLE = Path(__file__).with_name("ansur_ii.npz")

MEASURES = (
    "stature", "trochanterionheight", "crotchheight", "lateralfemoralepicondyleheight",
    "lateralmalleolusheight", "acromialheight", "cervicaleheight", "tragiontopofhead", "biacromialbreadth",
    "bicristalbreadth", "acromionradialelength", "radialestylionlength", "handlength", "footlength",
    "footbreadthhorizontal", "waistheightomphalion", "chestheight", "hipbreadth", "buttockdepth",
    "waistbreadth", "waistdepth", "chestbreadth", "chestdepth", "headbreadth", "headlength",
    "waistcircumference", "neckcircumference", "thighcircumference", "lowerthighcircumference",
    "calfcircumference", "anklecircumference", "bicepscircumferenceflexed", "forearmcircumferenceflexed",
    "wristcircumference",
)  # fmt: skip
"""The measures that are used, by their names in ANSUR II."""

SHARES = {
    "ankle": (0.039, "lateralmalleolusheight"),
    "knee": (0.285, "lateralfemoralepicondyleheight"),
    "hip": (0.525, "trochanterionheight"),
    "shoulder": (0.818, "acromialheight"),
    "upper_arm": (0.184, "acromionradialelength"),
    "forearm": (0.1445, "radialestylionlength"),
    "hip_half_breadth": (0.052, "bicristalbreadth"),
    "shoulder_half_breadth": (0.097, "biacromialbreadth"),
    "neck": (0.853, "cervicaleheight"),
    "head_below_top": (0.088, "tragiontopofhead"),
}
"""Heights and lengths between joints as shares of stature, and the measure that each of a person follows.

Those of the legs, the shoulders' height and the arms are Drillis and Contini's, the arms one percent shorter:
theirs would make the span of the arms longer still. They give no half breadths between joints.
"""

MALE, FEMALE = 0, 1

IN_T_POSE = {
    "bicepscircumferenceflexed": 0.93,
    "forearmcircumferenceflexed": 0.97,
    "thighcircumference": 0.92,
}
"""Girth in T-pose over that in ANSUR II, which flexes the arm and measures the thigh where both touch."""

RIBS = (1.0, 0.87)
"""Depth of men's and women's ribs over that of the chest: the body has no breasts."""

NECK_GIRTH = 3.22
"""Girth of a neck over its breadth: of an ellipse 5 percent deeper than broad."""


@dataclass
class Person:
    """Measures of one person in metres: as ANSUR II names them, and joints by the names of SHARES."""

    measures: dict[str, float]
    joints: dict[str, float]

    def arm_joint(self, name: str) -> float:
        """Distance of a joint of the arm from the midline in T-pose."""
        shares = self.joints
        lengths = {
            "shoulder": 0.0,
            "elbow": shares["upper_arm"],
            "wrist": shares["upper_arm"] + shares["forearm"],
        }
        return shares["shoulder_half_breadth"] + lengths[name]

    def wanted(self, measure: str) -> float:
        """Measure in T-pose."""
        return self.measures[measure] * IN_T_POSE.get(measure, 1.0)


def draw_people(phenotypes: np.ndarray, labels: list[str], rng: np.random.Generator) -> list[Person]:
    """Draw one person for each of MakeHuman's phenotypes: of the same sex, and as fat and as muscular.

    Fat is the circumference of the waist given stature, muscle that of the biceps given both.
    """
    with np.load(TABLE) as table:
        means, covariances = table["mean"], table["covariance"]
    pooled = dict(zip(MEASURES, means.mean(0), strict=True))
    female = phenotypes[:, labels.index("gender")] >= 0.5
    scores = phenotype_scores(phenotypes, labels)
    people = []
    for number, sex in enumerate(np.where(female, FEMALE, MALE)):
        drawn = rng.multivariate_normal(means[sex], covariances[sex])
        wanted = {
            "waistcircumference": scores["weight"][number],
            "bicepscircumferenceflexed": scores["muscle"][number],
        }
        drawn = means[sex] + _with_scores(drawn - means[sex], covariances[sex], wanted)
        people.append(_person(dict(zip(MEASURES, drawn, strict=True)), pooled, sex))
    return people


def _with_scores(away: np.ndarray, covariance: np.ndarray, wanted: dict[str, float]) -> np.ndarray:
    """Move a draw to wanted standard scores of measures, each given stature and those before it.

    What goes with a measure moves with it (the conditional mean of a Gaussian), so a draw stays one.
    """
    known = [MEASURES.index("stature")]
    for name, score in wanted.items():
        row = MEASURES.index(name)
        slope = np.linalg.solve(covariance[np.ix_(known, known)], covariance[known])
        left = covariance - covariance[known].T @ slope  # covariance given what is known
        given = away[known] @ slope[:, row]
        away = away + left[row] / left[row, row] * (given + score * np.sqrt(left[row, row]) - away[row])
        known.append(row)
    return away


def _person(measures: dict[str, float], mean: dict[str, float], sex: int) -> Person:
    joints = {
        name: share * mean["stature"] * measures[measure] / mean[measure]
        for name, (share, measure) in SHARES.items()
    }
    joints["jaw"] = measures["stature"] - 1.15 * joints["head_below_top"]
    measures["neckbreadth"] = measures["neckcircumference"] / NECK_GIRTH
    measures["chestdepth"] *= RIBS[sex]
    return Person(measures, joints)
