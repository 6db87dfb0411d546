// Open WebUI in Chromium, as people use it: `node browser.mjs WEBUI SERVICE PICTURES`.
//
// Prints a line for each thing that holds or does not. The microphone is a file that the service has spoken.
import { writeFileSync } from "node:fs";
import { chromium } from "playwright-core";

const [webui, service, pictures] = process.argv.slice(2);
const SENTENCE = "The quick brown fox jumps over the lazy dog.";
const ACCOUNT = { name: "Alice", email: "alice@stack.test", password: "a password of the test" };
const words = (text) => text.toLowerCase().match(/[a-z0-9']+/g)?.join(" ") ?? "";
let failed = false;
const row = (title, holds, detail = "") => {
  failed ||= !holds;
  console.log(`${holds ? "ok" : "FAILED"} ${title}`);
  if (!holds) console.error(`${title}: ${detail}`);
};

async function spoken(text, format = "wav") {
  const body = { model: "speaches-ai/Kokoro-82M-v1.0-ONNX-int8", voice: "af_bella", input: text, response_format: format };
  const answer = await fetch(`${service}/v1/audio/speech`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(`the service does not speak: ${answer.status} ${await answer.text()}`);
  return Buffer.from(await answer.arrayBuffer());
}

writeFileSync("/tmp/microphone.wav", await spoken(SENTENCE));
const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: [
    "--no-sandbox",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--use-file-for-fake-audio-capture=/tmp/microphone.wav%noloop",
  ],
});
const context = await browser.newContext({ viewport: { width: 1080, height: 640 }, permissions: ["microphone"], locale: "en-US" });
const page = await context.newPage();
const picture = (name) => page.screenshot({ path: `${pictures}/${name}.png` });
page.setDefaultTimeout(30_000);

// The first account is the administrator's.
await page.goto(`${webui}/auth`);
await page.waitForTimeout(2000);
await picture("auth");
const start = page.getByRole("button", { name: "Get started", exact: false });
if (await start.isVisible()) await start.click();
const isNew = await page.locator("#name").isVisible();
if (isNew) await page.locator("#name").fill(ACCOUNT.name);
await page.locator("#email").fill(ACCOUNT.email);
await page.locator("#password").fill(ACCOUNT.password);
await picture("account");
await page.locator('#auth-page button[type="submit"]').first().click();
await page.waitForURL((url) => !url.pathname.startsWith("/auth"));
row(isNew ? "an account is made in Open WebUI" : "Open WebUI lets the account in", true);
const settle = async () => {
  // N.B. its page never falls silent.
  await page.waitForTimeout(2000);
  // What is new in this version covers the page.
  const close = page.getByRole("button", { name: /Okay, Let's Go/ });
  if (await close.isVisible().catch(() => false)) await close.click();
};
await settle();

await page.goto(`${webui}/admin/settings/audio`);
await page.getByText("Text-to-Speech").first().waitFor();
await settle();
const fields = await page.locator("input, select").evaluateAll((all) => all.map((each) => each.value));
for (const value of ["http://speaches:8000/v1", "openai", "af_bella"]) row(`Admin Settings, Audio shows ${value}`, fields.includes(value), fields.join(", "));
row("it shows the model that speaks", fields.some((value) => value.includes("Kokoro")), fields.join(", "));
row("it shows the model that transcribes", fields.some((value) => value.includes("whisper")), fields.join(", "));
await picture("audio-settings");

// A question, an answer, and *read aloud*.
await page.goto(webui);
await settle();
await page.locator("#chat-input").click();
await page.keyboard.type("Say something.");
await page.locator("#send-message-button").click();
const readAloud = page.locator('[id^="speak-button-"]').last();
await readAloud.waitFor();
await settle();
const made = page.waitForResponse((response) => response.url().includes("/audio/speech"), { timeout: 60_000 });
await page.evaluate(() => {
  window.played = [];
  const play = HTMLMediaElement.prototype.play;
  HTMLMediaElement.prototype.play = function () {
    this.addEventListener("timeupdate", () => (window.reached = this.currentTime));
    this.addEventListener("ended", () => window.played.push(window.reached));
    return play.call(this);
  };
});
await readAloud.click();
const sound = await made;
row(`read aloud gets sound of our service (${sound.headers()["content-type"]})`, sound.ok(), `${sound.status()}`);
await page.waitForFunction(() => window.played.length > 0, null, { timeout: 60_000 }).catch(() => {});
const seconds = (await page.evaluate(() => window.played))[0] ?? 0;
row(`it is played to its end: ${seconds.toFixed(1)} s`, seconds > 1.5 && seconds < 8);
await picture("read-aloud");

// The microphone.
await page.goto(webui);
await settle();
await page.locator("#voice-input-button").click();
await page.waitForTimeout(7000);
await picture("microphone");
const transcribed = page.waitForResponse((response) => response.url().includes("/audio/transcriptions"), { timeout: 60_000 });
await page.locator("#confirm-recording-button").click();
const heard = await transcribed;
row("what the microphone heard is sent", heard.ok(), `${heard.status()}`);
await page.waitForTimeout(2000);
const typed = await page.locator("#chat-input").innerText();
row(`what it heard is in the message: ${typed.trim()}`, words(typed) === words(SENTENCE), typed);
await picture("microphone-heard");

// A picture of the service's own page; tests/real/clients/page.mjs goes through it.
await page.goto(service);
await page.getByRole("tab", { name: "Text-to-Speech" }).click();
await page.waitForTimeout(3000);
await page.getByRole("button", { name: "Generate Speech" }).click();
await page.getByRole("button", { name: "Play", exact: true }).waitFor({ timeout: 60_000 });
await picture("own-page");
await browser.close();
process.exit(failed ? 1 : 0);
