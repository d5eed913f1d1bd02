// The image plane: skeletons, keypoints, and arrows from a body's points to them.
import { svg } from "./svg.js";

export class Picture {
  constructor(element, legend, content) {
    this.element = element;
    this.legend = legend;
    this.content = content;
    this.whole = false;
    new ResizeObserver(() => this.row !== undefined && this.show(this.row, this.shown)).observe(element.parentElement);
  }

  show(row, shown) {
    const { content } = this;
    Object.assign(this, { row, shown });
    const keypoints = content.pairs("keypoints", row) ?? [];
    const stages = content.facts.stages.filter((name) => shown[name]);
    const projected = new Map();
    for (const name of stages) {
      const body = content.shownBody(name, row, shown.together && name === "truth");
      if (body) projected.set(name, content.project(body.joints, row));
    }
    const scale = this.#frame([...keypoints, ...[...projected.values()].flat()].filter(Boolean));
    const [width, height] = content.facts.size;
    const parts = [svg("rect", { class: "sheet", x: 0, y: 0, width, height })];
    for (const [name, joints] of projected) parts.push(this.#skeleton(name, joints, scale));
    for (const name of stages) parts.push(...this.#arrows(name, keypoints, scale));
    parts.push(...this.#keypoints(keypoints, scale));
    this.ring = svg("circle", { class: "ring", r: 9 * scale, "stroke-width": 2.4 * scale, visibility: "hidden" });
    this.element.replaceChildren(...parts, this.ring);
    this.#describe(row, keypoints);
  }

  /** Mark a joint of the refined body or a keypoint, or nothing. */
  mark(kind, point) {
    let at = null;
    if (point !== null && kind === "keypoint") at = this.content.pairs("keypoints", this.row)[point];
    const body = point !== null && kind === "joint" ? this.content.body("after", this.row) : null;
    if (body) at = this.content.project(body.joints, this.row)[point];
    this.ring.setAttribute("visibility", at ? "visible" : "hidden");
    if (at) ["cx", "cy"].forEach((name, k) => this.ring.setAttribute(name, at[k]));
  }

  /** Set the part of the image that is seen; return the length of a pixel of the screen in it. */
  #frame(points) {
    const [width, height] = this.content.facts.size;
    let box = [0, 0, width, height];
    if (!this.whole && points.length) {
      const us = points.map(([u]) => u);
      const vs = points.map(([, v]) => v);
      const pad = 0.08 * Math.max(Math.max(...us) - Math.min(...us), Math.max(...vs) - Math.min(...vs), 1);
      box = [Math.min(...us) - pad, Math.min(...vs) - pad, Math.max(...us) + pad, Math.max(...vs) + pad];
    }
    const size = [Math.max(box[2] - box[0], 1), Math.max(box[3] - box[1], 1)];
    this.element.setAttribute("viewBox", [box[0], box[1], ...size].join(" "));
    const { clientWidth, clientHeight } = this.element.parentElement;
    return Math.max(size[0] / Math.max(clientWidth, 1), size[1] / Math.max(clientHeight, 1));
  }

  #skeleton(name, joints, scale) {
    const bones = this.content.parents
      .map((parent, j) => (parent < 0 || !joints[j] || !joints[parent] ? "" : `M${joints[parent]}L${joints[j]}`))
      .join("");
    const dots = joints.filter(Boolean).map(([u, v]) => svg("circle", { cx: u, cy: v, r: 3.2 * scale }));
    return svg("g", { class: `bones ${name}` }, svg("path", { d: bones, "stroke-width": 4.5 * scale }), ...dots);
  }

  #arrows(name, keypoints, scale) {
    const own = this.content.pairs(`${name}.points`, this.row);
    if (!own) return [];
    let d = "";
    keypoints.forEach((to, k) => {
      const from = own[k];
      if (!to || !from) return;
      const [x, y] = [to[0] - from[0], to[1] - from[1]];
      const length = Math.hypot(x, y);
      if (length < 2 * scale) return;
      const [ux, uy] = [x / length, y / length];
      const head = Math.min(7 * scale, 0.5 * length);
      const wing = (side) => [to[0] - head * (ux - 0.5 * side * uy), to[1] - head * (uy + 0.5 * side * ux)];
      d += `M${from}L${to}M${wing(1)}L${to}L${wing(-1)}`;
    });
    return [
      svg("path", { class: "under", d, "stroke-width": 4 * scale }),
      svg("path", { class: `arrows ${name}`, d, "stroke-width": 1.8 * scale }),
    ];
  }

  #keypoints(keypoints, scale) {
    return keypoints.flatMap((point, k) => {
      if (!point) return [];
      const dot = svg("circle", { class: "dot", cx: point[0], cy: point[1], r: 3.4 * scale, "stroke-width": 1.6 * scale });
      dot.append(svg("title", {}, this.content.facts.points[k]));
      return [dot];
    });
  }

  #colours() {
    const names = { before: "orange before", after: "blue after" };
    return `: ${this.content.facts.stages.map((name) => names[name]).filter(Boolean).join(", ")}`;
  }

  #describe(row, keypoints) {
    const seen = keypoints.filter(Boolean).length;
    const [width, height] = this.content.facts.size;
    const image = this.content.rows.image?.[row];
    const told = keypoints.length ? [`${seen} of ${keypoints.length} keypoints (rings), arrows from the body to them, in its colour${this.#colours()}`] : [];
    this.legend.textContent = [image, `${width} × ${height} px`, ...told].filter(Boolean).join(" · ");
    this.element.setAttribute("aria-label", `Image plane, ${this.legend.textContent}`);
  }
}
