// The timeline of a person: a curve of its figures, scrubbing, playing.
import { label, svg } from "./svg.js";

const FPS = 10;
const MEASURES = [
  ["error", "MPJPE, mm"],
  ["pixels", "Reprojection error, px"],
  ["change", "Moved, mm"],
];

export class Timeline {
  constructor(page, content, choose) {
    Object.assign(this, page, { content, choose });
    const { rows } = content;
    this.measure = MEASURES.find(([key]) => rows[`${key}_after`] || rows[key]) ?? MEASURES[0];
    this.scrub.addEventListener("input", () => this.choose(this.frames[this.scrub.valueAsNumber]));
    this.play.addEventListener("click", () => this.toggle());
    this.curve.addEventListener("pointerdown", (event) => {
      this.curve.setPointerCapture(event.pointerId);
      this.#pick(event);
    });
    this.curve.addEventListener("pointermove", (event) => event.buttons && this.#pick(event));
    new ResizeObserver(() => this.frames && this.#draw()).observe(this.curve);
  }

  get playing() {
    return this.waiting !== undefined;
  }

  show(row) {
    const person = this.content.rows.person[row];
    if (person !== this.person) {
      this.person = person;
      this.frames = this.content.rows.person.flatMap((one, k) => (one === person ? [k] : []));
      this.scrub.max = this.frames.length - 1;
      this.card.hidden = this.frames.length < 2;
      this.#draw();
    }
    const place = this.frames.indexOf(row);
    this.row = row;
    this.scrub.value = place;
    const frame = this.content.rows.frame[row];
    this.scrub.setAttribute("aria-valuetext", `frame ${frame}`);
    this.now.textContent = `frame ${frame} · ${place + 1} of ${this.frames.length} of person ${person}`;
    this.#mark();
  }

  /** The frame before or after. */
  step(by) {
    const place = this.frames.indexOf(this.row) + by;
    return this.frames[Math.min(Math.max(place, 0), this.frames.length - 1)];
  }

  toggle(on = !this.playing) {
    if (on === this.playing || (on && this.frames.length < 2)) return;
    cancelAnimationFrame(this.waiting);
    this.waiting = undefined;
    if (on) this.#advance(performance.now(), this.frames.indexOf(this.row));
    this.play.textContent = on ? "Pause" : "Play";
    this.play.setAttribute("aria-pressed", on);
  }

  /** Show the frame of the time since the start: a slow machine leaves frames out and keeps time. */
  #advance(start, first) {
    this.waiting = requestAnimationFrame((now) => {
      const passed = Math.floor((Math.max(now - start, 0) / 1000) * (this.content.facts.fps ?? FPS));
      this.choose(this.frames[(first + passed) % this.frames.length], true);
      if (this.playing) this.#advance(start, first);
    });
  }

  #x(frame) {
    const [first, last] = [this.frames[0], this.frames.at(-1)].map((row) => this.content.rows.frame[row]);
    return (this.width * (frame - first)) / Math.max(last - first, 1);
  }

  #pick(event) {
    const at = event.clientX - this.curve.getBoundingClientRect().left;
    const distance = (row) => Math.abs(this.#x(this.content.rows.frame[row]) - at);
    this.choose(this.frames.reduce((best, row) => (distance(row) < distance(best) ? row : best)));
  }

  #draw() {
    const [key, title] = this.measure;
    const { rows } = this.content;
    this.width = Math.max(this.curve.clientWidth, 1);
    const height = Math.max(this.curve.clientHeight, 1);
    const names = rows[`${key}_after`] ? ["before", "after"].filter((name) => rows[`${key}_${name}`]) : [""];
    const series = names.map((name) => [name, name ? rows[`${key}_${name}`] : rows[key]]);
    const most = Math.max(1e-6, ...series.flatMap(([, values]) => this.frames.map((row) => values?.[row] ?? 0)));
    const y = (value) => height - 3 - ((height - 22) * value) / most;
    const parts = [svg("path", { class: "axis", d: `M0 ${y(0)}H${this.width}M0 ${y(most)}H${this.width}` })];
    for (const [name, values] of series) {
      let d = "";
      let joined = false;
      for (const row of this.frames) {
        const value = values?.[row] ?? null;
        if (value !== null) d += `${joined ? "L" : "M"}${this.#x(rows.frame[row]).toFixed(1)} ${y(value).toFixed(1)}`;
        joined = value !== null;
      }
      parts.push(svg("path", { class: `curve ${name || "after"}`, d }));
    }
    const refused = this.frames.filter((row) => !rows.fitted[row]).map((row) => `M${this.#x(rows.frame[row]).toFixed(1)} ${height}v-7`);
    parts.push(svg("path", { class: "ticks", d: refused.join("") }));
    parts.push(label(`${title}, up to ${most.toFixed(1)}${refused.length ? `; ${refused.length} refused` : ""}`, { x: 0, y: 12 }));
    this.cursor = svg("path", { class: "cursor" });
    this.curve.replaceChildren(...parts, this.cursor);
    this.height = height;
    this.#mark();
  }

  #mark() {
    if (this.row === undefined) return;
    this.cursor.setAttribute("d", `M${this.#x(this.content.rows.frame[this.row]).toFixed(1)} 16V${this.height}`);
  }
}
