// A browser at the report pages: log-in, the checks that every page must pass, and the record of what went wrong.
import assert from "node:assert/strict";
import fs from "node:fs";
import { chromium } from "playwright-core";

const AXE = fs.readFileSync(new URL("node_modules/axe-core/axe.min.js", import.meta.url), "utf8");

/** The address of the pages, the one-time passwords, and calls with certain properties: given by the Rust test. */
export const town = JSON.parse(fs.readFileSync(process.argv[2], "utf8"));
/** The password that each user chooses at the first log-in. */
export const PASSWORD = "kuda laut biru tua enam";

let browser;

/** Starts Chromium. Names of other hosts are not resolved. */
export async function start() {
  const executablePath = process.env.SIAGA_CHROMIUM || "/usr/bin/chromium";
  const args = ["--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.*"];
  browser = await chromium.launch({ executablePath, args });
}

export async function stop() {
  await browser?.close();
}

/** A window. Requests to other hosts, errors of scripts, broken rules of the policy and dialogs end the test. */
export async function open({ language = "id", theme = "light", width = 1280, height = 900, ...more } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, acceptDownloads: true, ...more });
  await context.addCookies([
    { name: "siaga_language", value: language, url: town.base },
    { name: "siaga_theme", value: theme, url: town.base },
  ]);
  const page = await context.newPage();
  page.faults = [];
  context.on("request", (request) => {
    if (!request.url().startsWith(town.base)) {
      page.faults.push(`request to ${request.url()}`);
    }
  });
  page.on("pageerror", (error) => page.faults.push(`script: ${error.message}`));
  page.on("dialog", (dialog) => {
    page.faults.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on("console", (message) => {
    if (message.type() === "error" && /policy|refused/i.test(message.text())) {
      page.faults.push(message.text());
    }
  });
  return page;
}

/** Sends the form of the log-in. */
export async function sendLogIn(page, user, password) {
  await page.goto(`${town.base}/login`);
  await page.fill("#user", user);
  await page.fill("input[name=password]", password);
  await page.click("main button");
}

const sessions = new Map();

/** A window in which the user is logged in; the session is that of the user's first window. */
export async function loggedIn(user, options) {
  const page = await open(options);
  if (sessions.has(user)) {
    await page.context().addCookies(sessions.get(user));
    return page;
  }
  await sendLogIn(page, user, PASSWORD);
  assert.ok(!page.url().includes("/login"), `${user} is logged in`);
  const cookies = await page.context().cookies();
  sessions.set(user, cookies.filter((cookie) => !["siaga_language", "siaga_theme"].includes(cookie.name)));
  return page;
}

/** Opens a path; the status must be the expected one. */
export async function visit(page, path, status = 200) {
  const response = await page.goto(town.base + path);
  assert.equal(response.status(), status, path);
}

/** The rules of WCAG 2.2 that axe can check. */
export async function accessible(page, name) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  const found = violations.map((of) => `${of.id}: ${of.nodes.map((node) => node.html.slice(0, 160)).join(" | ")}`);
  assert.ok(found.length === 0, `${name}: axe: ${found.join("; ")}`);
}

/** No part of the page is wider than the window. */
export async function fits(page, name) {
  const [needs, has] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
  assert.ok(needs <= has, `${name}: ${needs} > ${has} pixels`);
}

/** No request left the host, and no script failed. */
export function clean(page, name) {
  assert.deepEqual(page.faults, [], name);
}

/** The cells of a column of the list, by the text of its head. */
export async function column(page, head) {
  return page.evaluate((head) => {
    const at = [...document.querySelectorAll("table.rows thead th")].findIndex((th) => th.textContent === head);
    return [...document.querySelectorAll("table.rows tbody tr")].map((row) => row.children[at]?.textContent);
  }, head);
}
