//! Cuts recordings into frames; the window, and how the energy of a frame is computed.
//!
//! Follows Kaldi's `feat/feature-window.cc`: `NumFrames`, `FirstSampleOfFrame`, `ExtractWindow`.

use super::config::{MfccConfig, Toolkit, WindowType};
use crate::kernels::Energy;

/// Kaldi computes with 16-bit samples as whole numbers; ours are nominally −1 to 1. Logarithms are
/// taken of energies with an absolute floor, so samples are multiplied by this factor.
const KALDI_SCALE: f32 = 32768.0;

/// Smallest energy of a mel bin in SpeechBrain's features, for samples of −1 to 1.
const SPEECHBRAIN_FLOOR: f32 = 1e-10;

/// Positions of the frames in a recording.
#[derive(Debug)]
pub(super) struct Framer {
    length: usize,
    shift: usize,
    edges: Edges,
}

/// Where frames start, and what stands for samples beyond the recording.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Edges {
    /// Only frames that fit entirely: Kaldi's `snip_edges`.
    Snipped,
    /// One frame per hop, centred in it; beyond the recording its samples are mirrored.
    Mirrored,
    /// One frame per hop, the first centred on sample 0; beyond the recording there are zeros.
    Zero,
}

impl Framer {
    pub(super) fn new(config: &MfccConfig) -> Self {
        Framer {
            length: config.frame_length(),
            shift: config.frame_shift(),
            edges: match config.toolkit {
                Toolkit::SpeechBrain => Edges::Zero,
                Toolkit::Kaldi if config.snip_edges => Edges::Snipped,
                Toolkit::Kaldi => Edges::Mirrored,
            },
        }
    }

    /// T, the number of frames in a recording of `num_samples`. This is the only code that computes it.
    pub(super) fn num_frames(&self, num_samples: usize) -> usize {
        match self.edges {
            Edges::Mirrored => (num_samples + self.shift / 2) / self.shift,
            Edges::Snipped | Edges::Zero if num_samples < self.length => 0,
            Edges::Snipped => 1 + (num_samples - self.length) / self.shift,
            Edges::Zero => 1 + num_samples / self.shift,
        }
    }

    /// First sample of a frame; negative only where frames reach beyond the recording.
    fn start(&self, frame: usize) -> isize {
        let start = (frame * self.shift) as isize;
        let half = (self.length / 2) as isize;
        match self.edges {
            Edges::Snipped => start,
            Edges::Mirrored => start + (self.shift / 2) as isize - half,
            Edges::Zero => start - half,
        }
    }

    /// Middle sample of a frame.
    pub(super) fn centre(&self, frame: usize) -> isize {
        self.start(frame) + (self.length / 2) as isize
    }

    /// A sample of the recording, or what lies beyond it.
    fn sample(&self, samples: &[f32], index: isize) -> f32 {
        match self.edges {
            Edges::Zero => {
                let within = usize::try_from(index).ok().and_then(|i| samples.get(i));
                within.copied().unwrap_or(0.0)
            }
            _ => samples[mirror(index, samples.len())],
        }
    }

    /// The samples of the frames in `frames` that reach beyond the recording, one after the other.
    pub(super) fn edges(&self, samples: &[f32], frames: &[usize]) -> Vec<f32> {
        let beyond = |frame: &&usize| self.whole(samples, **frame).is_none();
        let whole = |frame: &usize| {
            let start = self.start(*frame);
            (start..start + self.length as isize).map(|i| self.sample(samples, i))
        };
        frames.iter().filter(beyond).flat_map(whole).collect()
    }

    /// Samples of each frame, taken from `edges` if it reaches beyond the recording.
    pub(super) fn slices<'a>(
        &self,
        samples: &'a [f32],
        frames: &[usize],
        edges: &'a [f32],
    ) -> Vec<&'a [f32]> {
        let mut edges = edges.chunks_exact(self.length);
        let mut edge = || edges.next().expect("an edge for each such frame");
        let slice = |frame: &usize| self.whole(samples, *frame).unwrap_or_else(&mut edge);
        frames.iter().map(slice).collect()
    }

    /// Samples of the frame, if it lies entirely within the recording.
    fn whole<'a>(&self, samples: &'a [f32], frame: usize) -> Option<&'a [f32]> {
        let start = usize::try_from(self.start(frame)).ok()?;
        samples.get(start..start + self.length)
    }
}

/// Energies are clamped to these bounds before the logarithm: Kaldi's floor of a mel bin, and
/// e^88.7, so that levels that overflow stay finite.
pub(super) const LN_BOUNDS: (f32, f32) = (f32::EPSILON, 3.326e38);

/// Smallest energy of a mel bin.
pub(super) fn mel_floor(config: &MfccConfig) -> f32 {
    match config.toolkit {
        Toolkit::Kaldi => LN_BOUNDS.0,
        Toolkit::SpeechBrain => SPEECHBRAIN_FLOOR * KALDI_SCALE * KALDI_SCALE,
    }
}

// Reflects indices at both edges, repeating the edge sample, as often as necessary.
fn mirror(index: isize, num_samples: usize) -> usize {
    let n = num_samples as isize;
    let folded = index.rem_euclid(2 * n);
    (if folded < n {
        folded
    } else {
        2 * n - 1 - folded
    }) as usize
}

/// How the energy of samples of −1 to 1 is computed, if `use_energy`.
pub(super) fn energy(config: &MfccConfig) -> Option<Energy> {
    config.use_energy.then_some(Energy {
        raw_scale: config.raw_energy.then_some(KALDI_SCALE * KALDI_SCALE),
        floor: config.energy_floor.clamp(LN_BOUNDS.0, LN_BOUNDS.1),
    })
}

/// The window for samples of −1 to 1, `(frame_length,)`.
pub(super) fn window(config: &MfccConfig) -> Vec<f32> {
    let length = config.frame_length();
    let period = match config.toolkit {
        Toolkit::Kaldi => length - 1,
        Toolkit::SpeechBrain => length,
    };
    let a = std::f64::consts::TAU / period as f64;
    let blackman = f64::from(config.blackman_coeff);
    let taper = |i: usize| {
        let cos = (a * i as f64).cos();
        match config.window_type {
            WindowType::Povey => (0.5 - 0.5 * cos).powf(0.85),
            WindowType::Hamming => 0.54 - 0.46 * cos,
            WindowType::Hanning => 0.5 - 0.5 * cos,
            WindowType::Rectangular => 1.0,
            WindowType::Blackman => {
                blackman - 0.5 * cos + (0.5 - blackman) * (2.0 * a * i as f64).cos()
            }
        }
    };
    (0..length).map(|i| taper(i) as f32 * KALDI_SCALE).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_fit_wholly_or_one_per_hop() {
        let snipped = Framer::new(&MfccConfig::default());
        let counts = [0, 399, 400, 559, 560, 16000].map(|n| snipped.num_frames(n));
        assert_eq!(counts, [0, 0, 1, 1, 2, 98]);
        let mirrored = Framer::new(&MfccConfig {
            snip_edges: false,
            ..MfccConfig::default()
        });
        let counts = [0, 79, 80, 160, 239, 240, 16000].map(|n| mirrored.num_frames(n));
        assert_eq!(counts, [0, 0, 1, 1, 1, 2, 100]);
        let centred = Framer::new(&MfccConfig {
            toolkit: Toolkit::SpeechBrain,
            ..MfccConfig::default()
        });
        let counts = [0, 399, 400, 479, 480, 16000].map(|n| centred.num_frames(n));
        assert_eq!(counts, [0, 0, 3, 3, 4, 101]);
        let [first, last] = [0, 3].map(|frame| centred.edges(&[1.0; 480], &[frame]));
        let ones = |samples: &[f32]| samples.iter().sum::<f32>();
        assert_eq!([ones(&first), ones(&last)], [200.0, 200.0]);
        assert_eq!((first[199], first[200]), (0.0, 1.0));
    }

    #[test]
    fn edges_are_mirrored_with_the_edge_sample_twice() {
        let indices: Vec<usize> = (-4..8).map(|i| mirror(i, 3)).collect();
        assert_eq!(indices, [2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0, 1]);
        assert_eq!(mirror(-400, 1), 0);
    }
}
