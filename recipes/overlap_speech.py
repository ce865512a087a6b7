#!/usr/bin/env python3
"""Recordings that the detector of overlapped speech learns from, besides those of prepare_speech.py.

    overlap_speech.py OUT

OUT is the folder that prepare_speech.py wrote. Adds to it
- synthetic/: 300 voices of espeak-ng, each of another language, variant, pitch, tempo and size, eight recordings each.
  They are of one voice, however even their pitch is;
- coded/: copies of 2,000 labelled and 800 synthetic recordings that went through MP3, Opus or AAC at a low rate, since
  coding leaves tones and gaps that could pass for a second voice;
- overlap.csv, the manifest of all labelled and synthetic recordings, and overlap-coded.csv, which has the copies too.
Everything random is seeded by a name. Needs espeak-ng, ffmpeg, numpy, soundfile and soxr. Other versions of
espeak-ng and ffmpeg make other recordings.
"""

import concurrent.futures
import csv
import pathlib
import random
import subprocess
import sys

import numpy as np
import soundfile
import soxr

RATE_HZ = 16000
ESPEAK_HZ = 22050
NUM_VOICES = 300
NUM_RECORDINGS = 8
COLUMNS = ["path", "split", "speaker", "session", "corpus", "label"]

# The voices of fixtures/voices use other variants.
VARIANTS = (
    "f1 f3 f5 m1 m2 m4 m5 m6 m7 m8 klatt klatt3 klatt4 croak Alex Alicia Andrea Andy anikaRobot Annie antonio AnxiousAndy "
    "aunty belinda benjamin boris caleb david Denis Diogo ed edward edward2 Gene Gene2 Henrique Hugo iven iven2 iven3 iven4 "
    "Jacky john kaukovalta linda Lee Marco Mario max Michael michel miguel Mike mike2 norbert paul pedro rob robert Robosoft "
    "Robosoft2 Robosoft3 sandro shelby steph steph2 steph3 Storm travis victor whisper zac"
).split()

ENGLISH = [
    "The report says that prices will rise again before winter.",
    "I left my keys somewhere between the car and the office.",
    "Nine small birds were sitting on the fence this morning.",
    "Could you send me the figures for the last three months?",
    "Their house stands on a hill with a view of the sea.",
    "We changed trains twice and still arrived too early.",
    "Please call me back as soon as you have read this.",
    "The soup needs salt, pepper and a little more time.",
    "Seven four two nine zero one eight six three five.",
    "My password is known to nobody but my own voice.",
]
SENTENCES = {voice: ENGLISH for voice in ("en-us", "en-gb", "en-gb-x-rp", "en-gb-scotland", "en-029", "en-gb-x-gbclan")} | {
    "de": [
        "Der Zug nach Hamburg ist heute leider ausgefallen.",
        "Ich habe meine Tasche im Büro liegen lassen.",
        "Morgen wird es regnen, und am Abend wird es kalt.",
        "Kannst du mir bitte das Salz herüberreichen?",
    ],
    "es": [
        "El tren de la mañana sale con media hora de retraso.",
        "Mi hermana vive cerca del mercado viejo.",
        "Mañana iremos a la playa si no llueve.",
        "No encuentro las llaves de la casa.",
    ],
    "fr-fr": [
        "Le train pour Lyon partira dans une heure.",
        "Nous avons mangé dans un petit restaurant hier soir.",
        "Il fait beau, mais le vent est froid.",
        "Je cherche la clé de la maison de mon frère.",
    ],
    "it": [
        "Il treno per Milano è in ritardo di venti minuti.",
        "Domani andremo al mare con gli amici.",
        "La casa sulla collina è stata venduta.",
        "Non trovo più le chiavi della macchina.",
    ],
}

# Arguments of ffmpeg and endings; half of the copies are MP3 at 24 kbit/s or less.
CODECS = [(["-c:a", "libmp3lame", "-b:a", f"{rate}k"], "mp3") for rate in (16, 24, 24, 32)] + [
    (["-c:a", "libopus", "-b:a", "12k"], "opus"),
    (["-c:a", "aac", "-b:a", "20k"], "m4a"),
]


def voice(out, number):
    """The rows of a synthetic voice, and its recordings."""
    draw = random.Random(f"synthetic-{number}")
    language, variant = draw.choice(list(SENTENCES)), draw.choice(VARIANTS)
    pitch, words, size = draw.randint(5, 95), draw.randint(130, 190), draw.uniform(0.84, 1.36)
    rows = []
    for recording in range(NUM_RECORDINGS):
        sentences = draw.sample(SENTENCES[language], 2)
        row = [f"synthetic/synthetic-{number:03}/{recording}.wav", "train", f"synthetic-{number:03}", "", "synthetic", "speaker"]
        path = out / row[0]
        path.parent.mkdir(parents=True, exist_ok=True)
        own_pitch = min(99, max(0, pitch + draw.randint(-4, 4)))
        own_words = int((words + draw.randint(-10, 10)) / size)
        command = ["espeak-ng", "-v", f"{language}+{variant}", "-p", str(own_pitch), "-s", str(own_words), "--stdout"]
        wav = subprocess.run([*command, " ".join(sentences)], capture_output=True, check=True).stdout
        spoken = np.frombuffer(wav[44 : len(wav) // 2 * 2], "<i2").astype(np.float32)
        # Played faster, as a smaller vocal tract would sound.
        samples = soxr.resample(spoken, ESPEAK_HZ * size, RATE_HZ)
        samples = samples / np.abs(samples).max() * draw.uniform(0.1, 0.8)
        soundfile.write(path, samples, RATE_HZ, subtype="PCM_16")
        rows.append(dict(zip(COLUMNS, row)))
    return rows


def copy(out, row):
    """The row of a coded copy, and the copy."""
    arguments, ending = random.Random("coded " + row["path"]).choice(CODECS)
    path = "coded/" + row["path"]
    target = out / path
    target.parent.mkdir(parents=True, exist_ok=True)
    coded = target.with_suffix("." + ending)
    ffmpeg = ["ffmpeg", "-v", "error", "-y", "-i"]
    subprocess.run([*ffmpeg, out / row["path"], *arguments, coded], check=True)
    subprocess.run([*ffmpeg, coded, "-ar", str(RATE_HZ), "-ac", "1", target], check=True)
    coded.unlink()
    return row | {"path": path}


def write(path, rows):
    with open(path, "w", newline="") as file:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        table.writerows(rows)


def main(out):
    out = pathlib.Path(out)
    with open(out / "manifest.csv", newline="") as rows:
        labelled = [row for row in csv.DictReader(rows) if row["label"] != "none" and row["split"] == "train"]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        voices = pool.map(lambda number: voice(out, number), range(NUM_VOICES))
        synthetic = [row for rows in voices for row in rows]
        draw = random.Random("coded")
        some = draw.sample(labelled, 2000) + draw.sample(synthetic, 800)
        coded = list(pool.map(lambda row: copy(out, row), some))
    write(out / "overlap.csv", labelled + synthetic)
    write(out / "overlap-coded.csv", labelled + synthetic + coded)
    print(f"{len(synthetic)} synthetic recordings, {len(coded)} coded copies")


main(sys.argv[1])
