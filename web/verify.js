// The section that listens to a speaker and answers as soon as the voice is known.

import { Turn } from "./turn.js";
import { decision, seconds, signed } from "./words.js";

/** Seconds of speech that are enough for an answer. */
const ENOUGH = 5;

export function verify({ engine, microphone, speakers, busy }) {
  const section = document.querySelector("#verify");
  const form = section.querySelector("form");
  const select = section.querySelector("select");
  const hint = section.querySelector("#verify-hint");
  const answer = section.querySelector(".answer");
  const parts = { section, field: select, engine, microphone, busy };
  const turn = new Turn(parts, { start: "Listen", stop: "Stop and answer" });

  speakers.addEventListener("change", list);
  function list() {
    const chosen = select.value;
    select.replaceChildren(...speakers.all.map(({ name }) => new Option(name, name)));
    if (speakers.get(chosen)) select.value = chosen;
    const none = speakers.all.length === 0;
    select.disabled = none || turn.isListening;
    hint.textContent = none ? "Enroll somebody first, or unlock the voiceprints below." : "Speak or read aloud. The answer comes by itself.";
    busy.show();
  }
  busy.needs(section, () => speakers.all.length > 0);
  list();

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (turn.isListening) return finish();
    const speaker = speakers.get(select.value);
    if (!speaker) return answer.replaceChildren();
    return turn.begin((run) => ({
      voiceprint: speaker.bytes,
      wanted: ENOUGH,
      full: () => finish(),
      looked: (state) => {
        if (state.answer) show(state.answer, state.speech_seconds);
        else if (state.llr !== null) run.say(`So far: LLR ${signed(state.llr)}`);
      },
    }));
  });

  /** The answer comes while the speaker talks. */
  async function show(result, speech) {
    const run = turn.take();
    if (!run) return;
    await run.discard();
    say(result, speech);
    turn.end();
  }

  /** The user stops: all of the recording decides. */
  function finish() {
    return turn.finish(async (run) => {
      const { quality } = await run.finish("verify", "microphone");
      const { bytes } = speakers.get(select.value);
      say(await engine.call("verify", { voiceprint: bytes, key: "verify" }), quality.speech_seconds);
    });
  }

  function say(result, speech) {
    const name = select.value;
    const after = `, after ${seconds(speech)} of speech`;
    const yes = `this sounds like ${name}${after}`;
    const no = `this does not sound like ${name}${after}`;
    answer.replaceChildren(decision(result, { yes, no }));
  }
}
