// What a person does at the pages. The names of the checks sort as they must run: the first one sets the passwords.
import assert from "node:assert/strict";
import fs from "node:fs";
import { PASSWORD, accessible, clean, column, fits, loggedIn, open, sendLogIn, town, visit } from "./site.mjs";

const PAGES = {
  viewer: ["/?from=FIRST&to=LAST", "/?from=FIRST&to=LAST&class=prank", "/ministry?month=MONTH", "/ministry?month=x", "/plan?calls-per-hour=60&aht=120&weeks=2", "/plan?target=x", "/account"],
  auditor: ["/calls?from=FIRST&to=LAST", "/calls?number=999999999999", "/calls?wait-min=x", "/calls/ANSWERED", "/calls/ABANDONED", "/operators?from=FIRST&to=LAST", "/desks?from=FIRST&to=LAST", "/abandoned?from=FIRST&to=LAST", "/access", "/none"],
  admin: ["/users", "/account/password", "/account/totp", "/calls"],
};
const STATUS = { "/calls?wait-min=x": 422, "/ministry?month=x": 422, "/plan?target=x": 422, "/none": 404, "/calls": 403 };
const WINDOWS = [
  { language: "id", theme: "light", width: 1280 },
  { language: "id", theme: "dark", width: 1280 },
  { language: "en", theme: "light", width: 1280 },
  { language: "en", theme: "dark", width: 1280 },
  // Phones.
  { language: "id", theme: "dark", width: 390, height: 844 },
  { language: "en", theme: "light", width: 390, height: 844 },
  // An ordinary screen at 200 %.
  { language: "id", theme: "light", width: 640, height: 450, deviceScaleFactor: 2 },
  { language: "en", theme: "dark", width: 640, height: 450, deviceScaleFactor: 2 },
];

const real = (path) =>
  path.replace("FIRST", town.first).replace("MONTH", town.last.slice(0, 7)).replace("LAST", town.last).replace("ANSWERED", town.answered).replace("ABANDONED", town.abandoned);
const PERIOD = `from=${town.first}&to=${town.last}`;

export async function a_log_in_is_rejected_or_leads_to_a_new_password() {
  const page = await open();
  await visit(page, "/calls");
  assert.ok(page.url().includes("/login?next="), "a page leads to the log-in");
  await accessible(page, "log-in");
  await sendLogIn(page, "auditor", "salah sekali ini");
  assert.match(await page.textContent("[role=alert]"), /salah/);
  await accessible(page, "log-in with an error");
  await page.waitForTimeout(1_100);
  for (const user of Object.keys(town.passwords)) {
    await page.context().clearCookies();
    await sendLogIn(page, user, town.passwords[user]);
    assert.ok(page.url().endsWith("/account/password"), `${user} must change the one-time password: ${page.url()}`);
    const set = async (old, next, again) => {
      const fields = await page.$$("input[type=password]");
      for (const [at, text] of [old, next, again].entries()) await fields[at].fill(text);
      await page.click("main button");
    };
    await set(town.passwords[user], `${user} ${user} ${user}`, `${user} ${user} ${user}`);
    assert.ok(await page.$("[role=alert]"), "a simple password is rejected");
    await set(town.passwords[user], PASSWORD, PASSWORD);
    assert.ok(page.url().endsWith("/account?done=password"), page.url());
  }
  clean(page, "log-in");
}

/** Runs checks of one page and keeps what they find, so that one run names every fault. */
async function keep(faults, ...checks) {
  for (const check of checks) {
    try {
      await check();
    } catch (error) {
      faults.push(error.message);
    }
  }
}

export async function b_every_page_suits_both_languages_both_themes_and_every_width() {
  const faults = [];
  for (const options of WINDOWS) {
    const { language, theme, width } = options;
    for (const [user, paths] of Object.entries(PAGES)) {
      const page = await loggedIn(user, options);
      for (const path of paths) {
        const where = `${path} ${language} ${theme} ${width}`;
        await visit(page, real(path), STATUS[path] ?? 200);
        const text = await page.innerText("body");
        await keep(
          faults,
          async () => assert.equal(await page.getAttribute("html", "lang"), language, where),
          () => assert.ok(!/\{ \$|\b(fact|offer|calls|column|why|error)-[a-z]/.test(text), `${where}: a bare key`),
          () => fits(page, where),
          () => accessible(page, where),
        );
      }
      await keep(faults, () => clean(page, `${user} ${language} ${theme} ${width}`));
      await page.context().close();
    }
  }
  assert.deepEqual(faults, []);
}

export async function c_filters_show_the_calls_that_they_name() {
  const page = await loggedIn("supervisor");
  await visit(page, `/calls?${PERIOD}`);
  await page.selectOption("#outcome", "abandoned");
  await page.click("details >> nth=0 >> summary");
  await page.fill("#wait-min", "0:10");
  await page.click("form.search .button");
  const outcomes = await column(page, "Hasil");
  assert.ok(outcomes.length > 3 && outcomes.every((text) => text === "ditinggalkan"), String(outcomes));
  const waits = await column(page, "Tunggu");
  assert.ok(waits.every((text) => !/^0:0\d$/.test(text)), String(waits));
  assert.equal(await page.inputValue("#wait-min"), "0:10", "the form keeps the choice");
  assert.match(await page.textContent(".heading"), /ditinggalkan/);
  // Every page of the list, to the end and back.
  await visit(page, `/calls?${PERIOD}&class=prank`);
  const count = Number((await page.textContent("h1")).replace(/\D/g, ""));
  const seen = [];
  const links = () => page.$$eval("table.rows tbody a", (all) => all.map((a) => a.getAttribute("href")));
  for (;;) {
    seen.push(...(await links()));
    if (!(await page.$("a[rel=next]"))) break;
    await page.click("a[rel=next]");
  }
  assert.equal(new Set(seen).size, count, "the list has as many calls as its title says");
  await page.click("a[rel=prev]");
  assert.deepEqual(await links(), seen.slice(-50 - (seen.length % 50 || 50)).slice(0, 50), "the page before");
  // Columns, and the file of what is shown.
  await visit(page, `/calls?${PERIOD}&outcome=failed,interrupted,abandoned`);
  await page.click("details >> nth=1 >> summary");
  for (const box of await page.$$(".boxes input:checked")) await box.uncheck();
  await page.check("[name=c-wait]");
  await page.check("[name=c-cause]");
  await page.click("form.search .button");
  assert.deepEqual(await page.$$eval("table.rows thead th", (all) => all.map((th) => th.textContent)), ["Waktu", "Tunggu", "Sebab berakhir"]);
  const [download] = await Promise.all([page.waitForEvent("download"), page.click("a[href^='/calls.csv']")]);
  const file = fs.readFileSync(await download.path(), "utf8");
  assert.ok(file.startsWith("\ufeffWaktu;Tunggu (detik);Sebab berakhir\r\n"), file.slice(0, 80));
  const total = Number((await page.textContent("h1")).replace(/\D/g, ""));
  assert.equal(file.trimEnd().split("\r\n").length, total + 1, "the file has every call of the list");
  clean(page, "filters");
  await page.context().close();
}

export async function d_the_keyboard_alone_is_enough() {
  const page = await loggedIn("supervisor");
  await visit(page, `/calls?${PERIOD}`);
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.className), "skip");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "content");
  const tabTo = async (selector) => {
    for (let presses = 0; presses < 80; presses += 1) {
      await page.keyboard.press("Tab");
      const [hit, outlined, html] = await page.evaluate(
        (selector) => {
          const active = document.activeElement;
          const { outlineStyle } = getComputedStyle(active);
          return [active.matches(selector), outlineStyle !== "none" || active === document.body, active.outerHTML.slice(0, 120)];
        },
        selector,
      );
      assert.ok(outlined, `the focus is visible: ${html}`);
      if (hit) return;
    }
    assert.fail(`no way to ${selector}`);
  };
  await tabTo("#number");
  await page.keyboard.type("62");
  await page.keyboard.press("Enter");
  await page.waitForURL(/number=62/);
  await tabTo("table.rows a");
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/calls\/[0-9a-f-]{36}$/);
  await tabTo("#score");
  await page.keyboard.press("4");
  await tabTo("#note");
  await page.keyboard.type("tenang dan jelas");
  await page.keyboard.press("Enter");
  await page.waitForURL(/#review$/);
  assert.match(await page.textContent("#review"), /4 \/ 5.*tenang dan jelas/s);
  clean(page, "keyboard");
  await page.context().close();
}

export async function e_a_recording_is_heard_after_a_reason() {
  const page = await loggedIn("auditor");
  await visit(page, `/calls/${town.answered}`);
  assert.equal(await page.$("audio"), null);
  await page.fill("#reason", "permintaan polisi 7/2026");
  await page.click("form[action$='/listen'] button");
  await page.waitForSelector("audio");
  const state = () => page.evaluate(() => {
    const audio = document.querySelector("audio");
    return { duration: audio.duration, time: audio.currentTime, error: audio.error?.message };
  });
  assert.equal(await page.evaluate(() => document.querySelector("audio").readyState), 0, "nothing is fetched yet");
  const box = await (await page.$("[data-wave]")).boundingBox();
  await page.mouse.click(box.x + box.width / 2, box.y + 20);
  await page.waitForFunction((half) => Math.abs(document.querySelector("audio").currentTime - half) < 1, town.seconds / 2);
  assert.equal(Math.round((await state()).duration), town.seconds);
  await page.click("[data-channel=left]");
  assert.equal(await page.getAttribute("[data-channel=left]", "aria-pressed"), "true");
  assert.equal((await state()).error, undefined);
  await accessible(page, "player");
  await visit(page, "/access");
  assert.match(await page.textContent("main"), /permintaan polisi 7\/2026/);
  clean(page, "player");
  await page.context().close();
}

export async function f_paper_has_the_content_and_no_controls() {
  const page = await loggedIn("auditor");
  for (const path of [`/?${PERIOD}`, `/calls?${PERIOD}`, `/calls/${town.answered}`]) {
    await visit(page, path);
    await page.emulateMedia({ media: "print" });
    for (const hidden of [".bar nav", ".search", ".pager", "footer", "form"]) {
      for (const part of await page.$$(hidden)) assert.ok(!(await part.isVisible()), `${path}: ${hidden} is printed`);
    }
    assert.ok(await page.isVisible("h1"), path);
    await page.emulateMedia({ media: null });
    const pdf = await page.pdf({ format: "A4" });
    assert.ok(pdf.subarray(0, 5).toString() === "%PDF-" && pdf.length > 10_000, path);
  }
  clean(page, "print");
  await page.context().close();
}

export async function g_roles_see_what_they_may() {
  for (const [user, path, status] of [
    ["viewer", "/calls", 403],
    ["viewer", `/calls/${town.answered}`, 403],
    ["operator", "/calls", 200],
    ["operator", `/calls/${town.answered}`, 404],
    ["admin", "/calls", 403],
    ["supervisor", "/access", 403],
  ]) {
    const page = await loggedIn(user);
    await visit(page, path, status);
    assert.ok(await page.isVisible("h1"), "a page says why");
    await accessible(page, `${user} ${path}`);
    clean(page, user);
    await page.context().close();
  }
}
