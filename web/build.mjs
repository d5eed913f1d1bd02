// Builds ../kitro_np/report/page/report.js: one file with three.js, and a digest of its sources at its head.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = new URL("./", import.meta.url);
const target = new URL("../kitro_np/report/page/report.js", here);

/** What the file depends on; tests/test_report_page.py computes the same digest without Node. */
function digest() {
  const names = readdirSync(new URL("src/", here)).filter((name) => name.endsWith(".js")).sort();
  const hash = createHash("sha256");
  for (const name of [...names.map((one) => `src/${one}`), "build.mjs", "package-lock.json"]) {
    hash.update(`${name}\n`).update(readFileSync(new URL(name, here), "utf8").replaceAll("\r\n", "\n"));
  }
  return hash.digest("hex");
}

const licence = readFileSync(new URL("node_modules/three/LICENSE", here), "utf8").trim();
const { outputFiles } = await build({
  entryPoints: [fileURLToPath(new URL("src/main.js", here))],
  bundle: true,
  minify: true,
  write: false,
  format: "iife",
  target: "es2022",
  legalComments: "none",
  charset: "ascii",
});
// The page holds this inside <script>, which "</script" would end.
const code = outputFiles[0].text.replaceAll("</script", "<\\/script").replaceAll("<!--", "<\\!--");
const head = `/*! sources: ${digest()}\n\nThis file includes three.js:\n\n${licence}\n*/\n`;
writeFileSync(target, head + code);
console.log(`${fileURLToPath(target)}: ${Math.round(code.length / 1024)} KB`);
