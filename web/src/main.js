// The page: what is chosen and shown, and the views that follow.
import { drawChart, measuresOf } from "./chart.js";
import { readContent } from "./content.js";
import { Picture } from "./image.js";
import { Space } from "./space.js";
import { statusOf, Table } from "./table.js";
import { Timeline } from "./time.js";
import { Why } from "./why.js";

const STAGES = { before: "Before", after: "After", truth: "Truth" };
const COLOURS = ["before", "after", "truth", "ghost", "space", "grid", "ink", "faint"];
const get = (id) => document.getElementById(id);

class Page {
  constructor(content) {
    this.content = content;
    const { facts, rows } = content;
    this.shown = { before: true, after: true, truth: false, mesh: true, bones: false, camera: true, others: true };
    this.shown.together = facts.stages.includes("truth") && content.isTruthApart;
    this.people = new Map();
    rows.frame.forEach((frame, row) => this.people.set(frame, [...(this.people.get(frame) ?? []), row]));
    const choose = this.pick = (row, played = false) => {
      if (!played) this.time.toggle(false);
      this.choose(row);
    };
    this.table = new Table(get("table"), get("scroll"), content, choose);
    const time = { card: get("time-card"), curve: get("curve"), scrub: get("scrub"), play: get("play"), now: get("now") };
    this.time = new Timeline(time, content, choose);
    this.picture = new Picture(get("image"), get("image-legend"), content);
    const why = { card: get("why-card"), said: get("why"), parts: get("why-parts"), title: get("why-verdict") };
    why.fall = get("why-fall");
    why.points = get("why-points");
    this.why = new Why(why, content, (point) => this.picture.mark("keypoint", point));
    this.measures = measuresOf(content);
    this.measure = this.measures[0];
    for (const name of facts.stages) this.#toggle(get("stages"), name, STAGES[name], `--${name}`);
    const layers = [
      ["mesh", "Mesh", true],
      ["bones", "Bones", true],
      ["others", "Others", [...this.people.values()].some((people) => people.length > 1)],
      ["together", "One root", facts.stages.length > 1],
      ["camera", "Frustum", true],
      ["rays", "Rays", content.has("keypoints")],
      ["spread", "Uncertainty", content.has("spread")],
      ["ghosts", "Hypotheses", facts.ghosts > 0],
    ];
    for (const [key, title, known] of layers) if (known) this.#toggle(get("layers"), key, title);
    this.#options("zoom", [["Person", () => this.#zoom(false)], ["Whole image", () => this.#zoom(true)]]);
    this.#options("measures", this.measures.map((one) => [one[0], () => this.#measure(one)]));
    this.#openSpace();
    document.addEventListener("keydown", (event) => this.#key(event));
    new ResizeObserver(([{ contentRect }]) => {
      if (this.row === undefined || contentRect.width === this.width) return;
      this.width = contentRect.width;
      this.#chart();
    }).observe(get("chart"));
    get("chart").addEventListener("pointerover", (event) => this.#point(event.target.closest(".line")));
    get("chart").addEventListener("pointerleave", () => this.#point(null));
    this.table.sort(rows.change ? "change" : "frame");
    this.choose(content.typical);
  }

  #openSpace() {
    try {
      this.space = new Space(get("space"), this.content);
    } catch {
      this.#problem("There is no 3D view: this browser has no WebGL, or it is switched off.");
      get("space").parentElement.hidden = true;
      get("layers").hidden = true;
      return;
    }
    for (const [key, title] of Object.entries({ front: "Front", side: "Side", top: "Top", camera: "Camera" })) {
      this.#button(get("looks"), title).addEventListener("click", () => this.space.look(key));
    }
    const paint = () => {
      const style = getComputedStyle(document.documentElement);
      this.space.paint(Object.fromEntries(COLOURS.map((name) => [name, style.getPropertyValue(`--${name}`).trim()])));
    };
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
    paint();
  }

  #problem(text) {
    get("problem").hidden = false;
    get("problem").textContent = text;
  }

  #button(parent, title) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = title;
    parent.append(button);
    return button;
  }

  #toggle(parent, key, title, colour) {
    const button = this.#button(parent, title);
    button.dataset.key = key;
    if (colour) {
      button.style.setProperty("--key", `var(${colour})`);
      const swatch = document.createElement("span");
      swatch.className = "swatch";
      button.prepend(swatch);
    }
    button.setAttribute("aria-pressed", Boolean(this.shown[key]));
    button.addEventListener("click", () => {
      this.shown[key] = !this.shown[key];
      button.setAttribute("aria-pressed", this.shown[key]);
      this.show();
    });
  }

  /** Buttons of which one is pressed. */
  #options(id, options) {
    const buttons = options.map(([title, act], k) => {
      const button = this.#button(get(id), title);
      button.setAttribute("aria-pressed", k === 0);
      button.addEventListener("click", () => {
        buttons.forEach((one) => one.setAttribute("aria-pressed", one === button));
        act();
      });
      return button;
    });
  }

  #zoom(whole) {
    this.picture.whole = whole;
    this.show();
  }

  #measure(measure) {
    this.measure = measure;
    this.#chart();
  }

  choose(row) {
    if (row === undefined || row === this.row) return;
    this.row = row;
    this.table.mark(row);
    this.time.show(row);
    this.show();
  }

  show() {
    const { content, row, shown } = this;
    const others = this.people.get(content.rows.frame[row]).filter((one) => one !== row);
    this.space?.show(row, shown, this.#floor(row), others);
    this.picture.show(row, shown);
    this.#facts(row);
    this.#ghosts(row);
    this.why.show(row);
    this.#chart();
  }

  /** Lowest point of a body, of a video in all frames of its person: y points down. */
  #floor(row) {
    const { person } = this.content.rows;
    const rows = this.content.facts.fps ? this.time.frames : [row];
    if (this.floor?.person !== person[row] || rows.length === 1) {
      let low = -Infinity;
      for (const one of rows) {
        const body = this.content.body("after", one);
        for (let j = 1; body && j < body.joints.length; j += 3) low = Math.max(low, body.joints[j]);
      }
      this.floor = { person: person[row], low: Number.isFinite(low) ? low + 0.05 * this.content.scale : 1 };
    }
    return this.floor.low;
  }

  #facts(row) {
    const { rows } = this.content;
    const facts = get("facts");
    facts.setAttribute("aria-live", this.time.playing ? "off" : "polite");
    const pair = (key, unit, title) => {
      const values = ["before", "after"].map((stage) => rows[`${key}_${stage}`]?.[row]).filter(Number.isFinite);
      return values.length ? `${title} ${values.map((value) => value.toFixed(1)).join(" → ")}\u00a0${unit}` : "";
    };
    const moved = rows.change?.[row];
    facts.textContent = [
      `Person ${rows.person[row]}, frame ${rows.frame[row]}: ${statusOf(rows, row)}`,
      Number.isFinite(moved) ? `moved ${moved.toFixed(1)}\u00a0mm` : "",
      pair("pixels", "px", "keypoints"),
      pair("error", "mm", "MPJPE"),
    ].filter(Boolean).join(" · ");
    get("space").setAttribute("aria-label", `3D view. ${facts.textContent}. Arrow keys turn, plus and minus zoom.`);
  }

  #ghosts(row) {
    const list = get("ghosts");
    list.hidden = !this.shown.ghosts;
    if (list.hidden) return;
    const items = Array.from(this.content.row("probability", row), (chance, k) => {
      const item = document.createElement("li");
      item.textContent = `hypothesis ${k + 1}: ${(100 * chance).toFixed(0)}%`;
      const bar = document.createElement("i");
      bar.style.width = `${Math.max(2, 60 * chance)}px`;
      item.append(bar);
      return item;
    });
    list.replaceChildren(...items);
  }

  #chart() {
    if (this.measure) drawChart(get("chart"), this.measure, this.row, this.shown);
  }

  /** Mark a line's joint or keypoint in the other views. */
  #point(line) {
    const point = line ? Number(line.dataset.point) : null;
    const kind = this.measure[3];
    this.space?.mark(kind === "joint" ? point : null);
    this.picture.mark(kind, point);
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { target, key } = event;
    const act = target === get("space") && this.space ? this.#turn(key) : this.#go(key, target);
    if (!act) return;
    event.preventDefault();
    act();
  }

  #turn(key) {
    const steps = {
      ArrowLeft: [-0.12, 0], ArrowRight: [0.12, 0], ArrowUp: [0, -0.12], ArrowDown: [0, 0.12],
      "+": [0, 0, 0.9], "=": [0, 0, 0.9], "-": [0, 0, 1.11],
    };
    return steps[key] && (() => this.space.turn(...steps[key]));
  }

  #go(key, target) {
    const steps = {
      ArrowUp: () => this.table.step(-1), ArrowDown: () => this.table.step(1),
      PageUp: () => this.table.step(-10), PageDown: () => this.table.step(10),
      Home: () => this.table.step(-Infinity), End: () => this.table.step(Infinity),
      ArrowLeft: () => this.time.step(-1), ArrowRight: () => this.time.step(1),
    };
    const inTable = get("table").contains(target);
    if (steps[key] && target.type !== "range" && (key.startsWith("Arrow") || inTable)) return () => this.pick(steps[key]());
    if (key === " " && target.tagName !== "BUTTON") return () => this.time.toggle();
    return null;
  }
}

async function open() {
  try {
    const content = await readContent();
    get("views").hidden = false;
    window.page = new Page(content);
    document.documentElement.dataset.ready = "true";
  } catch (error) {
    get("problem").hidden = false;
    get("problem").textContent = `The page cannot be shown: ${error.message}.`;
    throw error;
  }
}

open();
