#!/usr/bin/env python3
"""VoxCeleb's folders in, a manifest for `spkver train` out: wav/id10001/<video>/00001.wav (or .m4a).

    recipes/voxceleb_manifest.py VOX1_DEV_WAV VOX2_DEV > voxceleb.csv

The speaker is the folder id…, the session the video. VoxCeleb 1's test speakers (id10270 to id10309)
are left out, so that Vox1-O stays a test.
"""
import csv
import sys
from pathlib import Path

TEST = {f"id{n}" for n in range(10270, 10310)}

out = csv.writer(sys.stdout)
out.writerow(["path", "speaker", "session", "corpus", "split"])
for root in map(Path, sys.argv[1:]):
    count = 0
    for speaker in sorted(p for p in root.iterdir() if p.is_dir() and p.name.startswith("id")):
        if speaker.name in TEST:
            continue
        for video in sorted(p for p in speaker.iterdir() if p.is_dir()):
            for file in sorted(video.iterdir()):
                if file.suffix in {".wav", ".m4a", ".flac"}:
                    session = f"{speaker.name}/{video.name}"
                    out.writerow([file.resolve(), speaker.name, session, "voxceleb", "train"])
                    count += 1
    print(f"{root}: {count} recordings", file=sys.stderr)
