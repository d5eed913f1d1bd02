// Why the chosen body was accepted or refused: reasons as a waterfall, and the keypoints of least weight.

const COLUMNS = [
  ["Keypoint", (name) => name.replaceAll("_", " ")],
  ["Weight", (value) => value.toFixed(2)],
  ["Outlier", (value) => `${(100 * value).toFixed(0)}%`],
  ["px before", (value) => value.toFixed(1)],
  ["px after", (value) => value.toFixed(1)],
];

export class Why {
  /** `mark` takes the number of a keypoint that is pointed at, or null. */
  constructor(elements, content, mark) {
    Object.assign(this, elements);
    this.why = content.facts.why;
    this.names = content.facts.points;
    this.card.hidden = !this.why;
    if (!this.why) return;
    const head = this.points.createTHead().insertRow();
    for (const [title] of COLUMNS) {
      const cell = make("th", "", title);
      cell.scope = "col";
      head.append(cell);
    }
    this.body = this.points.createTBody();
    this.body.addEventListener("pointerover", (event) => mark(Number(event.target.closest("tr").dataset.point)));
    this.body.addEventListener("pointerleave", () => mark(null));
  }

  show(row) {
    if (!this.why) return;
    const found = this.why.bodies[row];
    const none = typeof found === "string";
    this.parts.hidden = none;
    if (none) {
      this.said.replaceChildren(found);
      return;
    }
    const verdict = make("span", found.accepted ? "" : "refused", `${capital(found.verdict)}.`);
    this.said.replaceChildren(verdict, this.why.note ? ` ${this.why.note}` : "");
    this.title.textContent = found.title;
    this.#fall(found);
    this.body.replaceChildren(...found.points.map((one) => this.#pointOf(one)));
  }

  /** Each bar begins where the one before it ends; the last one is the sum. */
  #fall({ parts, sum }) {
    const ends = [0];
    for (const [, value] of parts) ends.push(ends.at(-1) + value);
    const low = Math.min(-0.5, ...ends);
    const high = Math.max(0.5, ...ends);
    const at = (value) => `${(100 * (value - low)) / (high - low)}%`;
    const lines = parts.map(([words, value], k) => {
      const line = lineOf(words, value, ends[k], k === 0 ? "usual" : value < 0 ? "before" : "after", at);
      if (k) line.lastChild.append(mark("from", at(ends[k])));
      line.lastChild.append(mark("next", at(ends[k + 1])));
      return line;
    });
    const last = lineOf("together", sum, 0, "sum", at);
    last.lastChild.append(mark("from", at(ends.at(-1))));
    this.fall.replaceChildren(...lines, last);
  }

  #pointOf([point, ...numbers]) {
    const line = document.createElement("tr");
    line.dataset.point = point;
    [this.names[point], ...numbers].forEach((value, k) => {
      line.append(make("td", "", value === null ? "–" : COLUMNS[k][1](value)));
    });
    return line;
  }
}

function lineOf(words, value, start, tone, at) {
  const line = make("li", tone);
  const track = make("span", "track");
  const bar = make("span", "bar");
  bar.style.left = at(Math.min(start, start + value));
  bar.style.width = `${parseFloat(at(Math.abs(value))) - parseFloat(at(0))}%`;
  track.append(mark("zero", at(0)), bar);
  line.append(make("span", "", capital(words)), make("b", "", signed(value)), track);
  return line;
}

/** An upright line. */
function mark(kind, place) {
  const line = make("span", kind);
  line.style.setProperty("--at", place);
  return line;
}

function make(name, kind, text = "") {
  const element = document.createElement(name);
  if (kind) element.className = kind;
  element.textContent = text;
  return element;
}

function capital(words) {
  return words[0].toUpperCase() + words.slice(1);
}

function signed(value) {
  const text = Math.abs(value).toFixed(2);
  return `${value < 0 && Number(text) ? "−" : "+"}${text}`;
}
