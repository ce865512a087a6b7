// The page's side of engine.js.

/** What the worker threw, with its code. */
export class EngineError extends Error {
  constructor({ message, code }) {
    super(message);
    this.code = code;
  }
}

/** Fetches the code and the model once; the workers that it starts fetch nothing. */
export class Engines {
  #module;
  #url;

  static async load() {
    const text = async (path) => (await fetched(path)).text();
    const [module, bindings, engine] = await Promise.all([
      fetched("pkg/spkver_bg.wasm").then((answer) => answer.arrayBuffer()).then(WebAssembly.compile),
      text("pkg/spkver.js"),
      text("engine.js"),
    ]);
    const engines = new Engines();
    engines.#module = module;
    // A worker from a blob obeys this page's policy; one from a file would obey only what its server sends.
    const code = new Blob([bindings, "\n", engine], { type: "text/javascript" });
    engines.#url = URL.createObjectURL(code);
    return engines;
  }

  async start() {
    const engine = new Engine(new Worker(this.#url, { type: "module" }));
    engine.model = await engine.call("start", { module: this.#module });
    return engine;
  }

  /** For work that needs much memory, which a worker gives back only when it ends. */
  async once(operation, args) {
    const engine = await this.start();
    try {
      return await engine.call(operation, args);
    } finally {
      engine.end();
    }
  }
}

class Engine {
  #worker;
  #waiting = new Map();
  #id = 0;

  constructor(worker) {
    this.#worker = worker;
    worker.onmessage = ({ data: { id, result, error } }) => {
      const { resolve, reject } = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error) reject(new EngineError(error));
      else resolve(result);
    };
    worker.onerror = (event) => {
      const error = new EngineError({ message: event.message || "the worker has failed", code: "failed" });
      for (const { reject } of this.#waiting.values()) reject(error);
      this.#waiting.clear();
    };
  }

  call(operation, args = {}, transfer = []) {
    const id = ++this.#id;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ id, operation, args }, transfer);
    });
  }

  end() {
    this.#worker.terminate();
  }
}

async function fetched(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(`${path} is not there; bindings/wasm/build.sh makes it`);
  return answer;
}
