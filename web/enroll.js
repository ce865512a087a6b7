// The section that enrolls a speaker by the microphone.

import { Turn } from "./turn.js";
import { refusal, seconds, success } from "./words.js";

/** Seconds of speech that make a good voiceprint. */
const ENOUGH = 10;

export function enroll({ engine, microphone, speakers, busy }) {
  const section = document.querySelector("#enroll");
  const form = section.querySelector("form");
  const input = section.querySelector("#enroll-name");
  const hint = section.querySelector("#enroll-hint");
  const answer = section.querySelector(".answer");
  const usual = hint.textContent;
  const parts = { section, field: input, engine, microphone, busy };
  const turn = new Turn(parts, { start: "Record", stop: "Stop and enroll" });

  input.addEventListener("input", () => {
    const known = speakers.get(input.value.trim());
    hint.textContent = known ? `${known.name} is enrolled. The new recording is added to the voiceprint.` : usual;
  });

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (turn.isListening) return finish();
    return turn.begin((run) => ({
      wanted: ENOUGH,
      full: () => finish(),
      looked: (state) => {
        if (state.speech_seconds >= ENOUGH) run.say("Enough. You can stop.");
      },
    }));
  });

  function finish() {
    const name = input.value.trim();
    const known = speakers.get(name);
    return turn.finish(async (run) => {
      const heard = await run.finish("enroll", `microphone ${new Date().toISOString().slice(0, 10)}`);
      if (heard.reason) return answer.replaceChildren(refusal(heard.reason));
      const speaker = await engine.call("enroll", { name, key: "enroll", voiceprint: known?.bytes });
      await speakers.put(speaker);
      const speech = speaker.utterances.reduce((sum, utterance) => sum + utterance.speech_seconds, 0);
      const num = speaker.utterances.length;
      const of = num === 1 ? "1 recording" : `${num} recordings`;
      const more = speech < ENOUGH ? "More speech would make the answers surer: record again to add some." : null;
      answer.replaceChildren(success(`Enrolled: ${speaker.name}`, `${seconds(speech)} of speech in ${of}.`, more));
      input.value = "";
      hint.textContent = usual;
    }, plain);
  }
}

/** The library's advice is for its command line. */
function plain(error) {
  const other = /does not sound like the other recordings of .*\(LLR [^)]*\)/.exec(error.message);
  return other ? new Error(`This recording ${other[0]}. Nothing was changed.`) : error;
}
