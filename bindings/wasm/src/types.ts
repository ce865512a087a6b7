/** When to accept. `threshold` takes precedence over the costs; without any, LLRs from 0 up. */
export interface Terms {
  /** Prior probability that the recording is of the enrolled speaker; 0.5 if left out. */
  p_target?: number;
  /** Cost of rejecting the enrolled speaker; 1 if left out. */
  c_miss?: number;
  /** Cost of accepting somebody else; 1 if left out. */
  c_fa?: number;
  /** Smallest LLR that is accepted. */
  threshold?: number;
}

/** Why a recording allows no decision. */
export interface Reason {
  code:
    | "silence"
    | "no_speech"
    | "too_little_speech"
    | "clipping"
    | "band_limited"
    | "noisy"
    | "several_voices"
    | "undecided"
    | "score_not_finite";
  /** The fact, in English. */
  text: string;
}

/** A measured error rate, 0 to 1, and its 95 % confidence interval. */
export interface Rate {
  rate: number;
  low: number;
  high: number;
}

/** The answer to "is this the enrolled speaker?". */
export interface Answer {
  decision: "accept" | "reject" | "inconclusive";
  /** Set if the decision is "inconclusive". */
  reason: Reason | null;
  /** Natural logarithm of the likelihood ratio of "same speaker" to "different speakers". */
  llr: number | null;
  /** Posterior probability of "same speaker" at the prior `p_target`. */
  p: number | null;
  p_target: number;
  /** Smallest LLR that is accepted. */
  threshold: number;
  /** What the recordings are like. */
  kind: "clean" | "noise" | "line" | null;
  /** Error rates at this threshold, as measured when the model was calibrated. */
  expected: { false_accept: Rate; false_reject: Rate } | null;
  /**
   * Whether a listener decided, as soon as the score was clear. `threshold` is then the one that it passed:
   * accepted from there up, or rejected below.
   */
  live: boolean;
}

/** Error rates of a listener's decisions, 0 to 1; 1 % each, or the least that the model supports, if left out. */
export interface Rates {
  false_accept?: number;
  false_reject?: number;
}

/** Facts about a recording. */
export interface Quality {
  original_rate_hz: number;
  seconds: number;
  used_seconds: number;
  /** Net speech, in seconds. */
  speech_seconds: number;
  content: "speech" | "silence" | "nospeech";
  bandwidth_hz: number;
  low_band_db: number;
  /** Share of samples at full scale, 0 to 1. */
  clipped: number;
  /** Estimated signal-to-noise ratio, in dB. */
  snr_db: number;
  warning: string | null;
  truncated: boolean;
}

/** A recording of a voiceprint. */
export interface Utterance {
  /** A label for people. */
  file: string;
  speech_seconds: number;
}

/** What a listener knows. All but `seconds` and `is_new` are of its last look. */
export interface State {
  /** Seconds of audio so far. */
  seconds: number;
  /** Whether the samples just pushed made the listener take another look. */
  is_new: boolean;
  /** Seconds of speech. */
  speech_seconds: number;
  /** The score against the claimed speaker, if there is one and the recording allows a score. */
  llr: number | null;
  /** Set once the score is clear enough; does not change any more. */
  decision: "accept" | "reject" | null;
  /** Why the recording allows no score so far. */
  reason: Reason | null;
}

/** What this package throws. `code` stays the same from version to version. */
export interface SpkverError extends Error {
  code: string;
}
