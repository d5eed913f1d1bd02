// Opens a page in Chromium as a person would:
//   node report.mjs PLAYWRIGHT CHROMIUM PAGE.html [--layers truth,ghosts] [EXPECTED.json]
// Layers that are named must be there; others are tried where they are.
// Prints "ok NAME" for each thing that holds; what does not hold ends it with a message.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const words = process.argv.slice(2);
const at = words.indexOf("--layers");
const needed = at < 0 ? [] : words.splice(at, 2)[1].split(",");
const [playwright, executablePath, file, expectedFile] = words;
const { chromium } = createRequire(import.meta.url)(playwright);
const expected = expectedFile ? JSON.parse(readFileSync(expectedFile, "utf8")) : [];
const address = pathToFileURL(file).href;
// Software rendering: machines that test have no graphics card. A container's root has no sandbox.
const args = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"];
const browser = await chromium.launch({ executablePath, args });

const wrong = [];
const requests = [];

async function open(options) {
  const context = await browser.newContext({ deviceScaleFactor: 0.5, ...options }); // a quarter of the pixels
  const page = await context.newPage();
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type()) && !isOfSoftware(message.text())) wrong.push(message.text());
  });
  page.on("pageerror", (error) => wrong.push(error.message));
  page.on("request", (request) => requests.push(request.url()));
  await page.goto(address);
  await page.waitForSelector("html[data-ready]", { timeout: 15000 });
  return page;
}

/** Chromium's own remark on reading pixels from software rendering. */
function isOfSoftware(text) {
  return text.includes("GPU stall due to ReadPixels") || text.includes("Automatic fallback to software WebGL");
}

/** Pixels of the 3D view once it is drawn: how many differ from the background, and a sum that tells pictures apart. */
function pixels(page) {
  return page.evaluate(async () => {
    for (let k = 0; k < 2; k++) await new Promise((done) => requestAnimationFrame(done));
    const canvas = document.getElementById("space");
    const copy = new OffscreenCanvas(160, 120).getContext("2d", { willReadFrequently: true });
    copy.drawImage(canvas, 0, 0, 160, 120);
    const { data } = copy.getImageData(0, 0, 160, 120);
    let [other, sum] = [0, 0];
    for (let i = 0; i < data.length; i += 4) {
      other += [0, 1, 2].some((a) => Math.abs(data[i + a] - data[a]) > 24);
      sum = (31 * sum + data[i] + 7 * data[i + 1] + 49 * data[i + 2]) % 1000000007;
    }
    return { share: (4 * other) / data.length, sum };
  });
}

function ok(name) {
  console.log(`ok ${name}`);
}

const row = (page) => page.evaluate(() => page.row);
/** A click that does not wait for the page to stand still, as software rendering takes long. */
const press = (page, key) => page.locator(`[data-key="${key}"]`).dispatchEvent("click");

try {
  const page = await open({ viewport: { width: 640, height: 560 } });
  let picture = await pixels(page);
  assert(picture.share > 0.03, `the 3D view is blank: ${JSON.stringify(picture)}`);
  ok("the 3D view is drawn");

  const placed = await page.evaluate((wanted) => wanted.map(({ stage, row, vertex }) => {
    const { content } = window.page;
    const body = content.body(stage, row);
    const rest = new Float32Array(content.template.length);
    content.shaped(body.shape, rest);
    const transforms = content.transforms(body);
    const joints = content.row("skinJoints", vertex);
    const weights = content.row("skinWeights", vertex);
    return [0, 1, 2].map((a) => joints.reduce((sum, j, k) => {
      const moved = [0, 1, 2].reduce((one, b) => one + transforms[16 * j + 4 * b + a] * rest[3 * vertex + b], transforms[16 * j + 12 + a]);
      return sum + (weights[k] / 255) * moved;
    }, 0));
  }), expected);
  placed.forEach((place, k) => {
    const distance = Math.hypot(...place.map((one, a) => one - expected[k].place[a]));
    assert(distance < 1e-3, `vertex ${expected[k].vertex} is ${distance} m off`);
  });
  ok("vertices are where the body has them");

  const differs = async (name, act) => {
    await act();
    const now = await pixels(page);
    assert.notEqual(now.sum, picture.sum, `${name}: the picture is the same`);
    picture = now;
    ok(name);
  };
  const has = async (key) => (await page.locator(`[data-key="${key}"]`).count()) > 0;
  const first = await row(page);
  await differs("another body", () => page.locator('tbody tr[aria-selected="false"]').first().click());
  assert.notEqual(await row(page), first);
  await differs("without before", () => press(page, "before"));
  await differs("without after", () => press(page, "after"));
  await press(page, "after");
  picture = await pixels(page);
  for (const layer of ["truth", "bones", "rays", "spread", "ghosts", "camera"]) {
    if (await has(layer)) await differs(`layer ${layer}`, () => press(page, layer));
    else assert(!needed.includes(layer), `there is no layer ${layer}`);
  }
  if (await has("ghosts")) {
    const told = await page.locator("#ghosts li").allTextContents();
    const chances = told.map((text) => Number(text.match(/^hypothesis \d+: (\d+)%$/)[1]));
    const sum = chances.reduce((total, chance) => total + chance, 0);
    assert(chances.length > 1 && Math.abs(sum - 100) <= chances.length, `hypotheses are ${told.join(", ")}`);
    ok("hypotheses have probabilities");
  }
  await differs("from the side", () => page.getByRole("button", { name: "Side" }).click());
  await differs("turned by the mouse", async () => {
    const box = await page.locator("#space").boundingBox();
    await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width / 2 + 90, box.y + box.height / 2 + 10, { steps: 3 });
    await page.mouse.up();
  });
  await differs("turned by keys", async () => {
    await page.locator("#space").focus();
    await page.keyboard.press("ArrowLeft");
  });

  const order = await page.evaluate(() => window.page.table.order);
  await page.locator("tbody tr").nth(0).click();
  await page.locator("#space").blur();
  await page.keyboard.press("ArrowDown");
  assert.equal(await row(page), order[1]);
  await page.keyboard.press("ArrowUp");
  assert.equal(await row(page), order[0]);
  await page.getByRole("button", { name: "Frame", exact: true }).click();
  assert.equal(await page.locator('th[aria-sort="ascending"]').count(), 1);
  await page.locator("tbody tr").nth(0).click();
  const frame = () => page.evaluate(() => window.page.content.rows.frame[window.page.row]);
  const frames = await page.evaluate(() => window.page.time.frames.map((one) => window.page.content.rows.frame[one]));
  if (frames.length > 1) {
    await page.keyboard.press("ArrowRight");
    assert.equal(await frame(), frames[1]);
  }
  ok("arrow keys choose bodies and frames");

  if (frames.length > 1) {
    await page.locator("#scrub").fill(String(frames.length - 1));
    assert.equal(await frame(), frames.at(-1));
    const before = await row(page);
    await page.getByRole("button", { name: "Play" }).click();
    await page.waitForFunction((one) => window.page.row !== one, before);
    await page.getByRole("button", { name: "Pause" }).click();
    ok("the timeline scrubs and plays");
  }

  const odd = await page.evaluate(() => {
    const { content, table } = window.page;
    const { why, points } = content.facts;
    const get = (id) => document.getElementById(id);
    if (!why) return get("why-card").hidden ? [] : ["the card is shown"];
    return why.bodies.slice(0, 60).filter((one, row) => {
      table.rows[row].click();
      if (typeof one === "string") return get("why-parts").hidden !== true || get("why").textContent !== one;
      const said = get("why").textContent.toLowerCase();
      const total = Number(get("why-fall").lastChild.querySelector("b").textContent.replace("−", "-"));
      const names = [...get("why-points").tBodies[0].rows].map((line) => line.cells[0].textContent);
      return get("why-parts").hidden || !said.startsWith(one.verdict) || get("why-title").checkVisibility() === false
        || Math.abs(total - one.sum) > 0.0051 || get("why-fall").children.length !== one.parts.length + 1
        || names.join() !== one.points.map(([k]) => points[k].replaceAll("_", " ")).join();
    });
  });
  assert.deepEqual(odd, []);
  ok("the card Why follows the body");

  await page.evaluate(() => window.page.table.rows[0].click());
  picture = await pixels(page);
  assert((await page.locator("#image .bones").count()) > 0 && (await page.locator("#image .dot").count()) > 10);
  assert((await page.locator("#chart .mark").count()) > 20);
  await differs("a joint of the chart marked in 3D", () => page.locator("#chart .line").nth(5).hover());
  const nameless = await page.evaluate(() =>
    [...document.querySelectorAll("button, input, canvas, svg[role=img]")].filter(
      (one) => !(one.getAttribute("aria-label") || one.textContent.trim()),
    ).length,
  );
  assert.equal(nameless, 0);
  ok("image and chart are drawn, and all has names");
  const light = await page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  await page.context().close();

  {
    const narrow = { viewport: { width: 400, height: 700 }, hasTouch: true, isMobile: true, colorScheme: "dark" };
    const phone = await open(narrow);
    const dark = await phone.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
    assert.notEqual(dark, light);
    const width = await phone.evaluate(() => document.documentElement.scrollWidth);
    assert(width <= 400, `the page is ${width} pixels wide`);
    const was = await pixels(phone);
    assert(was.share > 0.03, "the 3D view is blank on a narrow screen");
    await phone.locator('tbody tr[aria-selected="false"]').nth(1).tap();
    assert.notEqual((await pixels(phone)).sum, was.sum);
    await phone.context().close();
    ok("400 pixels, touch, dark");
  }

  assert.deepEqual(wrong, []);
  const outside = requests.filter((url) => !url.startsWith("data:") && !url.startsWith("blob:") && url !== address);
  assert.deepEqual(outside, []);
  ok("no request, no error");
} finally {
  await browser.close();
}
