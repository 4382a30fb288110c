// Pages of Z6 in chromium. Usage: node report.cjs CHROMIUM LIST, where LIST is a JSON file with an array of
// { html, metrics, budget }: a page, the metrics.json of its run (none for a comparison), and its size in bytes
// at most. Prints one line per finding; exit code 1 if there is any.
"use strict";

const fs = require("node:fs");
const http = require("node:http");
const { pathToFileURL } = require("node:url");
const { chromium } = require("playwright-core");

const AXE = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
// The default of Jenkins for pages that builds make.
const STRICT = "sandbox; default-src 'none'; img-src 'self'; style-src 'self';";

const findings = [];

/** A page in a context of its own: its requests and errors are findings. */
async function open(browser, url, label, options) {
  const context = await browser.newContext({ viewport: { width: 1240, height: 900 }, ...options });
  const page = await context.newPage();
  page.on("request", (request) => {
    const asked = request.url();
    if (asked !== url && !asked.startsWith("data:")) findings.push(`${label}: asks for ${asked}`);
  });
  page.on("pageerror", (error) => findings.push(`${label}: ${error.message}`));
  if (!options.strict) {
    page.on("console", (line) => line.type() === "error" && findings.push(`${label}: ${line.text()}`));
  }
  page.on("dialog", (dialog) => findings.push(`${label}: a dialog: ${dialog.message()}`));
  await page.goto(url);
  return { page, close: () => context.close() };
}

/** Figures of the page that are not those of metrics.json, and how many there are. */
function figures(metrics) {
  const at = (pointer) =>
    pointer.split("/").slice(1).reduce((value, key) => (value == null ? value : value[key.replace(/~1/g, "/").replace(/~0/g, "~")]), metrics);
  const same = (shown, value) => (value === null ? shown === "" : typeof value === "number" ? Number(shown) === value : shown === String(value));
  const wrong = [];
  let count = 0;
  const check = (where, shown, value) => {
    count += 1;
    if (!same(shown, value)) wrong.push(`${where} is ${JSON.stringify(value)} and the page has ${JSON.stringify(shown)}`);
  };
  for (const one of document.querySelectorAll("data[data-k]")) check(one.dataset.k, one.getAttribute("value"), at(one.dataset.k));
  for (const table of document.querySelectorAll("table[data-k]")) {
    const entries = Object.entries(at(table.dataset.k));
    for (const row of table.querySelectorAll("tr[data-i]")) {
      const [name, entry] = entries[Number(row.dataset.i)];
      for (const cell of row.querySelectorAll("td[data-f]")) {
        const path = cell.dataset.f ? cell.dataset.f.split("/") : [];
        check(`${table.dataset.k}/${name.slice(0, 40)}/${cell.dataset.f}`, cell.dataset.v, path.reduce((value, key) => value[key], entry));
      }
    }
  }
  for (const row of document.querySelectorAll("tr[data-k]")) {
    for (const cell of row.querySelectorAll("td[data-f]")) check(`${row.dataset.k}/${cell.dataset.f}`, cell.dataset.v, at(`${row.dataset.k}/${cell.dataset.f}`));
  }
  return { wrong, count };
}

async function accessibility(page, label) {
  await page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)");
  await page.evaluate(AXE);
  const result = await page.evaluate("axe.run(document, { resultTypes: ['violations'] })");
  for (const violation of result.violations) {
    for (const node of violation.nodes.slice(0, 3)) findings.push(`${label}: ${violation.id}: ${node.target} ${node.failureSummary}`);
  }
}

/** What the script adds: a crosshair, zoom by dragging, sorted tables. */
async function script(page, label) {
  const expect = (what, holds) => holds || findings.push(`${label}: ${what}`);
  const chart = page.locator("svg[data-t]").first();
  await chart.focus();
  await page.keyboard.press("ArrowRight");
  expect("no crosshair by the keyboard", /≈/.test(await page.locator("#tip").textContent()));
  const box = await page.locator("svg[data-t] svg.in").first().boundingBox();
  const y = box.y + box.height / 2;
  await page.mouse.move(box.x + box.width * 0.3, y);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.6, y, { steps: 4 });
  await page.mouse.up();
  const view = () => page.locator("svg[data-t] svg.in").last().getAttribute("viewBox");
  expect("dragging does not zoom", !(await view()).startsWith("0 "));
  await page.keyboard.press("Escape");
  expect("Escape does not show the whole run", (await view()).startsWith("0 "));
  const button = page.locator("thead th button").nth(1);
  if (await button.count()) {
    await button.click();
    expect("tables are not sorted", (await page.locator("th[aria-sort=descending]").count()) === 1);
  }
}

/** Behind a Content-Security-Policy that allows neither style nor script the page is still whole. */
async function strict(browser, html, label) {
  const text = fs.readFileSync(html);
  const server = http.createServer((request, response) => {
    response.writeHead(request.url === "/" ? 200 : 404, { "Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": STRICT });
    response.end(request.url === "/" ? text : "");
  });
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  const url = `http://127.0.0.1:${server.address().port}/`;
  const { page, close } = await open(browser, url, `${label} (strict)`, { strict: true });
  const strokes = await page.evaluate("[...document.querySelectorAll('svg.in path[data-n]')].filter(one => getComputedStyle(one).stroke !== 'none' || getComputedStyle(one).fill !== 'none').length");
  if (strokes === 0) findings.push(`${label} (strict): no line of a chart is visible`);
  await close();
  server.close();
}

async function check(browser, { html, metrics, budget }) {
  const label = html.split("/").slice(-2).join("/");
  const bytes = fs.statSync(html).size;
  if (bytes > budget) findings.push(`${label}: ${bytes} bytes, more than ${budget}`);
  const url = pathToFileURL(html).href;
  let count = 0;
  for (const colorScheme of ["light", "dark"]) {
    const { page, close } = await open(browser, url, `${label} (${colorScheme})`, { colorScheme });
    if (metrics) {
      const found = await page.evaluate(`(${figures})(${fs.readFileSync(metrics, "utf8")})`);
      findings.push(...found.wrong.slice(0, 10).map((wrong) => `${label}: ${wrong}`));
      if (found.count < 30) findings.push(`${label}: only ${found.count} figures`);
      count = found.count;
    }
    if (await page.evaluate("document.scripts.length !== 1 || window.hostile !== undefined")) findings.push(`${label}: a script of others`);
    await accessibility(page, `${label} (${colorScheme})`);
    if (colorScheme === "light") await script(page, label);
    await close();
  }
  const off = await open(browser, url, `${label} (no script)`, { javaScriptEnabled: false });
  const on = await open(browser, url, `${label} (script)`, {});
  const words = async ({ page }) => (await page.locator("body").innerText()).replace(/\s+/g, " ");
  const [without, with_] = [await words(off), await words(on)];
  if (without !== with_) findings.push(`${label}: without its script the page has other words`);
  await off.close();
  await on.close();
  await strict(browser, html, label);
  console.log(`checked ${label}: ${bytes} bytes, ${count} figures`);
}

(async () => {
  const [executablePath, list] = process.argv.slice(2);
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  for (const one of JSON.parse(fs.readFileSync(list, "utf8"))) await check(browser, one);
  await browser.close();
  for (const finding of findings) console.log(finding);
  process.exitCode = findings.length ? 1 : 0;
})();
