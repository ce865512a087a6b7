// The microphone: blocks of samples, one channel, at the rate of the sound card.

/** Why there is no microphone, in words for people. */
const REASONS = {
  NotAllowedError: "The browser does not allow this page to use the microphone. Allow it in the settings of the page, then try again.",
  NotFoundError: "There is no microphone. Plug one in, then try again.",
  NotReadableError: "The microphone cannot be used; another program may be using it.",
};

export class Microphone {
  #context;
  #stream;
  #nodes = [];

  /** Loads the worklet, so that nothing is to be loaded later. */
  static async prepare() {
    const microphone = new Microphone();
    if (!window.AudioContext || !window.AudioWorkletNode) return microphone;
    microphone.#context = new AudioContext();
    await microphone.#context.audioWorklet.addModule("capture.js");
    return microphone;
  }

  /** In Hz; the usual one where there is no microphone, which `start` will say. */
  get rateHz() {
    return this.#context?.sampleRate ?? 48000;
  }

  /** Calls `take` with each block until `stop`. Throws an Error for people. */
  async start(take) {
    if (!navigator.mediaDevices || !this.#context) {
      throw new Error("The browser gives a page the microphone only over https or on localhost.");
    }
    try {
      // What a browser does to please the ear would change the voice.
      this.#stream = await navigator.mediaDevices.getUserMedia({
        audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
      });
    } catch (error) {
      throw new Error(REASONS[error.name] ?? `The microphone cannot be used: ${error.message}`);
    }
    await this.#context.resume();
    const source = this.#context.createMediaStreamSource(this.#stream);
    const capture = new AudioWorkletNode(this.#context, "capture", { numberOfOutputs: 0 });
    capture.port.onmessage = ({ data }) => take(data);
    source.connect(capture);
    this.#nodes = [source, capture];
  }

  stop() {
    for (const node of this.#nodes) {
      if (node.port) node.port.onmessage = null;
      node.disconnect();
    }
    this.#nodes = [];
    this.#stream?.getTracks().forEach((track) => track.stop());
    this.#stream = undefined;
    this.#context?.suspend();
  }
}

/** The level of a block in dB of full scale, from −60. */
export function levelDb(samples) {
  let peak = 1e-3;
  for (const sample of samples) peak = Math.max(peak, Math.abs(sample));
  return 20 * Math.log10(Math.min(peak, 1));
}
