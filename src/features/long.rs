//! A [`LongRecording`] in, its [`Features`](super::Features) out piece by piece, from front to back:
//! the same bits as of a [`Waveform`](crate::audio::Waveform), with the memory of one piece.

use super::{
    Mfcc,
    normalize::{self, RunningMean},
};
use crate::{Result, audio::LongRecording, kernels};
use std::ops::Range;

/// Frames that are computed together.
const FRAMES_TOGETHER: usize = 1024;

/// The features of a long recording.
pub struct LongFeatures<'a> {
    mfcc: &'a Mfcc,
    recording: &'a mut LongRecording,
    /// Of the whole recording; none where every frame is wanted.
    speech: Option<&'a [bool]>,
    means: Option<Vec<f32>>,
    num_wanted: usize,
    /// Frames of the recording from here on are not computed yet.
    next: usize,
    /// `(T', C)`: wanted ones from `first` on.
    values: Vec<f32>,
    first: usize,
}

impl<'a> LongFeatures<'a> {
    /// Every frame as it is, as [`Mfcc::frames`] gives them.
    pub fn all_frames(mfcc: &'a Mfcc, recording: &'a mut LongRecording) -> Self {
        LongFeatures {
            num_wanted: mfcc.num_frames(recording.num_samples()),
            mfcc,
            recording,
            speech: None,
            means: None,
            next: 0,
            values: vec![],
            first: 0,
        }
    }

    /// Those of `speech`, one flag for each frame, where the options ask for it. Reads the recording
    /// for the mean of its features, if that is to be subtracted.
    ///
    /// # Errors
    /// As [`LongRecording::samples`].
    pub fn new(
        mfcc: &'a Mfcc,
        recording: &'a mut LongRecording,
        speech: &'a [bool],
    ) -> Result<Self> {
        let mut features = Self::all_frames(mfcc, recording);
        let wanted = |frame: &usize| mfcc.is_wanted(*frame, speech);
        features.num_wanted = (0..features.num_wanted).filter(wanted).count();
        features.speech = Some(speech);
        let num_wanted = features.num_wanted;
        if mfcc.config.mean_norm {
            let mut mean = RunningMean::new(mfcc.config.num_frame_channels());
            for from in (0..num_wanted).step_by(FRAMES_TOGETHER) {
                let some = from..(from + FRAMES_TOGETHER).min(num_wanted);
                mean.add(features.frames(some)?);
            }
            features.means = Some(mean.means());
        }
        features.rewind();
        Ok(features)
    }

    /// T.
    pub fn num_frames(&self) -> usize {
        self.num_wanted
    }

    /// C.
    pub fn num_channels(&self) -> usize {
        self.mfcc.num_channels()
    }

    /// Some of the frames, `(T', C)`. What lies before them is forgotten: going back computes all
    /// anew.
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

    /// Channels of the frames that are computed: no means before they are known.
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
        let (cut, first) = self.mfcc.framer.cut_for(frames.clone(), num_samples);
        let is_wanted = |frame: &usize| {
            self.speech
                .is_none_or(|speech| self.mfcc.is_wanted(*frame, speech))
        };
        let wanted = frames.filter(is_wanted);
        let wanted: Vec<usize> = wanted.map(|frame| frame - first).collect();
        let samples = self.recording.samples(cut)?;
        let mut values = self.mfcc.compute(Some(kernels::table()), samples, &wanted);
        if let Some(means) = &self.means {
            values = normalize::less(values, means, &self.mfcc.config);
        }
        self.values.extend(values);
        self.next = end;
        Ok(())
    }
}
