// Voiceprints in IndexedDB, encrypted under a passphrase.
//
// The key is PBKDF2-HMAC-SHA-256 of the passphrase, 600,000 iterations, 16 bytes of salt. Each voiceprint is
// AES-256-GCM with a random 12-byte nonce; its id is the associated data, so that no row passes for another.
// The head holds the salt and an encrypted word, which tells a wrong passphrase from a right one.

const ITERATIONS = 600_000;
const WORD = new TextEncoder().encode("spkver voiceprints 1");

export class Vault {
  #database;
  #key;

  static async open() {
    const vault = new Vault();
    vault.#database = await new Promise((resolve, reject) => {
      const request = indexedDB.open("spkver", 1);
      request.onupgradeneeded = () => {
        request.result.createObjectStore("head");
        request.result.createObjectStore("voiceprints");
      };
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
    return vault;
  }

  /** Whether a passphrase has been chosen. */
  async exists() {
    return (await this.#head()) !== undefined;
  }

  get isOpen() {
    return this.#key !== undefined;
  }

  async create(words) {
    const salt = random(16);
    const key = await derive(words, salt, ITERATIONS);
    const head = { salt, iterations: ITERATIONS, word: await encrypt(key, "head", WORD) };
    await this.#change("head", (store) => store.put(head, "head"));
    this.#key = key;
  }

  /** Whether the passphrase is right. */
  async unlock(words) {
    const { salt, iterations, word } = await this.#head();
    const key = await derive(words, salt, iterations);
    try {
      await decrypt(key, "head", word);
    } catch {
      return false;
    }
    this.#key = key;
    return true;
  }

  lock() {
    this.#key = undefined;
  }

  /** [id, bytes] of each voiceprint. Throws if one is damaged. */
  async all() {
    const rows = await this.#ask("voiceprints", (store) => [store.getAllKeys(), store.getAll()]);
    const opened = rows[0].map(async (id, i) => [id, await decrypt(this.#key, id, rows[1][i])]);
    return Promise.all(opened).catch(() => {
      throw new Error("a voiceprint in this browser is damaged");
    });
  }

  /** Keeps a voiceprint under this id. */
  async put(id, bytes) {
    const row = await encrypt(this.#key, id, bytes);
    await this.#change("voiceprints", (store) => store.put(row, id));
  }

  async delete(id) {
    await this.#change("voiceprints", (store) => store.delete(id));
  }

  /** Deletes everything, the passphrase too. */
  async forget() {
    this.#key = undefined;
    await this.#change("voiceprints", (store) => store.clear());
    await this.#change("head", (store) => store.clear());
  }

  async #head() {
    const [head] = await this.#ask("head", (store) => [store.get("head")]);
    return head;
  }

  #ask(name, ask) {
    return new Promise((resolve, reject) => {
      const transaction = this.#database.transaction(name);
      const requests = ask(transaction.objectStore(name));
      transaction.oncomplete = () => resolve(requests.map((request) => request.result));
      transaction.onerror = transaction.onabort = () => reject(transaction.error);
    });
  }

  #change(name, change) {
    return new Promise((resolve, reject) => {
      const transaction = this.#database.transaction(name, "readwrite", { durability: "strict" });
      change(transaction.objectStore(name));
      transaction.oncomplete = () => resolve();
      transaction.onerror = transaction.onabort = () => reject(transaction.error);
    });
  }
}

export function newId() {
  return crypto.randomUUID();
}

async function derive(words, salt, iterations) {
  const bytes = new TextEncoder().encode(words.normalize("NFC"));
  const own = await crypto.subtle.importKey("raw", bytes, "PBKDF2", false, ["deriveKey"]);
  const how = { name: "PBKDF2", hash: "SHA-256", salt, iterations };
  return crypto.subtle.deriveKey(how, own, { name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);
}

async function encrypt(key, id, bytes) {
  const nonce = random(12);
  return { nonce, body: await crypto.subtle.encrypt(how(id, nonce), key, bytes) };
}

async function decrypt(key, id, { nonce, body }) {
  return new Uint8Array(await crypto.subtle.decrypt(how(id, nonce), key, body));
}

function how(id, iv) {
  return { name: "AES-GCM", iv, additionalData: new TextEncoder().encode(id) };
}

function random(num) {
  return crypto.getRandomValues(new Uint8Array(num));
}
