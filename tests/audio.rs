//! Reading audio files as users supply them: formats, channels, rates, damage. The tests create
//! their files or take them from `fixtures/audio`.

mod program;
mod wav_file;

use hound::{SampleFormat, WavSpec, WavWriter};
use program::noise;
use spkver::Error;
use spkver::audio::{self, Content, ReadOptions, Waveform};
use std::f32::consts::TAU;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use wav_file::wav;

fn in_dir() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.wav");
    (dir, path)
}

/// A buzz whose pitch glides between 90 and 150 Hz.
fn buzz(num_samples: usize, rate_hz: u32) -> Vec<f32> {
    (0..num_samples)
        .map(|n| {
            let t = n as f32 / rate_hz as f32;
            let phase = TAU * 120.0 * t - 30.0 * (TAU * t).cos();
            let harmonics = (1..12).map(|k| (phase * k as f32).sin() / k as f32);
            0.1 * harmonics.sum::<f32>()
        })
        .collect()
}

/// Writes interleaved samples as hound does.
fn write(path: &Path, samples: &[f32], channels: u16, sample_rate: u32, bits: u16, float: bool) {
    let sample_format = if float {
        SampleFormat::Float
    } else {
        SampleFormat::Int
    };
    let spec = WavSpec {
        channels,
        sample_rate,
        bits_per_sample: bits,
        sample_format,
    };
    let mut writer = WavWriter::create(path, spec).unwrap();
    for &x in samples {
        if float {
            writer.write_sample(x).unwrap();
        } else {
            let full_scale = (1i64 << (bits - 1)) as f64;
            writer
                .write_sample((f64::from(x) * full_scale).round() as i32)
                .unwrap();
        }
    }
    writer.finalize().unwrap();
}

fn read(path: &Path) -> Waveform {
    audio::read(path, &ReadOptions::default()).unwrap()
}

/// The text of the refusal, which must name the file, and the exit code.
fn refusal(path: &Path) -> (String, u8) {
    let error = audio::read(path, &ReadOptions::default()).unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with(&*path.to_string_lossy()), "{text}");
    assert!(text.contains("; "), "no remedy: {text}");
    (text, error.exit_code())
}

fn assert_refused(bytes: &[u8], fact: &str) {
    let (_dir, path) = in_dir();
    fs::write(&path, bytes).unwrap();
    let (text, code) = refusal(&path);
    assert!(text.contains(fact), "{text}");
    assert_eq!(code, 3);
}

fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter()
        .zip(b)
        .map(|(x, y)| (x - y).abs())
        .fold(0.0, f32::max)
}

#[test]
fn every_bit_depth_gives_the_same_samples() {
    let wanted = buzz(16_000, 16_000);
    for (bits, float) in [
        (8, false),
        (16, false),
        (24, false),
        (32, false),
        (32, true),
    ] {
        let (_dir, path) = in_dir();
        // hound writes WAVE_FORMAT_EXTENSIBLE above 16 bits.
        write(&path, &wanted, 1, 16_000, bits, float);
        let decoded = audio::decode(&path).unwrap();
        let step = if float {
            0.0
        } else {
            2f32.powi(1 - i32::from(bits))
        };
        let worst = largest_difference(&decoded.samples, &wanted);
        assert!(worst <= step + 1e-7, "{bits} bits: {worst}");
        assert_eq!(decoded.warning, None);
    }
    let (_dir, path) = in_dir();
    let doubles: Vec<u8> = wanted
        .iter()
        .flat_map(|x| f64::from(*x).to_le_bytes())
        .collect();
    fs::write(&path, wav(3, 1, 16_000, 64, &doubles)).unwrap();
    assert_eq!(audio::decode(&path).unwrap().samples, wanted);
}

/// What symphonia's own WAV reader and PCM decoder make of a file.
fn by_symphonia(path: &Path) -> Option<Vec<f32>> {
    use symphonia_core::codecs::audio::{AudioDecoder, AudioDecoderOptions};
    use symphonia_core::formats::{FormatOptions, FormatReader, TrackType};
    use symphonia_core::io::MediaSourceStream;
    let source = Box::new(fs::File::open(path).unwrap());
    let stream = MediaSourceStream::new(source, Default::default());
    let options = FormatOptions::default();
    let mut format = symphonia_format_riff::WavReader::try_new(stream, options).ok()?;
    let track = format.default_track(TrackType::Audio)?;
    let params = track.codec_params.as_ref()?.audio()?.clone();
    let options = AudioDecoderOptions::default();
    let mut decoder = symphonia_codec_pcm::PcmDecoder::try_new(&params, &options).ok()?;
    let mut samples = vec![];
    let mut packet_samples: Vec<f32> = vec![];
    while let Ok(Some(packet)) = format.next_packet() {
        let audio = decoder.decode(&packet).ok()?;
        audio.copy_to_vec_interleaved(&mut packet_samples);
        samples.extend_from_slice(&packet_samples);
    }
    Some(samples)
}

/// What hound makes of a file.
fn by_hound(path: &Path) -> Option<Vec<f32>> {
    let mut reader = hound::WavReader::open(path).ok()?;
    let spec = reader.spec();
    let samples = match spec.sample_format {
        SampleFormat::Float => reader.samples::<f32>().collect(),
        SampleFormat::Int => {
            let full_scale = (1i64 << (spec.bits_per_sample - 1)) as f32;
            let samples = reader.samples::<i32>();
            samples.map(|x| x.map(|x| x as f32 / full_scale)).collect()
        }
    };
    Result::<Vec<f32>, _>::ok(samples)
}

/// Two more readers than libsndfile, whose samples the manifest of `fixtures/wav` states. Where
/// they differ from us, libsndfile does not.
#[test]
fn what_hound_and_symphonia_read_is_read_the_same() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut paths: Vec<PathBuf> = ["wav", "voices"]
        .iter()
        .flat_map(|folder| fs::read_dir(fixtures.join(folder)).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "wav"))
        .collect();
    paths.sort();
    let mut num_compared = 0;
    for path in &paths {
        let Ok(ours) = audio::decode(path) else {
            continue;
        };
        let name = path.file_name().unwrap().to_string_lossy();
        // Both take a sample of fewer bits than its bytes hold for the lower ones, not the upper.
        let lower_bits = name.starts_with("pcm") || name == "extensible_12_in_16.wav";
        for (reader, theirs) in [("hound", by_hound(path)), ("symphonia", by_symphonia(path))] {
            let Some(theirs) = theirs.filter(|samples| !samples.is_empty()) else {
                continue;
            };
            if lower_bits || ours.warning.is_some() {
                continue;
            }
            num_compared += 1;
            assert_eq!(ours.samples.len(), theirs.len(), "{name}, {reader}");
            let worst = largest_difference(&ours.samples, &theirs);
            let scale = ours
                .samples
                .iter()
                .fold(1.0f32, |peak, x| peak.max(x.abs()));
            assert!(worst <= 1e-7 * scale, "{name}, {reader}: {worst:e}");
        }
    }
    assert!(num_compared > 60, "{num_compared}");
}

#[test]
fn compressed_formats_are_told_by_content() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/audio");
    let original = read(&fixtures.join("buzz.flac"));
    // AAC in M4A carries its encoder's run-in of 1024 samples.
    for (name, run_in) in [("buzz.mp3", 0), ("buzz.ogg", 0), ("buzz.m4a", 1024)] {
        let (_dir, path) = in_dir();
        fs::copy(fixtures.join(name), &path).unwrap();
        let decoded = read(&path);
        assert_eq!(decoded.quality().warning, None);
        let common = original.samples().iter().zip(&decoded.samples()[run_in..]);
        let error: f32 = common.map(|(a, b)| (a - b) * (a - b)).sum();
        let power: f32 = original.samples().iter().map(|x| x * x).sum();
        // Lossy: 15 dB over its coding noise at least, and in step.
        assert!(error < 0.03 * power, "{name}: {}", error / power);
    }
}

#[test]
fn stereo_is_mixed_or_picked_from() {
    let (_dir, path) = in_dir();
    let left = buzz(16_000, 16_000);
    let stereo: Vec<f32> = left.iter().flat_map(|x| [*x, -0.5 * x]).collect();
    write(&path, &stereo, 2, 16_000, 32, true);
    let pick = |channel| {
        let options = ReadOptions {
            channel,
            ..ReadOptions::default()
        };
        audio::read(&path, &options)
    };
    let level = |w: Waveform| w.samples().iter().map(|x| x.abs()).fold(0.0, f32::max);
    let [mixed, first, second] = [None, Some(1), Some(2)].map(|c| level(pick(c).unwrap()));
    assert!((mixed / first - 0.25).abs() < 1e-3 && (second / first - 0.5).abs() < 1e-3);
    for channel in [0, 3] {
        let text = pick(Some(channel)).unwrap_err().to_string();
        assert!(
            text.contains("has 2 channels") && text.contains("1 to 2"),
            "{text}"
        );
    }
}

#[test]
fn every_rate_becomes_16_khz() {
    for rate_hz in [
        8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000, 192_000,
    ] {
        let (_dir, path) = in_dir();
        write(
            &path,
            &buzz(rate_hz as usize, rate_hz),
            1,
            rate_hz,
            16,
            false,
        );
        let waveform = read(&path);
        assert_eq!(waveform.samples().len(), 16_000);
        assert_eq!(waveform.quality().original_rate_hz, rate_hz);
        let worst = largest_difference(
            &waveform.samples()[1_000..15_000],
            &buzz(16_000, 16_000)[1_000..15_000],
        );
        assert!(worst < 3e-3, "{rate_hz} Hz: {worst}");
    }
    for rate_hz in [0, 1, 7_999, 192_001, u32::MAX / 4] {
        assert_refused(&wav(1, 1, rate_hz, 16, &[0; 3_200]), "sample rate");
    }
}

#[test]
fn dc_is_removed_and_facts_are_reported() {
    let (_dir, path) = in_dir();
    let shifted: Vec<f32> = buzz(32_000, 16_000).iter().map(|x| x + 0.3).collect();
    write(&path, &shifted, 1, 16_000, 16, false);
    let waveform = read(&path);
    let mean = waveform.samples().iter().sum::<f32>() / 32_000.0;
    assert!(mean.abs() < 1e-4, "{mean}");
    assert_eq!(waveform.quality().seconds, 2.0);
    assert_eq!(waveform.speech().len(), audio::num_frames(32_000));
}

#[test]
fn lying_headers_are_read_with_a_warning() {
    let data: Vec<u8> = buzz(8_000, 16_000)
        .iter()
        .flat_map(|x| ((x * 32_768.0) as i16).to_le_bytes())
        .collect();
    let whole = wav(1, 1, 16_000, 16, &data);
    let patched = |size: u32| {
        let mut bytes = whole.clone();
        bytes[40..44].copy_from_slice(&size.to_le_bytes());
        bytes
    };
    let cases = [
        (whole[..8_044].to_vec(), 4_000),
        (whole[..8_043].to_vec(), 3_999),
        (patched(u32::MAX), 8_000),
        (patched(0x7FFF_F000), 8_000),
        (patched(0), 8_000),
        (patched(15_999), 7_999),
    ];
    for (bytes, num_samples) in cases {
        let (_dir, path) = in_dir();
        fs::write(&path, &bytes).unwrap();
        let waveform = read(&path);
        assert_eq!(waveform.samples().len(), num_samples);
        assert!(waveform.quality().warning.is_some());
        // Of a size that stands for "not known" nothing is missing.
        let promised = u32::from_le_bytes(bytes[40..44].try_into().unwrap());
        let truncated = promised == 16_000 && bytes.len() < 16_044;
        assert_eq!(waveform.quality().truncated, truncated);
    }
}

#[test]
fn what_is_no_audio_is_refused_by_what_it_is() {
    assert_refused(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "is a PNG image");
    assert_refused(b"<!DOCTYPE html><html><body>404</body></html>", "is text");
    assert_refused(b"", "is empty");
    assert_refused(&[0; 44], "zeros");
    assert_refused(b"RIFF", "RIFF file of another kind");
    assert_refused(&[0x17; 500], "not in an audio format");
    assert_refused(&wav(1, 0, 16_000, 16, &[0; 320]), "0 channels");
    assert_refused(&wav(1, 1, 16_000, 16, &[]), "holds no audio");
    assert_refused(&wav(1, 1, 16_000, 1, &[0; 320]), "1 bits");
    assert_refused(&wav(0x55, 1, 16_000, 8, &[0; 320]), "MPEG audio inside");
    assert_refused(
        &wav(3, 1, 16_000, 32, &f32::NAN.to_le_bytes()),
        "not finite",
    );
    assert_refused(&wav(3, 1, 16_000, 32, &1e20f32.to_le_bytes()), "range");
}

#[test]
fn recordings_have_a_length_and_files_a_size() {
    let (_dir, path) = in_dir();
    write(&path, &buzz(32_001, 16_000), 1, 16_000, 16, false);
    let read = |max_seconds, max_bytes| {
        let options = ReadOptions {
            max_seconds,
            max_bytes,
            ..ReadOptions::default()
        };
        let of_file = audio::read(&path, &options).map_err(|e| e.to_string());
        let bytes = fs::read(&path).unwrap();
        let of_stream = audio::read_from(&bytes[..], &path, &options).map_err(|e| e.to_string());
        assert_eq!(of_file.as_ref().err(), of_stream.as_ref().err());
        of_file
    };
    read(Some(3), Some(64_046)).unwrap();
    let text = read(Some(2), None).unwrap_err();
    assert!(
        text.contains("longer than 2 s") && text.contains("`max_seconds`"),
        "{text}"
    );
    let text = read(None, Some(64_045)).unwrap_err();
    assert!(
        text.contains("larger than 64045 bytes") && text.contains("`max_bytes`"),
        "{text}"
    );
    // 14 kB may hold an hour: an excerpt of it is kept.
    let silence = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/audio/silence-1h.flac");
    let quality = audio::read(&silence, &ReadOptions::default())
        .unwrap()
        .quality();
    assert_eq!(quality.seconds, 3_600.0);
    assert!(quality.used_seconds <= 180.0);
}

#[test]
fn a_stream_is_read_like_a_file() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    for name in ["voices/anna-1.wav", "audio/buzz.flac", "audio/buzz.m4a"] {
        let path = fixtures.join(name);
        let stream = fs::File::open(&path).unwrap();
        let streamed = audio::read_from(stream, Path::new("-"), &ReadOptions::default()).unwrap();
        assert_eq!(streamed.samples(), read(&path).samples());
    }
}

#[test]
fn what_is_no_recording_of_speech_may_still_be_decoded() {
    for rate_hz in [1_234, 384_000] {
        let (_dir, path) = in_dir();
        fs::write(&path, wav(1, 1, rate_hz, 16, &[7; 200])).unwrap();
        assert_eq!(audio::decode(&path).unwrap().rate_hz, rate_hz);
        assert!(refusal(&path).0.contains("sample rate"));
    }
}

#[test]
fn missing_files_directories_and_devices_are_told_apart() {
    let (dir, path) = in_dir();
    let (text, code) = refusal(&path);
    assert!(text.contains("cannot read"), "{text}");
    assert_eq!(code, 5);
    let (text, code) = refusal(dir.path());
    assert!(text.contains("is a directory"), "{text}");
    assert_eq!(code, 3);
    if cfg!(unix) {
        assert!(refusal(Path::new("/dev/zero")).0.contains("device"));
    }
}

#[test]
fn damaged_files_are_refused_or_read_but_never_panic() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/audio");
    let (_dir, wav) = in_dir();
    write(&wav, &buzz(2_000, 16_000), 2, 16_000, 24, false);
    let mut paths: Vec<PathBuf> = ["flac", "mp3", "ogg", "m4a"]
        .map(|ending| fixtures.join("buzz").with_extension(ending))
        .to_vec();
    paths.push(wav);
    let mut state = 1u64;
    let mut random = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) as usize % below
    };
    let (_dir, damaged) = in_dir();
    for path in paths {
        let whole = fs::read(&path).unwrap();
        for _ in 0..60 {
            let mut bytes = whole.clone();
            for _ in 0..1 + random(6) {
                let in_header = random(2) == 0;
                let at = random(bytes.len().min(if in_header { 80 } else { usize::MAX }));
                bytes[at] = [0x00, 0xFF, 0x7F, 0x80][random(4)];
            }
            if random(3) == 0 {
                bytes.truncate(1 + random(whole.len()));
            }
            fs::write(&damaged, &bytes).unwrap();
            match audio::read(&damaged, &ReadOptions::default()) {
                Ok(waveform) => assert!(waveform.samples().iter().all(|x| x.is_finite())),
                Err(error) => assert_eq!(error.exit_code(), 3, "{error}"),
            }
        }
    }
}

#[test]
fn samples_in_memory_are_checked_like_files() {
    let waveform = Waveform::from_samples(buzz(44_100, 44_100), 44_100).unwrap();
    assert_eq!(waveform.samples().len(), 16_000);
    let refused = |samples: Vec<f32>, rate_hz| {
        matches!(
            Waveform::from_samples(samples, rate_hz),
            Err(Error::Audio { .. })
        )
    };
    assert!(refused(vec![], 16_000));
    assert!(refused(vec![0.0, f32::NAN], 16_000));
    assert!(refused(vec![0.0, f32::INFINITY], 16_000));
    assert!(refused(vec![2e12; 16_000], 16_000));
    assert!(refused(vec![1e-40; 16_000], 16_000));
    assert!(refused(vec![0.1; 16_000], 4_000));
    // One sample and a tenth of a second are recordings, however short.
    for num_samples in [1, 1_600] {
        let short = Waveform::from_samples(buzz(num_samples, 16_000), 16_000).unwrap();
        assert_eq!(short.samples().len(), num_samples);
    }
}

/// Steady noise, hum, tones, alarms and clicks hold no voice; silence is called silence.
#[test]
fn noise_and_tones_are_no_speech() {
    let len = 48_000;
    let seconds = |n: usize| n as f32 / 16_000.0;
    let white: Vec<f32> = noise(len, 7).iter().map(|x| 0.2 * x).collect();
    let mut level = 0.0;
    let brown = white.iter().map(|x| {
        level = 0.98 * level + 0.1 * x;
        level
    });
    let swelling = |(n, x): (usize, &f32)| x * (0.55 + 0.45 * (TAU * 4.0 * seconds(n)).sin());
    let tone = |hz: f32| {
        (0..len)
            .map(move |n| 0.5 * (TAU * hz * seconds(n)).sin())
            .collect()
    };
    let gated = |n: usize| f32::from(n % 8_000 < 4_000);
    let beeps = (0..len).map(|n| gated(n) * (TAU * 440.0 * seconds(n)).sin());
    let hum = (0..len).map(|n| {
        let harmonics = (1..30).map(|k| (TAU * 50.0 * k as f32 * seconds(n)).sin() / k as f32);
        0.1 * harmonics.sum::<f32>()
    });
    let sounds: [(&str, Vec<f32>); 9] = [
        (
            "swelling noise",
            white.iter().enumerate().map(swelling).collect(),
        ),
        ("brown noise", brown.collect()),
        ("quiet noise", white.iter().map(|x| 0.01 * x).collect()),
        ("1 kHz", tone(1_000.0)),
        ("150 Hz", tone(150.0)),
        ("beeps", beeps.collect()),
        ("hum", hum.collect()),
        (
            "clicks",
            (0..len).map(|n| f32::from(n % 1_600 == 0)).collect(),
        ),
        ("white noise", white),
    ];
    for (name, samples) in sounds {
        let waveform = Waveform::from_samples(samples, 16_000).unwrap();
        assert_eq!(waveform.quality().content, Content::NoSpeech, "{name}");
    }
    for silence in [vec![0.0; len], vec![0.5; len], vec![1e-5; len]] {
        let waveform = Waveform::from_samples(silence, 16_000).unwrap();
        assert_eq!(waveform.quality().content, Content::Silence);
    }
}

#[test]
fn clipping_is_told_from_full_scale_and_bandwidth_from_rate() {
    let voice = buzz(32_000, 16_000);
    let peak = voice.iter().fold(0.0f32, |p, x| p.max(x.abs()));
    let clipped_at = |gain: f32, top: f32| {
        let samples = voice
            .iter()
            .map(|x| (gain * x / peak).clamp(-top, top))
            .collect();
        Waveform::from_samples(samples, 16_000)
            .unwrap()
            .quality()
            .clipped
    };
    assert!(clipped_at(1.0, 1.0) < 0.01, "{}", clipped_at(1.0, 1.0));
    assert!(clipped_at(4.0, 1.0) > 0.05);
    assert!(clipped_at(4.0, 0.5) > 0.05);

    let hiss: Vec<f32> = noise(16_000, 7).iter().map(|x| 0.5 * x).collect();
    let bandwidth_hz = |samples: &[f32], rate_hz| {
        let waveform = Waveform::from_samples(samples.to_vec(), rate_hz).unwrap();
        waveform.quality().bandwidth_hz
    };
    assert!((3_700.0..4_300.0).contains(&bandwidth_hz(&hiss, 8_000)));
    assert!(bandwidth_hz(&hiss, 16_000) > 7_500.0);
}
