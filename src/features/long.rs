//! Features of a [`LongRecording`], computed piece by piece from front to back, in the memory of
//! one piece. The bits are those that a [`Waveform`](crate::audio::Waveform) would give.

use super::{
    Mfcc,
    normalize::{self, RunningMean},
};
use crate::{Result, audio::LongRecording, kernels};
use std::ops::Range;

/// Frames computed together.
const FRAMES_TOGETHER: usize = 1024;

/// The features of a long recording.
pub struct LongFeatures<'a> {
    mfcc: &'a Mfcc,
    recording: &'a mut LongRecording,
    means: Option<Vec<f32>>,
    num_kept: usize,
    /// Next frame of the recording to compute.
    next: usize,
    /// `(T', C)`: kept frames from `first` on.
    values: Vec<f32>,
    first: usize,
}

impl<'a> LongFeatures<'a> {
    /// If means are to be subtracted, reads the whole recording once to compute them.
    ///
    /// # Errors
    /// As [`LongRecording::samples`].
    pub fn new(mfcc: &'a Mfcc, recording: &'a mut LongRecording) -> Result<Self> {
        let num_frames = mfcc.num_frames(recording.num_samples());
        let kept = |frame: &usize| mfcc.keeps_frame(*frame, recording.speech());
        let num_kept = (0..num_frames).filter(kept).count();
        let mut features = LongFeatures {
            mfcc,
            recording,
            means: None,
            num_kept,
            next: 0,
            values: vec![],
            first: 0,
        };
        if mfcc.config.mean_norm {
            let mut mean = RunningMean::new(mfcc.config.num_frame_channels());
            for from in (0..num_kept).step_by(FRAMES_TOGETHER) {
                let some = from..(from + FRAMES_TOGETHER).min(num_kept);
                mean.add(features.frames(some)?);
            }
            features.means = Some(mean.means());
        }
        features.rewind();
        Ok(features)
    }

    /// T.
    pub fn num_frames(&self) -> usize {
        self.num_kept
    }

    /// C.
    pub fn num_channels(&self) -> usize {
        self.mfcc.num_channels()
    }

    /// The frames in `range`, `(T', C)`. Frames before the range are dropped; going back to them
    /// starts again from the beginning of the recording.
    ///
    /// # Errors
    /// As [`LongRecording::samples`].
    pub fn frames(&mut self, range: Range<usize>) -> Result<&[f32]> {
        let channels = self.width();
        if range.start < self.first {
            self.rewind();
        }
        while self.first + self.values.len() / channels < range.end {
            let done = (range.start - self.first).min(self.values.len() / channels);
            self.values.drain(..done * channels);
            self.first += done;
            self.compute_more()?;
        }
        let at = |frame: usize| (frame - self.first) * channels;
        Ok(&self.values[at(range.start)..at(range.end)])
    }

    /// Channels of the frames being computed. The means are appended only once they are known.
    fn width(&self) -> usize {
        match self.means {
            Some(_) => self.mfcc.num_channels(),
            None => self.mfcc.config.num_frame_channels(),
        }
    }

    fn rewind(&mut self) {
        (self.next, self.first) = (0, 0);
        self.values.clear();
    }

    fn compute_more(&mut self) -> Result<()> {
        let num_samples = self.recording.num_samples();
        let end = (self.next + FRAMES_TOGETHER).min(self.mfcc.num_frames(num_samples));
        let frames = self.next..end;
        let (cut, first) = self.mfcc.framer.samples_for(frames.clone(), num_samples);
        let speech = self.recording.speech();
        let kept = frames.filter(|frame| self.mfcc.keeps_frame(*frame, speech));
        let kept: Vec<usize> = kept.map(|frame| frame - first).collect();
        let samples = self.recording.samples(cut)?;
        let mut values = self.mfcc.compute(Some(kernels::table()), samples, &kept);
        if let Some(means) = &self.means {
            values = normalize::subtract(values, means, &self.mfcc.config);
        }
        self.values.extend(values);
        self.next = end;
        Ok(())
    }
}
