//! Listens to standard input, `-`, while it comes: from a microphone, a telephone line, a decoder.

use super::{output::Output, progress, recordings};
use hound::{SampleFormat, WavSpec, WavWriter};
use indicatif::ProgressBar;
use spkver::{
    Error, Result,
    answer::{
        Recording,
        listened::{End, Listened},
    },
    audio::{Live, Waveform},
    storage::{
        Readers,
        output::{Form, OutputFile, Outputs},
    },
    verifier::{Analysis, Listener, State, Verifier},
};
use std::{
    collections::VecDeque,
    fs::File,
    io::BufWriter,
    path::{Path, PathBuf},
};

/// How to listen.
#[derive(clap::Args)]
#[group(skip)]
#[command(next_help_heading = "Listening (with - for standard input)")]
pub struct Args {
    /// Listen to the end of the input [default: until the answer is clear]
    #[arg(long)]
    pub to_end: bool,
    /// Save what was heard to this WAV file, which must not exist yet: mono, 16 bits, at the sample rate of
    /// the input
    #[arg(long, value_name = "FILE.wav")]
    save: Option<PathBuf>,
}

/// How a command answers a look: by default with no note, and listening goes on.
#[derive(Default)]
pub struct Look {
    /// Text for the line on the terminal.
    pub note: String,
    /// Whether listening can end.
    pub is_clear: bool,
}

/// Standard input, open for listening.
pub struct Input<'a> {
    live: Live,
    max_seconds: u32,
    saved: Option<OutputFile>,
    output: &'a Output,
}

impl Args {
    /// Refuses these flags if the command does not listen.
    ///
    /// # Errors
    /// [`Error::Usage`].
    pub fn check_unused(&self, is_watching: bool) -> Result<()> {
        match self.to_end || self.save.is_some() || is_watching {
            false => Ok(()),
            true => Err(Error::Usage(
                "--to-end, --save and --watch are for listening; give - instead of files".into(),
            )),
        }
    }
}

/// What follows the answer on the terminal: after how many seconds it was clear. Empty if it was not clear before
/// the end.
pub fn after(listened: &Listened) -> String {
    match listened.end {
        End::Clear => format!(" after {:.1} s", listened.seconds()),
        End::Limit | End::Input => String::new(),
    }
}

/// Whether the command is to listen: the only file is named `-`.
pub fn is_asked(files: &[PathBuf]) -> bool {
    matches!(files, [one] if one == Path::new("-"))
}

impl<'a> Input<'a> {
    /// Waits for the header of the input.
    ///
    /// # Errors
    /// [`Error::Audio`] for a terminal, and for input that is not audio; [`Error::Usage`] if the
    /// file to save already exists.
    pub fn open(args: &Args, reading: &recordings::Args, output: &'a Output) -> Result<Self> {
        recordings::check_piped()?;
        let outputs = Outputs::new(args.save.clone(), false)?;
        let take = |path: &PathBuf| outputs.take_new(path, &Form::WAV);
        let saved = args.save.as_ref().map(take).transpose()?;
        let options = reading.options();
        Ok(Input {
            live: Live::open(std::io::stdin(), recordings::stdin_name(), &options)?,
            max_seconds: options.max_seconds.unwrap_or(u32::MAX),
            saved,
            output,
        })
    }

    /// Sample rate, in Hz.
    pub fn rate_hz(&self) -> u32 {
        self.live.rate_hz()
    }

    /// Listens until a look is clear, or until the input ends.
    ///
    /// # Errors
    /// As [`spkver::audio::read`], and the errors of `on_look`.
    pub fn listen(
        self,
        mut listener: Listener,
        on_look: &mut dyn FnMut(&Listener, &State) -> Result<Look>,
    ) -> Result<Listened> {
        let meter = Meter::new(self.output);
        let output = self.output;
        let mut is_clear = false;
        let mut take = |block: &[f32]| {
            let state = listener.push(block)?;
            if state.is_new {
                let look = on_look(&listener, &state)?;
                meter.show(&state, &look.note);
                is_clear = look.is_clear;
            }
            Ok(!is_clear)
        };
        let (end, warning, truncated) = self.each_block(&mut take)?;
        drop(meter);
        let path = PathBuf::from("-");
        let mut heard = end.of(listener).map_err(of_stdin)?;
        heard.quality.warning = heard.quality.warning.or(warning);
        heard.quality.truncated |= truncated;
        let recording = Recording::new(path, heard);
        recordings::report(&recording, output);
        Ok(Listened { recording, end })
    }

    /// Listens to the end. Once a second, embeds the last `window_seconds` and calls `on_second`
    /// with the seconds since the start.
    ///
    /// # Errors
    /// As [`Self::listen`].
    pub fn watch(
        self,
        verifier: &Verifier,
        window_seconds: u32,
        on_second: &mut dyn FnMut(usize, &Analysis) -> Result<()>,
    ) -> Result<()> {
        let rate_hz = self.rate_hz();
        let second = rate_hz as usize;
        let most = window_seconds as usize * second;
        let mut window: VecDeque<f32> = VecDeque::with_capacity(most + second);
        let mut num_samples = 0;
        let mut take = |mut block: &[f32]| {
            while !block.is_empty() {
                let rest = second - num_samples % second;
                let (now, later) = block.split_at(rest.min(block.len()));
                window.extend(now);
                window.drain(..window.len().saturating_sub(most));
                num_samples += now.len();
                block = later;
                if num_samples % second == 0 {
                    let samples = window.iter().copied().collect();
                    let waveform = Waveform::from_samples(samples, rate_hz)?;
                    on_second(num_samples / second, &verifier.analyze(&waveform))?;
                }
            }
            Ok(true)
        };
        self.each_block(&mut take)?;
        Ok(())
    }

    /// Calls `take` with each block until `take` returns `false`. Also returns the warning about
    /// the input, and whether the input was cut off.
    fn each_block(mut self, take: Take) -> Result<(End, Option<String>, bool)> {
        let Some(file) = self.saved.take() else {
            return self.blocks(take, &mut |_| Ok(()));
        };
        let spec = WavSpec {
            channels: 1,
            sample_rate: self.rate_hz(),
            bits_per_sample: 16,
            sample_format: SampleFormat::Int,
        };
        let failed = |error: hound::Error| match error {
            hound::Error::IoError(source) => Error::io(file.path(), "write", source),
            other => Error::io(file.path(), "write", std::io::Error::other(other)),
        };
        let mut heard = None;
        // Only the owner may read the recording of a voice.
        file.write_with(Readers::Owner, |to: &mut File| {
            let mut wav = WavWriter::new(BufWriter::new(to), spec).map_err(failed)?;
            let mut save = |block: &[f32]| {
                let sixteen_bits = |x: &f32| (x * 32_768.0).round() as i16; // saturates
                let mut samples = block.iter().map(sixteen_bits);
                samples
                    .try_for_each(|x| wav.write_sample(x))
                    .map_err(failed)
            };
            heard = Some(self.blocks(take, &mut save)?);
            wav.finalize().map_err(failed)
        })?;
        Ok(heard.expect("written after listening"))
    }

    fn blocks(
        mut self,
        take: Take,
        save: &mut dyn FnMut(&[f32]) -> Result<()>,
    ) -> Result<(End, Option<String>, bool)> {
        let mut left = u64::from(self.max_seconds) * u64::from(self.rate_hz());
        while left > 0 {
            let Some(block) = self.live.next_block()? else {
                let (warning, truncated) = self.live.end()?;
                return Ok((End::Input, warning, truncated));
            };
            let block = &block[..block.len().min(usize::try_from(left).unwrap_or(usize::MAX))];
            left -= block.len() as u64;
            save(block)?;
            if !take(block)? {
                return Ok((End::Clear, None, false));
            }
        }
        Ok((End::Limit, None, false))
    }
}

/// The same error, but naming standard input.
fn of_stdin(error: Error) -> Error {
    match error {
        Error::Audio { fact, remedy, .. } => Error::audio(recordings::stdin_name(), fact, remedy),
        other => other,
    }
}

/// Called with each block of samples; `false` ends listening.
type Take<'t> = &'t mut dyn FnMut(&[f32]) -> Result<bool>;

/// The line on a terminal that shows what was heard.
struct Meter(ProgressBar);

impl Meter {
    fn new(output: &Output) -> Self {
        let bar = progress::bar(output.has_bar(), 0, "{spinner} {msg}");
        bar.set_message("listening");
        bar.tick();
        Meter(bar)
    }

    fn show(&self, state: &State, note: &str) {
        let (seconds, speech_seconds) = (state.seconds, state.speech_seconds);
        let text = format!("{seconds:.1} s heard, {speech_seconds:.1} s of speech{note}");
        self.0.set_message(text);
        self.0.tick();
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
