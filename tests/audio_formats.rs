//! What users hand over besides WAV, FLAC and MP3: what telephones, browsers, Macs and old corpora
//! write, and headers that state what is not so. The recordings lie in `fixtures/formats` and
//! `fixtures/audio`; the headers are made here.

mod wav_file;

use spkver::audio::{self, Decoded, ReadOptions};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const RATE_HZ: u32 = 16_000;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures")
        .join(name)
}

fn in_a_file(bytes: &[u8]) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.wav");
    fs::write(&path, bytes).unwrap();
    (dir, path)
}

/// What is decoded of a file of these bytes.
fn decoded(bytes: &[u8]) -> Decoded {
    let (_dir, path) = in_a_file(bytes);
    audio::decode(&path).unwrap()
}

fn refusal(path: &Path) -> String {
    let error = audio::read(path, &ReadOptions::default()).unwrap_err();
    assert_eq!(error.exit_code(), 3);
    error.to_string()
}

fn refusal_of(bytes: &[u8]) -> String {
    let (_dir, path) = in_a_file(bytes);
    refusal(&path)
}

/// The half second that the fixtures hold, as 16-bit samples.
fn buzz() -> Vec<i16> {
    let buzz = audio::decode(&fixture("audio/buzz.flac")).unwrap();
    assert_eq!((buzz.rate_hz, buzz.num_channels), (RATE_HZ, 1));
    let to_i16 = |x: &f32| (x * 32_768.0) as i16;
    buzz.samples.iter().map(to_i16).collect()
}

fn little_endian(samples: &[i16]) -> Vec<u8> {
    samples.iter().flat_map(|x| x.to_le_bytes()).collect()
}

fn floats(samples: &[i16]) -> Vec<f32> {
    samples.iter().map(|x| f32::from(*x) / 32_768.0).collect()
}

/// A WAV file of one channel with this many bytes a sample, that claims so many bytes in all.
fn wav(bits: u16, align: u16, data: &[u8], claimed: usize) -> Vec<u8> {
    let mut bytes = wav_file::wav(1, 1, RATE_HZ, bits, data);
    bytes[32..34].copy_from_slice(&align.to_le_bytes());
    bytes[40..44].copy_from_slice(&(claimed as u32).to_le_bytes());
    bytes
}

/// Correlation with the buzz, of the same recording at 16 kHz that may start some samples later.
fn likeness(path: &Path) -> f64 {
    let waveform = audio::read(path, &ReadOptions::default()).unwrap();
    let (heard, wanted) = (waveform.samples(), floats(&buzz()));
    let at = |lag: usize| {
        let pairs = || heard[lag..].iter().zip(&wanted);
        let sum = |term: fn(f64, f64) -> f64| -> f64 {
            pairs().map(|(x, y)| term((*x).into(), (*y).into())).sum()
        };
        sum(|x, y| x * y) / (sum(|x, _| x * x) * sum(|_, y| y * y)).sqrt()
    };
    (0..200).map(at).fold(0.0, f64::max)
}

#[test]
fn wav_with_24_bits_in_4_bytes_is_read_with_a_warning() {
    let samples = buzz();
    let wide = |x: &i16| (i32::from(*x) << 16).to_le_bytes();
    let data: Vec<u8> = samples.iter().flat_map(wide).collect();
    let read = decoded(&wav(24, 4, &data, data.len()));
    assert_eq!(read.samples, floats(&samples));
    let warning = read.warning.unwrap();
    assert!(warning.contains("24-bit samples in 4 bytes"), "{warning}");
    assert!(!read.truncated);
}

#[test]
fn wav_that_claims_too_many_bytes_per_frame_is_read_with_a_warning() {
    let samples = buzz();
    let data = little_endian(&samples);
    let read = decoded(&wav(16, 4, &data, data.len()));
    assert_eq!(read.samples, floats(&samples));
    let warning = read.warning.unwrap();
    assert!(warning.contains("claims 4 bytes per frame"), "{warning}");
    assert!(!read.truncated);
}

#[test]
fn audio_behind_a_stale_data_size_is_not_lost_without_a_word() {
    let data = little_endian(&buzz());
    let read = decoded(&wav(16, 2, &data, data.len() / 2));
    assert_eq!(read.samples.len(), data.len() / 4);
    let warning = read.warning.unwrap();
    assert!(warning.contains("8000 more lie behind them"), "{warning}");
    assert!(read.truncated, "an enrolment refuses it");
}

#[test]
fn a_second_wav_in_one_file_is_not_lost_without_a_word() {
    let data = little_endian(&buzz());
    let one = wav(16, 2, &data, data.len());
    let read = decoded(&[one.clone(), one].concat());
    assert_eq!(read.samples.len(), data.len() / 2);
    let warning = read.warning.unwrap();
    assert!(warning.contains("a second WAV file"), "{warning}");
    assert!(read.truncated);
}

#[test]
fn remarks_and_padding_behind_the_audio_are_no_reason_to_warn() {
    let data = little_endian(&buzz());
    let one = wav(16, 2, &data, data.len());
    let remark = [b"LIST\xD0\x07\0\0INFO".to_vec(), vec![b'x'; 1996]].concat();
    let id3 = [b"ID3".to_vec(), vec![7; 1000]].concat();
    for behind in [remark, vec![0; 4000], id3] {
        let read = decoded(&[one.clone(), behind].concat());
        assert_eq!((read.warning, read.truncated), (None, false));
    }
}

#[test]
fn both_links_of_a_chained_ogg_are_read() {
    let read = audio::decode(&fixture("formats/two-links.ogg")).unwrap();
    let single = audio::decode(&fixture("audio/buzz.ogg")).unwrap();
    let ratio = read.samples.len() as f64 / single.samples.len() as f64;
    assert!((1.9..2.01).contains(&ratio), "{ratio}");
    assert_eq!((read.warning, read.truncated), (None, false));
}

#[test]
fn a_link_of_another_rate_is_not_lost_without_a_word() {
    let read = audio::decode(&fixture("formats/two-rates.ogg")).unwrap();
    let warning = read.warning.unwrap();
    assert!(warning.contains("a further recording"), "{warning}");
    assert!(read.truncated);
}

fn sphere(coding: &str, bytes: usize, order: &str, count: usize) -> Vec<u8> {
    let mut header = format!(
        "NIST_1A\n   1024\nsample_count -i {count}\nsample_n_bytes -i {bytes}\nchannel_count -i 1\n\
         sample_byte_format -s2 {order}\nsample_rate -i {RATE_HZ}\nsample_coding -s3 {coding}\nend_head\n"
    )
    .into_bytes();
    header.resize(1024, b' ');
    header
}

#[test]
fn nist_sphere_is_read() {
    let samples = buzz();
    for order in ["01", "10"] {
        let mut data = little_endian(&samples);
        if order == "10" {
            data.chunks_exact_mut(2).for_each(<[u8]>::reverse);
        }
        let file = [sphere("pcm", 2, order, samples.len()), data].concat();
        let read = decoded(&file);
        assert_eq!(read.samples, floats(&samples));
        assert_eq!((read.rate_hz, read.warning), (RATE_HZ, None));
    }
    let every_byte: Vec<u8> = (0..=255).collect();
    let mulaw = [sphere("ulaw", 1, "1", 256), every_byte].concat();
    let read = decoded(&mulaw);
    assert_eq!(read.samples.len(), 256);
    assert_eq!(read.samples[0], -32_124.0 / 32_768.0);
}

#[test]
fn shortened_sphere_is_refused_as_sphere() {
    let coding = "pcm,embedded-shorten-v2.00";
    let file = [sphere(coding, 2, "01", 256), vec![7; 512]].concat();
    let text = refusal_of(&file);
    assert!(text.contains("is NIST SPHERE with the coding"), "{text}");
}

#[test]
fn au_is_read() {
    let samples = buzz();
    let mut file = b".snd".to_vec();
    for field in [24, u32::MAX, 3, RATE_HZ, 1] {
        file.extend(field.to_be_bytes());
    }
    file.extend(samples.iter().flat_map(|x| x.to_be_bytes()));
    let read = decoded(&file);
    assert_eq!(read.samples, floats(&samples));
    assert!(!read.truncated);
}

#[test]
fn raw_samples_are_read_as_the_user_says() {
    let samples = buzz();
    let (_dir, path) = in_a_file(&little_endian(&samples));
    let raw = |text: &str| ReadOptions {
        raw: Some(text.parse().unwrap()),
        ..ReadOptions::default()
    };
    let read = audio::read(&path, &raw("s16le:16000:1")).unwrap();
    assert_eq!(read.samples().len(), samples.len());
    let stereo = audio::read(&path, &raw("s16le:16000:2")).unwrap();
    assert_eq!(stereo.samples().len(), samples.len() / 2);
    // What has a header is read by it.
    let flac = audio::read(&fixture("audio/buzz.flac"), &raw("s16le:8000:1")).unwrap();
    assert_eq!(flac.samples(), read.samples());
    for wrong in [
        "s16le",
        "s16le:16000",
        "s17le:16000:1",
        "s16le:1:1",
        "s16le:16000:0",
    ] {
        assert!(wrong.parse::<audio::RawFormat>().is_err(), "{wrong}");
    }
}

#[test]
fn what_macs_and_browsers_write_without_loss_is_read_to_the_bit() {
    for name in ["buzz.aiff", "buzz.caf", "alac.caf", "alac.m4a"] {
        let read = audio::decode(&fixture("formats").join(name)).unwrap();
        assert_eq!(read.rate_hz, RATE_HZ, "{name}");
        assert_eq!(read.warning, None, "{name}");
        let wanted = floats(&buzz());
        assert_eq!(read.samples[..wanted.len()], wanted, "{name}");
    }
}

#[test]
fn matroska_and_webm_with_vorbis_sound_as_ogg_does() {
    for name in ["vorbis.mkv", "vorbis.webm"] {
        let path = fixture("formats").join(name);
        let likeness = likeness(&path);
        // Matroska does not say how much of the first block is to be dropped.
        assert!(likeness > 0.97, "{name}: {likeness}");
    }
}

/// What libopus decodes of the file of this name.
fn of_libopus(name: &str) -> Decoded {
    audio::decode(&fixture(&format!("formats/libopus/{name}.flac"))).unwrap()
}

fn opus(name: &str) -> Decoded {
    audio::decode(&fixture(&format!("formats/{name}.opus"))).unwrap()
}

/// Root of the mean squared difference.
fn rms_difference(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    let squares = a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2));
    (squares.sum::<f64>() / a.len() as f64).sqrt()
}

#[test]
fn opus_from_phones_and_browsers_sounds_as_libopus_decodes_it() {
    let names = [
        "opus-8k-dtx",
        "opus-16k",
        "opus-24k-stereo",
        "opus-48k-gain",
        "opus-chain",
    ];
    for name in names {
        let (read, wanted) = (opus(name), of_libopus(name));
        assert_eq!(read.num_channels, wanted.num_channels, "{name}");
        assert_eq!((read.rate_hz, wanted.rate_hz), (48_000, 48_000), "{name}");
        // As many samples, too: what a player leaves out at both ends is left out.
        let difference = rms_difference(&read.samples, &wanted.samples);
        assert!(difference < 1e-4, "{name}: {difference}");
        assert_eq!((read.warning, read.truncated), (None, false), "{name}");
    }
}

#[test]
fn opus_is_the_same_in_ogg_webm_and_mp4() {
    let ogg = opus("opus").samples;
    for name in ["opus.webm", "opus.mp4"] {
        let read = audio::decode(&fixture("formats").join(name)).unwrap();
        // Neither says where the recording ends within the last packet.
        assert!(read.samples.len() - ogg.len() < 960, "{name}");
        assert_eq!(read.samples[..ogg.len()], ogg, "{name}");
        assert_eq!((read.warning, read.truncated), (None, false), "{name}");
    }
}

#[test]
fn damaged_packets_of_opus_are_left_out_with_a_warning() {
    let mut bytes = fs::read(fixture("formats/opus.mp4")).unwrap();
    let whole = decoded(&bytes).samples.len();
    // No packet begins with these bytes.
    let data = bytes.windows(4).position(|w| w == b"mdat").unwrap();
    bytes[data + 900..data + 1500].fill(0xFF);
    let read = decoded(&bytes);
    assert!(read.samples.len() < whole);
    let warning = read.warning.unwrap();
    assert!(warning.contains("packets are damaged"), "{warning}");
}

#[test]
fn surround_opus_is_refused_with_its_number_of_channels() {
    let text = refusal(&fixture("formats/opus-surround.opus"));
    assert!(text.contains("has Opus with 6 channels"), "{text}");
}

#[test]
fn refusals_name_what_the_file_is() {
    let amr = refusal(&fixture("formats/amr.3gp"));
    assert!(amr.contains("has AMR inside"), "{amr}");
    let surround = refusal(&fixture("formats/aac51.m4a"));
    assert!(
        surround.contains("has AAC-LC with 5.1 channels"),
        "{surround}"
    );
    assert!(!surround.contains("M4A"), "it is that already: {surround}");
    let mut no_index = fs::read(fixture("formats/alac.m4a")).unwrap();
    let at = no_index.windows(4).position(|w| w == b"moov").unwrap();
    no_index[at..at + 4].copy_from_slice(b"free");
    let text = refusal_of(&no_index);
    assert!(text.contains("without its index (`moov`)"), "{text}");
    assert!(!text.contains("convert"), "{text}");
    let wma = refusal_of(b"\x30\x26\xB2\x75\x8E\x66\xCF\x11\xA6\xD9\0\xAA\0\x62\xCE\x6C");
    assert!(wma.contains("is Windows Media"), "{wma}");
}
