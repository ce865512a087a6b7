// The section that enrolls a speaker by the microphone.

import { Listening } from "./listening.js";
import { failure, refusal, seconds, success } from "./words.js";

/** Seconds of speech that make a good voiceprint. */
const ENOUGH = 10;

export function enroll({ engine, microphone, speakers, busy }) {
  const section = document.querySelector("#enroll");
  const form = section.querySelector("form");
  const input = section.querySelector("#enroll-name");
  const hint = section.querySelector("#enroll-hint");
  const [button, cancel] = form.querySelectorAll("button");
  const answer = section.querySelector(".answer");
  const usual = hint.textContent;
  let listening;

  input.addEventListener("input", () => {
    const known = speakers.get(input.value.trim());
    hint.textContent = known ? `${known.name} is enrolled. The new recording is added to the voiceprint.` : usual;
  });

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (listening) return finish();
    answer.replaceChildren();
    const run = new Listening(engine, microphone, section.querySelector(".listening"));
    if (!busy.take(section)) return;
    input.disabled = true;
    try {
      await run.start({
        wanted: ENOUGH,
        full: () => finish(),
        looked: (state) => {
          if (state.speech_seconds >= ENOUGH) run.say("Enough. You can stop.");
        },
      });
      listening = run;
      button.textContent = "Stop and enroll";
      cancel.hidden = false;
    } catch (error) {
      run.stop();
      end();
      answer.replaceChildren(failure(error));
    }
  });

  cancel.addEventListener("click", async () => {
    await listening.discard();
    end();
    button.focus();
  });

  async function finish() {
    const run = listening;
    if (!run) return;
    listening = undefined;
    button.disabled = true;
    const name = input.value.trim();
    const known = speakers.get(name);
    try {
      const heard = await run.finish("enroll", `microphone ${new Date().toISOString().slice(0, 10)}`);
      if (heard.reason) {
        answer.replaceChildren(refusal(heard.reason));
      } else {
        const speaker = await engine.call("enroll", { name, key: "enroll", voiceprint: known?.bytes });
        await speakers.put(speaker);
        const speech = speaker.utterances.reduce((sum, utterance) => sum + utterance.speech_seconds, 0);
        const num = speaker.utterances.length;
        const of = num === 1 ? "1 recording" : `${num} recordings`;
        const more = speech < ENOUGH ? "More speech would make the answers surer: record again to add some." : null;
        answer.replaceChildren(success(`Enrolled: ${speaker.name}`, `${seconds(speech)} of speech in ${of}.`, more));
        input.value = "";
        hint.textContent = usual;
      }
    } catch (error) {
      answer.replaceChildren(failure(plain(error)));
    }
    end();
    button.focus();
  }

  function end() {
    listening = undefined;
    button.textContent = "Record";
    cancel.hidden = true;
    input.disabled = false;
    busy.free();
  }
}

/** The library's advice is for its command line. */
function plain(error) {
  const other = /does not sound like the other recordings of .*\(LLR [^)]*\)/.exec(error.message);
  return other ? new Error(`This recording ${other[0]}. Nothing was changed.`) : error;
}
