#!/usr/bin/env python3
"""Makes degraded copies of the recordings of trial lists, and lists that use them.

    degrade.py ROOT OUT TRIALS [TRIALS ...]

TRIALS are lists (`1|0 enrol test`) with paths below ROOT. For each condition C, writes the recording
ROOT/SPEAKER/FILE as 16 kHz WAV to OUT/SPEAKER/C/FILE, and for each list NAME two lists with paths
below OUT: OUT/NAME.C.txt, clean enrollment against a degraded test, and OUT/NAME.C-both.txt, both
sides degraded alike, where a system that hears the recording instead of the voice accepts strangers.
OUT/NAME.clean.txt has the copies as they are.
Everything random is seeded by the path and the condition. Needs numpy, scipy, soundfile and soxr.

    spkver evaluate OUT/NAME.C.txt --root OUT
"""

import concurrent.futures
import os
import pathlib
import sys
import zlib

import numpy as np
import scipy.signal
import soundfile
import soxr

RATE_HZ = 16000
# One pair of speakers of this list sounds like one person: a label in doubt.
DOUBTFUL = {"ocean-SPEAKER2168", "ocean-SPEAKER2282"}


def read(path):
    audio, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    return soxr.resample(audio.mean(axis=1), rate_hz, RATE_HZ).astype(np.float64)


def speech_level(x):
    """Mean square of the frames within 20 dB of the loudest ones."""
    frames = x[: len(x) // 160 * 160].reshape(-1, 160)
    power = (frames**2).mean(axis=1)
    loud = power > np.quantile(power, 0.95) / 100
    return power[loud].mean() if loud.any() else 1e-9


def is_speech(x):
    """One flag a sample: frames within 30 dB of the loudest ones, and 50 ms around them."""
    power = np.convolve(x**2, np.ones(400) / 400, mode="same")
    loud = power > np.quantile(power, 0.95) / 1000
    return np.convolve(loud, np.ones(1601), mode="same") > 0.5


def colored(rng, length, exponent):
    spectrum = np.fft.rfft(rng.standard_normal(length))
    hz = np.fft.rfftfreq(length, 1 / RATE_HZ)
    spectrum *= np.maximum(hz, 20.0) ** exponent
    return np.fft.irfft(spectrum, length)


def with_noise(x, noise, snr_db):
    return x + noise * np.sqrt(speech_level(x) / (noise**2).mean() / 10 ** (snr_db / 10))


def mains(length):
    t = np.arange(length) / RATE_HZ
    return sum(np.sin(2 * np.pi * 50 * k * t) / k for k in range(1, 11))


def band(x, low_hz, high_hz):
    if low_hz:
        sos = scipy.signal.butter(8, [low_hz, high_hz], "bandpass", fs=RATE_HZ, output="sos")
    else:
        sos = scipy.signal.butter(12, high_hz, "lowpass", fs=RATE_HZ, output="sos")
    return scipy.signal.sosfilt(sos, x)


def mu_law(x):
    x = np.clip(x / max(np.abs(x).max(), 1e-9) * 0.7, -1, 1)
    coded = np.round(np.log1p(255 * np.abs(x)) / np.log(256) * 127)
    return np.sign(x) * (256 ** (coded / 127) - 1) / 255


def bell(x, hz, gain_db, q):
    """Raises or lowers what lies around `hz` (the peaking equaliser of Bristow-Johnson's cookbook)."""
    gain = 10 ** (gain_db / 40)
    w = 2 * np.pi * hz / RATE_HZ
    alpha = np.sin(w) / (2 * q)
    b = [1 + alpha * gain, -2 * np.cos(w), 1 - alpha * gain]
    a = [1 + alpha / gain, -2 * np.cos(w), 1 - alpha / gain]
    return scipy.signal.lfilter(b, a, x)


def line(x, rng):
    """Another telephone for each recording: sometimes a room, its own response, band and noise, mu-law at 8 kHz."""
    if rng.random() < 0.3:
        seconds = rng.uniform(0.1, 0.3)
        decay = np.exp(-6.9 * np.linspace(0, 1, int(seconds * RATE_HZ)))
        room = rng.uniform(0.02, 0.06) * rng.standard_normal(len(decay)) * decay
        room[0] = 1
        x = scipy.signal.fftconvolve(x, room)[: len(x)]
    for _ in range(3):
        hz = np.exp(rng.uniform(np.log(250), np.log(3300)))
        x = bell(x, hz, rng.uniform(-9, 9), rng.uniform(0.7, 2.5))
    for kind, order, low_hz, high_hz in (("highpass", (2, 5), 120, 400), ("lowpass", (4, 9), 2700, 3700)):
        cutoff_hz = rng.uniform(low_hz, high_hz)
        sos = scipy.signal.butter(rng.integers(*order), cutoff_hz, kind, fs=RATE_HZ, output="sos")
        x = scipy.signal.sosfilt(sos, x)
    x = with_noise(x, colored(rng, len(x), rng.uniform(-1, 0)), rng.uniform(14, 35))
    return soxr.resample(mu_law(soxr.resample(x, RATE_HZ, 8000)), 8000, RATE_HZ)


def background(x, length):
    quiet = x[~is_speech(x)]
    if len(quiet) < RATE_HZ // 10:
        quiet = x[:1600]
    return np.resize(quiet, length)


def silence(seconds):
    return np.zeros(int(seconds * RATE_HZ))


def middle(x, inserted):
    half = len(x) // 2
    return np.concatenate([x[:half], inserted, x[half:]])


def cut(x, seconds):
    start = int(np.argmax(is_speech(x)))
    return x[start : start + int(seconds * RATE_HZ)]


CONDITIONS = {
    "clean": lambda x, rng: x,
    "white20": lambda x, rng: with_noise(x, colored(rng, len(x), 0.0), 20),
    "white10": lambda x, rng: with_noise(x, colored(rng, len(x), 0.0), 10),
    "pink20": lambda x, rng: with_noise(x, colored(rng, len(x), -0.5), 20),
    "pink10": lambda x, rng: with_noise(x, colored(rng, len(x), -0.5), 10),
    "lowpass": lambda x, rng: band(x, 0, 3400),
    "telephone": lambda x, rng: mu_law(band(x, 300, 3400)),
    "line": line,
    "hum20": lambda x, rng: with_noise(x, mains(len(x)), 20),
    "hum15": lambda x, rng: with_noise(x, mains(len(x)), 15),
    "silence3": lambda x, rng: np.concatenate([silence(3), x]),
    "silence10": lambda x, rng: np.concatenate([silence(5), x, silence(5)]),
    "middle3": lambda x, rng: middle(x, silence(3)),
    "gate": lambda x, rng: x * is_speech(x),
    "loop5": lambda x, rng: np.concatenate([x, background(x, 5 * RATE_HZ)]),
    "cut3": lambda x, rng: cut(x, 3),
    "cut2": lambda x, rng: cut(x, 2),
}


def degrade(job):
    source, out, path = job
    x = read(source)
    for name, condition in CONDITIONS.items():
        target = out / placed(path, name)
        if target.exists():
            continue
        rng = np.random.default_rng(zlib.crc32(f"{name} {path}".encode()))
        y = condition(x, rng)
        peak = np.abs(y).max()
        if peak > 0.99:
            y = y * (0.99 / peak)
        target.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(target, y, RATE_HZ, subtype="PCM_16")


def wav(path):
    return pathlib.Path(path).with_suffix(".wav")


def placed(path, condition):
    """Below the speaker's folder, which so still tells who speaks."""
    return path.parent / condition / path.name


def main(root, out, lists):
    root, out = pathlib.Path(root), pathlib.Path(out)
    out.mkdir(parents=True, exist_ok=True)
    paths = set()
    for name in lists:
        with open(name) as lines:
            trials = [line.split() for line in lines if line.strip()]
        trials = [
            (label, enroll, test)
            for label, enroll, test in trials
            if {pathlib.Path(enroll).parent.name, pathlib.Path(test).parent.name} != DOUBTFUL
        ]
        paths |= {path for _, enroll, test in trials for path in (enroll, test)}
        for condition in CONDITIONS:
            kinds = {"": "clean"} if condition == "clean" else {"": "clean", "-both": condition}
            for suffix, enrolled in kinds.items():
                with open(out / f"{pathlib.Path(name).stem}.{condition}{suffix}.txt", "w") as file:
                    for label, enroll, test in trials:
                        sides = placed(wav(enroll), enrolled), placed(wav(test), condition)
                        file.write(f"{label} {sides[0]} {sides[1]}\n")
    jobs = [(root / path, out, wav(path)) for path in sorted(paths)]
    with concurrent.futures.ProcessPoolExecutor(os.cpu_count()) as pool:
        for done, _ in enumerate(pool.map(degrade, jobs, chunksize=8), 1):
            if done % 200 == 0:
                print(f"{done}/{len(jobs)} recordings", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
