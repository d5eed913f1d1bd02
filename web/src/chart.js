// The chart of a body's joints or keypoints: a dot for each stage, joined where there are two.
import { label, svg } from "./svg.js";

const LINE = 20;
const LEFT = 118;
const RIGHT = 44;

/** What can be charted of a row: title, names of the points, values of each stage, kind of the points. */
export function measuresOf(content) {
  const { stages, points, joints, measured } = content.facts;
  const measures = [];
  if (stages.includes("truth")) {
    const values = (row) => {
      const truth = content.body("truth", row);
      return fromStages(stages, (name) => content.distances(content.body(name, row), truth, measured.root));
    };
    measures.push(["Error, mm", joints, values, "joint", measured.joints]);
  }
  if (stages.includes("before")) {
    const values = (row) => ({ after: content.distances(content.body("before", row), content.body("after", row)) });
    measures.push(["Moved, mm", joints, values, "joint"]);
  }
  if (points) {
    const values = (row) => {
      const keypoints = content.pairs("keypoints", row);
      return fromStages(stages, (name) => {
        const own = content.pairs(`${name}.points`, row);
        return own?.map((one, k) => one && keypoints[k] && Math.hypot(one[0] - keypoints[k][0], one[1] - keypoints[k][1]));
      });
    };
    measures.push(["Keypoints, px", points, values, "keypoint"]);
  }
  return measures;
}

function fromStages(stages, values) {
  const found = {};
  for (const name of ["before", "after"]) if (stages.includes(name)) found[name] = values(name);
  return found;
}

/** Draw a measure of a row, of the stages that are shown; if none is, of all. */
export function drawChart(element, [title, names, valuesOf, , averaged], row, shown) {
  const known = Object.entries(valuesOf(row)).filter(([, list]) => list);
  const seen = known.filter(([stage]) => shown[stage]);
  const values = seen.length ? seen : known;
  const width = Math.max(element.clientWidth - 28, 200);
  const height = LINE * names.length + 26;
  const most = niceMost(Math.max(0, ...values.flatMap(([, list]) => list.map((value) => value ?? 0))));
  const x = (value) => LEFT + ((width - LEFT - RIGHT) * value) / most;
  const chart = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img" });
  const told = values.map(([stage, list]) => `${stage} ${meanOf(averaged ? averaged.map((k) => list[k]) : list)}`).join(", ");
  chart.setAttribute("aria-label", `${title} of each point; mean ${told || "not known"}`);
  for (const share of [0, 0.5, 1]) {
    chart.append(
      svg("path", { class: "axis", d: `M${x(share * most)} 20V${height}` }),
      label(String(Number((share * most).toPrecision(3))), { x: x(share * most), y: 12, "text-anchor": "middle" }),
    );
  }
  names.forEach((name, k) => {
    const line = svg("g", { class: "line", "data-point": k });
    chart.append(line);
    const y = 20 + LINE * (k + 0.5);
    const here = values.map(([stage, list]) => [stage, list[k]]).filter(([, value]) => Number.isFinite(value));
    const told = here.map(([stage, value]) => `${stage} ${value.toFixed(1)}`).join(", ");
    line.append(
      svg("rect", { x: 0, y: y - LINE / 2, width, height: LINE }),
      svg("title", {}, `${name.replaceAll("_", " ")}: ${told || "not known"}`),
      label(name.replaceAll("_", " "), { x: LEFT - 10, y: y + 4, "text-anchor": "end" }),
    );
    if (!here.length) return;
    const ends = here.length > 1 ? here.map(([, value]) => x(value)) : [x(0), x(here[0][1])];
    line.append(svg("path", { class: "link", d: `M${ends[0]} ${y}H${ends.at(-1)}` }));
    for (const [stage, value] of here) line.append(svg("circle", { class: `mark ${stage}`, cx: x(value), cy: y, r: 4.5 }));
    const [stage, last] = here.at(-1);
    const after = Math.max(...here.map(([, value]) => x(value))) + 9;
    line.append(label(last.toFixed(last < 10 ? 1 : 0), { class: `tone ${stage}`, x: after, y: y + 4 }));
  });
  element.replaceChildren(chart);
}

function niceMost(most) {
  const unit = 10 ** Math.floor(Math.log10(Math.max(most, 1e-3)));
  return unit * [1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 7, 8, 10].find((factor) => factor * unit >= most * 0.999);
}

function meanOf(list) {
  const known = list.filter(Number.isFinite);
  return known.length ? (known.reduce((sum, value) => sum + value, 0) / known.length).toFixed(1) : "not known";
}
