// The web page in Chromium, as a user sees it for the first time: tabs and buttons, without a change of any field.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { chromium } from "playwright-core";

const [base, executablePath] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
const page = await browser.newPage();
const client = `Chromium ${browser.version()}`;
const foreign = [];
// Nothing but this machine can be reached.
await page.route("**/*", (route) => {
  const url = route.request().url();
  if (url.startsWith(base) || /^(data|blob):/.test(url)) return route.continue();
  foreign.push(url);
  return route.abort();
});

async function step(name, run) {
  try {
    await run();
    console.log(`ok\t${client}\t${name}\t`);
  } catch (error) {
    await page.screenshot({ path: `failed-${name.replace(/\W+/g, "-")}.png` });
    console.log(`FAILED\t${client}\t${name}\t${String(error).replace(/\s+/g, " ").slice(0, 300)}`);
  }
}

function expect(right, found) {
  if (!right) throw new Error(JSON.stringify(found));
}

async function noToast() {
  const toasts = await page.locator(".toast-body").allInnerTexts();
  expect(toasts.length === 0, toasts);
}

let spoken;
await step("the page opens", async () => {
  await page.goto(base, { waitUntil: "load" });
  await page.getByRole("tab", { name: "Text-to-Speech" }).waitFor({ timeout: 60_000 });
});
await step("Text-to-Speech speaks at the first click", async () => {
  await page.getByRole("tab", { name: "Text-to-Speech" }).click();
  await page.waitForTimeout(3000);
  const [answer] = await Promise.all([
    page.waitForResponse((response) => response.url().includes("/file="), { timeout: 120_000 }),
    page.getByRole("button", { name: "Generate Speech" }).click(),
  ]);
  await page.getByRole("button", { name: "Play", exact: true }).waitFor({ timeout: 10_000 });
  await noToast();
  spoken = path.join(os.tmpdir(), "spoken.wav");
  fs.writeFileSync(spoken, await answer.body());
  expect(fs.statSync(spoken).size > 100_000, fs.statSync(spoken).size);
});
await step("Speech-to-Text shows the text at the first click", async () => {
  await page.getByRole("tab", { name: "Speech-to-Text" }).click();
  await page.waitForTimeout(3000);
  await page.locator("input[type=file]:visible, input[type=file]").last().setInputFiles(spoken);
  await page.waitForTimeout(3000);
  await page.getByRole("button", { name: "Generate", exact: true }).click();
  const box = page.locator("textarea:visible").last();
  let text = "";
  for (let tries = 0; tries < 120 && !text.includes("sky"); tries += 1) {
    await page.waitForTimeout(500);
    text = await box.inputValue();
  }
  await noToast();
  expect(/rainbow/i.test(text) && /sky/.test(text) && !text.includes("{"), text);
});
await step("nothing is asked of the network", async () => expect(foreign.length === 0, foreign));
await browser.close();
