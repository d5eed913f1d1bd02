// Content of the page: facts, arrays, and the bodies in them.

const KINDS = { Uint8: Uint8Array, Int16: Int16Array, Uint16: Uint16Array, Uint32: Uint32Array, Float32: Float32Array };

/** Height in metres. */
const PERSON = 1.7;

/** Distance in metres from which on two roots are better put together, to compare poses. */
const APART = 0.3;

/** Read what the page holds. */
export async function readContent() {
  const facts = JSON.parse(document.getElementById("content").textContent);
  const coded = document.getElementById("arrays");
  const bytes = Uint8Array.from(atob(coded.textContent), (sign) => sign.charCodeAt(0));
  coded.remove(); // some megabytes
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Content(facts, await new Response(stream).arrayBuffer());
}

export class Content {
  constructor(facts, buffer) {
    this.facts = facts;
    this.rows = facts.rows;
    this.count = facts.rows.frame.length;
    this.parents = facts.parents;
    this.joints = facts.parents.length;
    this.arrays = {};
    for (const [name, { kind, start, shape }] of Object.entries(facts.arrays)) {
      const length = shape.reduce((product, size) => product * size, 1);
      this.arrays[name] = { shape, data: new KINDS[kind](buffer, start, length) };
    }
    this.template = this.#scaled("template", 0);
    this.basis = Array.from({ length: this.arrays.basis.shape[0] }, (_, k) => this.#scaled("basis", k));
    const heights = [0, 1, 2].map((a) => {
      const along = this.template.filter((_, k) => k % 3 === a);
      return along.reduce((most, one) => Math.max(most, one)) - along.reduce((least, one) => Math.min(least, one));
    });
    this.scale = Math.min(1, Math.max(...heights) / PERSON); // of lines and grid: a hand's are finer
    this.numVertices = this.template.length / 3;
  }

  has(name) {
    return name in this.arrays;
  }

  /** Numbers of one row of an array, or null. */
  row(name, row) {
    const array = this.arrays[name];
    if (!array) return null;
    const size = array.shape.slice(1).reduce((product, length) => product * length, 1);
    return array.data.subarray(row * size, (row + 1) * size);
  }

  /** Whole numbers of 16 bits times their unit. */
  #scaled(name, row) {
    const unit = this.arrays[`${name}.unit`].data[row];
    return Float32Array.from(this.row(name, row), (whole) => whole * unit);
  }

  /** A body in the camera's frame, or null where it is not known; with its root where another's is, if given. */
  body(name, row, at = null) {
    const own = this.row(`${name}.root`, row);
    if (!own || !own.every(Number.isFinite)) return null;
    const root = at ?? own;
    const joints = this.#scaled(`${name}.joints`, row);
    for (let k = 0; k < joints.length; k++) joints[k] += root[k % 3];
    return { joints, turns: this.row(`${name}.turns`, row), shape: this.row(`${name}.shape`, row), root };
  }

  /** The body of a stage as it is shown: with its root at the refined one's, if they are put together. */
  shownBody(name, row, together) {
    return this.body(name, row, together ? this.body("after", row)?.root : null);
  }

  /** Whether the truth is elsewhere than the refined bodies, as with another focal length. */
  get isTruthApart() {
    const apart = this.rows.frame.flatMap((_, row) => {
      const [one, other] = ["after", "truth"].map((name) => this.body(name, row)?.root);
      return one && other ? [Math.hypot(...[0, 1, 2].map((a) => one[a] - other[a]))] : [];
    });
    return apart.sort((a, b) => a - b)[Math.floor(0.8 * apart.length)] > APART;
  }

  /** The row that is shown first: of the bodies that are most upright, the one that is most improved. */
  get typical() {
    const { rows, facts } = this;
    const head = facts.joints.indexOf("head");
    const gain = (row) => {
      const pair = ["error", "pixels"].map((key) => [rows[`${key}_before`], rows[`${key}_after`]]).find(([one]) => one);
      return pair ? pair[0][row] - pair[1][row] : rows.change?.[row] ?? 0;
    };
    const upright = (row) => {
      const body = head < 0 ? null : this.body("after", row);
      if (!body) return 0;
      const up = [0, 1, 2].map((a) => body.joints[3 * head + a] - body.joints[a]);
      return Math.round((-2 * up[1]) / Math.hypot(...up)); // y points down
    };
    const order = rows.frame.map((_, row) => [rows.fitted[row] ? 1 : 0, upright(row), gain(row), row]);
    order.sort((a, b) => b[0] - a[0] || b[1] - a[1] || b[2] - a[2] || a[3] - b[3]);
    return order[0][3];
  }

  /** Places of joints at rest, of a shape. */
  rest(shape) {
    const places = Float32Array.from(this.row("rest", 0));
    shape.forEach((share, k) => {
      this.row("rest", k + 1).forEach((change, i) => (places[i] += share * change));
    });
    return places;
  }

  /** Vertices at rest, of a shape, into an array. */
  shaped(shape, into) {
    into.set(this.template);
    shape.forEach((share, k) => {
      const basis = this.basis[k];
      for (let i = 0; i < into.length; i++) into[i] += share * basis[i];
    });
  }

  /** Transforms of joints from rest to the pose, x -> G (x - rest) + place: 16 numbers each, by columns. */
  transforms({ joints, turns, shape }) {
    const rest = this.rest(shape);
    const all = new Float32Array(16 * this.joints);
    for (let j = 0; j < this.joints; j++) {
      let [w, x, y, z] = turns.subarray(4 * j, 4 * j + 4);
      const length = Math.hypot(w, x, y, z) || 1;
      (w /= length), (x /= length), (y /= length), (z /= length);
      const g = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
      ];
      for (let a = 0; a < 3; a++) {
        let shift = joints[3 * j + a];
        for (let b = 0; b < 3; b++) {
          all[16 * j + 4 * b + a] = g[a][b];
          shift -= g[a][b] * rest[3 * j + b];
        }
        all[16 * j + 12 + a] = shift;
      }
      all[16 * j + 15] = 1;
    }
    return all;
  }

  /** Points (x, y, z, ...) in the image of a row, as [u, v]; null behind the camera. */
  project(points, row) {
    const [fx, fy, cx, cy] = this.row("camera", row);
    const found = [];
    for (let k = 0; k < points.length; k += 3) {
      const [x, y, z] = points.subarray(k, k + 3);
      found.push(z > 0 ? [(fx * x) / z + cx, (fy * y) / z + cy] : null);
    }
    return found;
  }

  /** Pairs [u, v] of a row of points in the image; null where there is none. */
  pairs(name, row) {
    const flat = this.row(name, row);
    if (!flat) return null;
    return Array.from({ length: flat.length / 2 }, (_, k) =>
      Number.isFinite(flat[2 * k]) && Number.isFinite(flat[2 * k + 1]) ? [flat[2 * k], flat[2 * k + 1]] : null,
    );
  }

  /** Distance of joints between two bodies in mm, about the mean of their roots; or null. */
  distances(first, second, roots = [0]) {
    if (!first || !second) return null;
    const [one, other] = [first, second].map(({ joints }) =>
      [0, 1, 2].map((a) => roots.reduce((sum, j) => sum + joints[3 * j + a], 0) / roots.length),
    );
    return Array.from({ length: this.joints }, (_, j) => {
      let sum = 0;
      for (let a = 0; a < 3; a++) {
        sum += (first.joints[3 * j + a] - one[a] - second.joints[3 * j + a] + other[a]) ** 2;
      }
      return 1000 * Math.sqrt(sum);
    });
  }
}
