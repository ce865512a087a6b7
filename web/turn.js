// A turn of a speaker in a section: one button starts and ends it, the other one cancels it.

import { Listening } from "./listening.js";
import { failure } from "./words.js";

export class Turn {
  #parts;
  #words;
  #button;
  #cancel;
  #answer;
  #listening;

  /**
   * `parts` are the section, its field (disabled meanwhile), and the engine, the microphone and the guard
   * that all sections share; `words` is what the button says: `start`, `stop`.
   */
  constructor(parts, words) {
    this.#parts = parts;
    this.#words = words;
    const { section } = parts;
    [this.#button, this.#cancel] = section.querySelectorAll("form button");
    this.#answer = section.querySelector(".answer");
    this.#cancel.addEventListener("click", async () => {
      await this.#listening.discard();
      this.end();
      this.#button.focus();
    });
  }

  get isListening() {
    return this.#listening !== undefined;
  }

  /** Starts to listen, unless another section does. `options(run)` are those of `Listening.start`. */
  async begin(options) {
    const { section, field, engine, microphone, busy } = this.#parts;
    this.#answer.replaceChildren();
    const run = new Listening(engine, microphone, section.querySelector(".listening"));
    if (!busy.take(section)) return;
    field.disabled = true;
    try {
      await run.start(options(run));
      this.#listening = run;
      this.#button.textContent = this.#words.stop;
      this.#cancel.hidden = false;
    } catch (error) {
      run.stop();
      this.end();
      this.#answer.replaceChildren(failure(error));
    }
  }

  /** What listens, which is the caller's from now on; nothing if nothing does. */
  take() {
    const run = this.#listening;
    this.#listening = undefined;
    return run;
  }

  /** Ends by the user's wish: `work` makes the answer of what was heard, `plain` words its errors. */
  async finish(work, plain = (error) => error) {
    const run = this.take();
    if (!run) return;
    this.#button.disabled = true;
    try {
      await work(run);
    } catch (error) {
      this.#answer.replaceChildren(failure(plain(error)));
    }
    this.end();
    this.#button.focus();
  }

  end() {
    const { field, busy } = this.#parts;
    this.#listening = undefined;
    this.#button.textContent = this.#words.start;
    this.#cancel.hidden = true;
    field.disabled = false;
    busy.free();
  }
}
