// Who is enrolled: in memory, and in the vault while that is open.

import { newId } from "./vault.js";

/** A speaker: {id, name, model, utterances, bytes}. Tells its listeners of "change". */
export class Speakers extends EventTarget {
  #byKey = new Map();
  #vault;
  #engine;

  constructor(vault, engine) {
    super();
    this.#vault = vault;
    this.#engine = engine;
  }

  get all() {
    return [...this.#byKey.values()].sort((a, b) => a.name.localeCompare(b.name));
  }

  get(name) {
    return this.#byKey.get(key(name));
  }

  /** Adds a speaker, or replaces the one of the same name. */
  async put(speaker) {
    const id = this.get(speaker.name)?.id ?? newId();
    if (this.#vault.isOpen) await this.#vault.put(id, speaker.bytes);
    this.#byKey.set(key(speaker.name), { ...speaker, id });
    this.#tell();
  }

  async delete(name) {
    const { id } = this.get(name);
    if (this.#vault.isOpen) await this.#vault.delete(id);
    this.#byKey.delete(key(name));
    this.#tell();
  }

  /** After a passphrase was chosen or given: what is in the vault joins what is in memory, which is newer. */
  async join() {
    for (const [id, bytes] of await this.#vault.all()) {
      const { name, model, utterances } = await this.#engine.call("read", { voiceprint: bytes });
      const newer = this.get(name);
      this.#byKey.set(key(name), newer ? { ...newer, id } : { id, name, model, utterances, bytes });
    }
    for (const { id, bytes } of this.all) await this.#vault.put(id, bytes);
    this.#tell();
  }

  /** Forgets what is in memory. */
  clear() {
    this.#byKey.clear();
    this.#tell();
  }

  #tell() {
    this.dispatchEvent(new Event("change"));
  }
}

/** Two spellings that look the same are one name. */
function key(name) {
  return name.normalize("NFC");
}
