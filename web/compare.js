// The section that compares two recordings.

import { decision, failure, seconds } from "./words.js";

/** What the model hears. Files are decoded at this rate, in Hz. */
const RATE_HZ = 16000;

export function compare({ engine }) {
  const section = document.querySelector("#compare");
  const answer = section.querySelector(".answer");
  const fields = [...section.querySelectorAll(".drop")];
  const heard = [false, false];
  /** Counts the files, so that no answer comes that a newer file has made wrong. */
  let num = 0;

  fields.forEach((field, index) => {
    const input = field.querySelector("input");
    input.disabled = false;
    input.addEventListener("change", () => input.files[0] && take(index, input.files[0]));
    field.addEventListener("dragover", (event) => {
      event.preventDefault();
      field.classList.add("over");
    });
    field.addEventListener("dragleave", () => field.classList.remove("over"));
    field.addEventListener("drop", (event) => {
      event.preventDefault();
      field.classList.remove("over");
      const [file] = event.dataTransfer.files;
      if (file) take(index, file);
    });
  });
  // A file that misses its field must not take the place of the page.
  for (const kind of ["dragover", "drop"]) window.addEventListener(kind, (event) => event.preventDefault());

  async function take(index, file) {
    const fact = fields[index].querySelector(".fact");
    const own = ++num;
    heard[index] = false;
    answer.replaceChildren();
    fact.textContent = `${file.name}: reading…`;
    try {
      const samples = await decode(file);
      const key = `compare ${index}`;
      const args = { key, label: file.name, samples, rateHz: RATE_HZ };
      const { quality } = await engine.call("hear", args, [samples.buffer]);
      fact.textContent = `${file.name}: ${seconds(quality.speech_seconds)} of speech in ${seconds(quality.seconds)}`;
      heard[index] = true;
    } catch (error) {
      fact.textContent = file.name;
      answer.replaceChildren(failure(error));
      return;
    }
    if (!heard.every(Boolean)) return;
    try {
      const result = await engine.call("compare", { a: "compare 0", b: "compare 1" });
      if (own === num) answer.replaceChildren(decision(result, { yes: "one speaker", no: "two speakers" }));
    } catch (error) {
      answer.replaceChildren(failure(error));
    }
  }
}

/** The samples of a file, the mean of its channels: (num_samples,) */
async function decode(file) {
  const context = new OfflineAudioContext(1, 1, RATE_HZ);
  let audio;
  try {
    audio = await context.decodeAudioData(await file.arrayBuffer());
  } catch {
    throw new Error(`This browser cannot read ${file.name}. Most read WAV, MP3, FLAC and M4A.`);
  }
  const samples = audio.getChannelData(0).slice();
  for (let channel = 1; channel < audio.numberOfChannels; channel++) {
    audio.getChannelData(channel).forEach((sample, i) => (samples[i] += sample));
  }
  return samples.map((sample) => sample / audio.numberOfChannels);
}
