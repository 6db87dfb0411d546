// The `openai` package for JavaScript: all that it sends to a speech server.
import OpenAI, { toFile, NotFoundError } from "openai";
import { VERSION } from "openai/version";

const [base, STT, TTS, VOICE] = process.argv.slice(2);
const client = new OpenAI({ baseURL: `${base}/v1`, apiKey: "none", maxRetries: 0 });
const TEXT = "The quick brown fox jumps over the lazy dog.";

async function step(name, run) {
  try {
    await run();
    console.log(`ok\topenai (npm) ${VERSION}\t${name}\t`);
  } catch (error) {
    console.log(`FAILED\topenai (npm) ${VERSION}\t${name}\t${String(error).replace(/\s+/g, " ").slice(0, 300)}`);
  }
}

function expect(right, found) {
  if (!right) throw new Error(JSON.stringify(found));
}

const sound = {};
await step("models", async () => {
  const names = [];
  for await (const model of client.models.list()) names.push(model.id);
  expect(names.includes(STT) && names.includes(TTS), names);
});
for (const name of ["mp3", "opus", "aac", "flac", "wav", "pcm"]) {
  await step(`speech as ${name}`, async () => {
    const answer = await client.audio.speech.create({ model: TTS, voice: VOICE, input: TEXT, response_format: name });
    sound[name] = Buffer.from(await answer.arrayBuffer());
    expect(sound[name].length > 2000, sound[name].length);
  });
}
await step("streamed speech", async () => {
  const answer = await client.audio.speech.create({ model: TTS, voice: VOICE, input: TEXT, response_format: "pcm" });
  let size = 0;
  for await (const part of answer.body) size += part.length;
  expect(size > 50000, size);
});
for (const name of ["json", "text", "srt", "vtt", "verbose_json"]) {
  await step(`transcription as ${name}`, async () => {
    const file = await toFile(sound.wav, "a.wav");
    const heard = await client.audio.transcriptions.create({ model: STT, file, response_format: name });
    expect((typeof heard === "string" ? heard : heard.text).includes("lazy dog"), heard);
  });
}
await step("word times", async () => {
  const heard = await client.audio.transcriptions.create({
    model: STT,
    file: await toFile(sound.mp3, "a.mp3"),
    response_format: "verbose_json",
    timestamp_granularities: ["word"],
  });
  expect(heard.words.length === 9, heard.words);
});
await step("streamed transcription", async () => {
  const file = await toFile(sound.wav, "a.wav");
  let last;
  for await (const event of await client.audio.transcriptions.create({ model: STT, file, stream: true })) last = event;
  expect(last.type === "transcript.text.done" && last.text.includes("lazy dog"), last);
});
await step("translation", async () => {
  const heard = await client.audio.translations.create({ model: STT, file: await toFile(sound.wav, "a.wav") });
  expect(heard.text.includes("dog"), heard);
});
await step("an unknown model is `NotFoundError`", async () => {
  try {
    await client.audio.speech.create({ model: "no/such", voice: VOICE, input: TEXT });
  } catch (error) {
    expect(error instanceof NotFoundError, String(error));
    return;
  }
  throw new Error("no error");
});
