// One run of the microphone in a section: the level, the seconds of speech, and what the listener says.

import { levelDb } from "./microphone.js";
import { seconds } from "./words.js";

/** Nobody needs to speak for longer. */
const MAX_SECONDS = 60;

export class Listening {
  #engine;
  #microphone;
  #place;
  #ended = false;
  #last;

  /** Shows itself in `place`, an element. */
  constructor(engine, microphone, place) {
    this.#engine = engine;
    this.#microphone = microphone;
    this.#place = place;
    const template = document.querySelector("#listening-template");
    place.replaceChildren(template.content.cloneNode(true));
  }

  /**
   * Starts. `wanted` is the seconds of speech that are enough; `looked` is called with the state after each
   * look, and `full` when the recording has become too long.
   */
  async start({ voiceprint, wanted, looked, full }) {
    await this.#engine.call("listen", { rateHz: this.#microphone.rateHz, voiceprint, wanted });
    await this.#microphone.start((samples) => {
      this.#showLevel(levelDb(samples));
      this.#last = this.#engine.call("push", { samples }, [samples.buffer]).then((state) => {
        if (this.#ended || !state) return;
        if (state.is_new) {
          this.#showSpeech(state, wanted);
          looked(state);
        }
        if (state.seconds > MAX_SECONDS) full();
      });
      this.#last.catch(() => {});
    });
    this.#place.hidden = false;
    this.say("Listening. Speak now.");
  }

  /** What a screen reader should say, too. */
  say(text) {
    const milestone = this.#place.querySelector(".milestone");
    if (milestone.textContent !== text) milestone.textContent = text;
  }

  /** Ends, and gives what was heard. */
  async finish(key, label) {
    this.stop();
    await this.#last;
    return this.#engine.call("finish", { key, label });
  }

  /** Ends without an answer. */
  discard() {
    this.stop();
    return this.#engine.call("discard");
  }

  stop() {
    this.#ended = true;
    this.#microphone.stop();
    this.#place.hidden = true;
  }

  #showLevel(db) {
    const level = this.#place.querySelector(".level");
    level.setAttribute("aria-valuenow", db.toFixed(0));
    level.setAttribute("aria-valuetext", `${db.toFixed(0)} decibels`);
    level.classList.toggle("loud", db > -0.5);
    level.style.setProperty("--share", ((db + 60) / 60).toFixed(3));
  }

  #showSpeech(state, wanted) {
    this.#place.querySelector("progress").value = Math.min(1, state.speech_seconds / wanted);
    const heard = `${seconds(state.speech_seconds)} of speech in ${seconds(state.seconds)}; ${wanted} s are enough`;
    this.#place.querySelector(".heard").textContent = heard;
  }
}
