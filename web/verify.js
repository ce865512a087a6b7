// The section that listens to a speaker and answers as soon as the voice is known.

import { Listening } from "./listening.js";
import { decision, failure, seconds, signed } from "./words.js";

/** Seconds of speech that are enough for an answer. */
const ENOUGH = 5;

export function verify({ engine, microphone, speakers, busy }) {
  const section = document.querySelector("#verify");
  const form = section.querySelector("form");
  const select = section.querySelector("select");
  const hint = section.querySelector("#verify-hint");
  const [button, cancel] = form.querySelectorAll("button");
  const answer = section.querySelector(".answer");
  let listening;

  speakers.addEventListener("change", list);
  function list() {
    const chosen = select.value;
    select.replaceChildren(...speakers.all.map(({ name }) => new Option(name, name)));
    if (speakers.get(chosen)) select.value = chosen;
    const none = speakers.all.length === 0;
    select.disabled = none || listening !== undefined;
    hint.textContent = none ? "Enroll somebody first, or unlock the voiceprints below." : "Speak or read aloud. The answer comes by itself.";
    busy.show();
  }
  busy.needs(section, () => speakers.all.length > 0);
  list();

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (listening) return finish();
    const speaker = speakers.get(select.value);
    answer.replaceChildren();
    const run = new Listening(engine, microphone, section.querySelector(".listening"));
    if (!speaker || !busy.take(section)) return;
    select.disabled = true;
    try {
      await run.start({
        voiceprint: speaker.bytes,
        wanted: ENOUGH,
        full: () => finish(),
        looked: (state) => {
          if (state.answer) show(state.answer, state.speech_seconds);
          else if (state.llr !== null) run.say(`So far: LLR ${signed(state.llr)}`);
        },
      });
      listening = run;
      button.textContent = "Stop and answer";
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

  /** The answer comes while the speaker talks. */
  async function show(result, speech) {
    const run = listening;
    if (!run) return;
    listening = undefined;
    await run.discard();
    say(result, speech);
    end();
  }

  /** The user stops: all of the recording decides. */
  async function finish() {
    const run = listening;
    if (!run) return;
    listening = undefined;
    button.disabled = true;
    try {
      const { quality } = await run.finish("verify", "microphone");
      const { bytes } = speakers.get(select.value);
      say(await engine.call("verify", { voiceprint: bytes, key: "verify" }), quality.speech_seconds);
    } catch (error) {
      answer.replaceChildren(failure(error));
    }
    end();
    button.focus();
  }

  function say(result, speech) {
    const name = select.value;
    const after = `, after ${seconds(speech)} of speech`;
    const yes = `this sounds like ${name}${after}`;
    const no = `this does not sound like ${name}${after}`;
    answer.replaceChildren(decision(result, { yes, no }));
  }

  function end() {
    listening = undefined;
    button.textContent = "Listen";
    cancel.hidden = true;
    select.disabled = false;
    busy.free();
  }
}
