// The table of bodies: sorted by any column, a row chosen by click, touch or arrow keys.

const COLUMNS = [
  ["frame", "Frame"],
  ["person", "Person"],
  ["status", "Status"],
  ["change", "Moved, mm", 1, "mean distance of the joints before and after, about the root"],
  ["pixels_before", "px before", 1, "mean distance from the keypoints, in pixels"],
  ["pixels_after", "px after", 1, "mean distance from the keypoints, in pixels"],
  ["error_before", "MPJPE before", 1, "mean error of the joints in mm, as kitro-np eval measures it"],
  ["error_after", "MPJPE after", 1, "mean error of the joints in mm, as kitro-np eval measures it"],
  ["quality", "Quality", 1, "logarithm of the odds that the body is better than its estimate"],
];

export class Table {
  constructor(element, scroll, content, choose) {
    Object.assign(this, { element, scroll, content, choose });
    const several = new Set(content.rows.person).size > 1;
    this.columns = COLUMNS.filter(([key]) => content.rows[key] && (key !== "person" || several));
    this.order = Array.from({ length: content.count }, (_, row) => row);
    element.setAttribute("role", "grid");
    const head = document.createElement("tr");
    for (const [key, title, , about] of this.columns) head.append(this.#headOf(key, title, about));
    element.createTHead().append(head);
    this.rows = this.order.map((row) => this.#rowOf(row));
    this.body = element.createTBody();
    this.body.append(...this.rows);
    // A faded edge says that there is more to the right.
    const fade = () => scroll.classList.toggle("more", scroll.scrollLeft + scroll.clientWidth < scroll.scrollWidth - 2);
    scroll.addEventListener("scroll", fade);
    new ResizeObserver(fade).observe(scroll);
  }

  #headOf(key, title, about) {
    const cell = document.createElement("th");
    cell.scope = "col";
    cell.className = key === "status" ? "text" : "";
    cell.dataset.key = key;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = title;
    if (about) button.title = about;
    button.addEventListener("click", () => this.sort(key));
    cell.append(button);
    return cell;
  }

  #rowOf(row) {
    const line = document.createElement("tr");
    line.tabIndex = -1;
    line.setAttribute("aria-selected", "false");
    for (const [key, , digits] of this.columns) {
      const cell = line.insertCell();
      if (key === "status") {
        cell.className = this.content.rows.fitted[row] ? "text" : "text refused";
        cell.textContent = statusOf(this.content.rows, row);
      } else {
        const value = this.content.rows[key][row];
        cell.textContent = value === null ? "–" : digits === undefined ? value : value.toFixed(digits);
      }
    }
    line.addEventListener("click", () => this.choose(row));
    return line;
  }

  /** Sort by a column, or turn its order; frames and names first ascend, figures descend. */
  sort(key, falling) {
    const values = this.content.rows[key];
    const first = !["frame", "person", "status"].includes(key);
    this.falling = falling ?? (this.key === key ? !this.falling : first);
    this.key = key;
    const sign = this.falling ? -1 : 1;
    this.order.sort((a, b) => {
      const [one, other] = [values[a], values[b]];
      if (one === null || other === null) return (one === null) - (other === null) || a - b;
      return sign * (typeof one === "string" ? one.localeCompare(other) : one - other) || a - b;
    });
    this.body.append(...this.order.map((row) => this.rows[row]));
    for (const cell of this.element.tHead.rows[0].cells) {
      if (cell.dataset.key !== key) cell.removeAttribute("aria-sort");
      else cell.setAttribute("aria-sort", this.falling ? "descending" : "ascending");
    }
    if (this.chosen !== undefined) this.#reveal();
  }

  mark(row) {
    const focused = this.body.contains(document.activeElement);
    if (this.chosen !== undefined) {
      this.rows[this.chosen].setAttribute("aria-selected", "false");
      this.rows[this.chosen].tabIndex = -1;
    }
    this.chosen = row;
    this.rows[row].setAttribute("aria-selected", "true");
    this.rows[row].tabIndex = 0;
    if (focused) this.rows[row].focus({ preventScroll: true });
    this.#reveal();
  }

  /** The row above or below the chosen one. */
  step(by) {
    const place = this.order.indexOf(this.chosen) + by;
    return this.order[Math.min(Math.max(place, 0), this.order.length - 1)];
  }

  /** Scroll the table, never the page. */
  #reveal() {
    const line = this.rows[this.chosen];
    const head = this.element.tHead.offsetHeight;
    const { scroll } = this;
    if (line.offsetTop < scroll.scrollTop + head) scroll.scrollTop = line.offsetTop - head;
    const low = line.offsetTop + line.offsetHeight - scroll.clientHeight;
    if (low > scroll.scrollTop) scroll.scrollTop = low;
  }
}

/** What became of a body, in words. */
export function statusOf(rows, row) {
  const said = [rows.status[row] === "refined" ? "refined" : rows.reason[row]];
  if (rows.fitted[row] && rows.swapped?.[row]) said.push("left and right exchanged");
  if (rows.fitted[row] && rows.turned?.[row]) said.push("was facing the wrong way");
  return said.join(", ");
}
