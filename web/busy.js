// There is one microphone: while a section uses it, the others wait.

export class Busy {
  #owner = document.body;
  #needs = new Map();

  /** Beyond the microphone, the section's button needs this to be true. */
  needs(section, condition) {
    this.#needs.set(section, condition);
  }

  /** Whether the section has the microphone now. */
  take(section) {
    if (this.#owner) return false;
    this.#owner = section;
    this.show();
    return true;
  }

  free() {
    this.#owner = undefined;
    this.show();
  }

  show() {
    for (const section of document.querySelectorAll("#enroll, #verify")) {
      const others = this.#owner && this.#owner !== section;
      const able = this.#needs.get(section)?.() ?? true;
      section.querySelector("button.main").disabled = Boolean(others) || !able;
    }
  }
}
