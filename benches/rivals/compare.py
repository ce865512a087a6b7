"""Our network against onnxruntime and our MFCC against kaldi-native-fbank, side by side.

    benches/rivals/run.sh            makes the environment and calls this

Both programs stay loaded and take turns, on one core, in CPU time; a row is the median of the
rounds, and its last columns say how many times faster ours is. onnxruntime runs the exported file
with one thread and all optimisations, inputs and outputs bound; kaldi-native-fbank is its C++ from
PyPI's wheel, called from Python with the cost of handing over the samples taken off.
"""

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
import wave
from pathlib import Path

import kaldi_native_fbank as knf
import numpy as np
import onnxruntime as ort
from onnxruntime.quantization import (CalibrationDataReader, QuantFormat, QuantType,
                                      quant_pre_process, quantize_static)

ROOT = Path(__file__).resolve().parents[2]
SECONDS = [1, 2, 3, 5, 10]
MIN_SAMPLE = 0.02  # seconds of one sample


class Own:
    """`benches/rivals/own.rs`: a command, an answer."""

    def __init__(self, program, wav, kernel="-", channels=None):
        args = [program, wav, kernel] + ([str(channels)] if channels else [])
        self.process = subprocess.Popen(args, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)

    def __call__(self, *words):
        print(*words, file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline().split()
        if not answer:
            raise SystemExit(f"no answer to {words}; the reason is above")
        return [float(word) for word in answer]

    def floats(self, folder, command, seconds):
        path = folder / f"{command}.f32"
        shape = self(command, seconds, path)
        values = np.fromfile(path, np.float32)
        return values.reshape([int(n) for n in shape])

    def timed(self, command, seconds):
        """A job: so many calls, seconds of CPU per call."""
        return lambda calls: self(command, seconds, calls)[0]


def timed(call):
    def job(calls):
        begun = time.process_time()
        for _ in range(calls):
            call()
        return (time.process_time() - begun) / calls
    return job


def alternate(jobs, rounds):
    """Medians, and the calls that made each sample."""
    calls = []
    for job in jobs:
        job(1)
        calls.append(max(1, int(np.ceil(MIN_SAMPLE / max(job(2), 1e-7)))))
    samples = [[] for _ in jobs]
    for _ in range(rounds):
        for job, n, to in zip(jobs, calls, samples):
            to.append(job(n))
    return [statistics.median(s) for s in samples]


def write_wav(path):
    """The fixtures' voices one after the other, 10 s."""
    parts = []
    for voice in sorted((ROOT / "fixtures/voices").glob("*-1.wav")):
        with wave.open(str(voice)) as file:
            parts.append(file.readframes(file.getnframes()))
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(b"".join(parts)[: 10 * 32000])


def session(path):
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def bound(session, features, size):
    binding = session.io_binding()
    binding.bind_ortvalue_input("feats", ort.OrtValue.ortvalue_from_numpy(features[None].copy()))
    output = ort.OrtValue.ortvalue_from_numpy(np.zeros((1, size), np.float32))
    binding.bind_ortvalue_output("embs", output)
    return lambda: session.run_with_iobinding(binding), output


class Calibration(CalibrationDataReader):
    def __init__(self, features):
        self.rest = [{"feats": part[None]} for part in features]

    def get_next(self):
        return self.rest.pop() if self.rest else None


def quantize(path, features, folder):
    """onnxruntime's static int8: unsigned activations per tensor, signed weights per channel."""
    ready, to = folder / "ready.onnx", folder / "int8.onnx"
    quant_pre_process(str(path), str(ready))
    pieces = [features[at: at + 300] for at in range(0, len(features) - 100, 100)]
    quantize_static(str(ready), str(to), Calibration(pieces), quant_format=QuantFormat.QDQ,
                    activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
                    per_channel=True)
    return to


def networks(program, wav, channels, rounds, folder):
    own = Own(program, wav, channels=channels)
    exported = folder / "net.onnx"
    own("onnx", exported)
    f32 = session(exported)
    int8 = session(quantize(exported, own.floats(folder, "features", 10), folder))
    name = f"network of {channels} random channels" if channels else "shipped network"
    print(f"\n{name}, ms of CPU\nspeech    ours  onnxruntime  ours is   int8 of onnxruntime  ours f32 is")
    rows = []
    for seconds in SECONDS:
        features = own.floats(folder, "features", seconds)
        wanted = own.floats(folder, "embedding", seconds)
        run_f32, out_f32 = bound(f32, features, len(wanted))
        run_int8, out_int8 = bound(int8, features, len(wanted))
        jobs = [own.timed("network", seconds), timed(run_f32), timed(run_int8)]
        ours, theirs, theirs_int8 = alternate(jobs, rounds)
        got = out_f32.numpy()[0]
        difference = np.abs(got - wanted).max() / np.abs(wanted).max()
        assert difference <= 1e-4, f"{seconds} s: onnxruntime differs by {difference:.1e}"
        print(f"{seconds:4} s  {ours * 1e3:7.3f}  {theirs * 1e3:11.3f}  {theirs / ours:6.2f}×"
              f"  {theirs_int8 * 1e3:20.3f}  {theirs_int8 / ours:10.2f}×")
        rows.append(dict(seconds=seconds, ours_ms=ours * 1e3, onnxruntime_ms=theirs * 1e3,
                         onnxruntime_int8_ms=theirs_int8 * 1e3, ratio=theirs / ours,
                         relative_difference=float(difference)))
    return rows


def knf_options(shift_ms=10.0):
    """The default front-end of spkver."""
    options = knf.MfccOptions()
    options.frame_opts.dither = 0
    options.frame_opts.frame_shift_ms = shift_ms
    options.mel_opts.num_bins = options.num_ceps = 54
    options.mel_opts.low_freq, options.mel_opts.high_freq = 20, 7600
    options.use_energy = False
    options.cepstral_lifter = 0
    return options


def mfcc(program, wav, kernels, rounds, folder):
    ours = [Own(program, wav, kernel) for kernel in kernels]
    samples = ours[0].floats(folder, "samples", 10)
    handed_over = samples.tolist()  # a list costs less to hand over than an array

    def theirs(shift_ms):
        extractor = knf.OnlineMfcc(knf_options(shift_ms), )
        extractor.accept_waveform(16000, handed_over)
        extractor.input_finished()
        return extractor

    num_frames = theirs(10.0).num_frames_ready
    assert num_frames == ours[0]("mfcc", 10, 1)[1]
    jobs = [own.timed("mfcc", 10) for own in ours]
    jobs += [timed(lambda: theirs(10.0)), timed(lambda: theirs(9000.0))]
    *own_times, all_of_it, handing_over = alternate(jobs, rounds)
    knf_ns = (all_of_it - handing_over) / num_frames * 1e9
    print(f"\nMFCC, ns of CPU a frame; kaldi-native-fbank {knf_ns:.0f}"
          f" (and {handing_over / num_frames * 1e9:.0f} to hand over the samples, taken off)")
    rows = []
    for kernel, seconds in zip(kernels, own_times):
        ns = seconds / num_frames * 1e9
        print(f"{kernel:>9}  {ns:7.0f}  ours is {knf_ns / ns:6.1f}×")
        rows.append(dict(kernel=kernel, ns=ns, ratio=knf_ns / ns))
    return dict(kaldi_native_fbank_ns=knf_ns, ours=rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--own", default=ROOT / "target/release/examples/own")
    parser.add_argument("--kernels", default="avx512,avx2,wide4",
                        help="of the MFCC rows; those that the CPU has")
    parser.add_argument("--channels", type=int, nargs="*", default=[128, 512],
                        help="random networks besides the shipped one")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)))
    parser.add_argument("--json", help="file for the numbers")
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {arguments.core})  # and what is started from here
    print(f"onnxruntime {ort.__version__}, kaldi-native-fbank {knf.__version__}, numpy {np.__version__}; "
          f"core {arguments.core}, medians of {arguments.rounds} rounds in turn")
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        wav = folder / "speech.wav"
        write_wav(wav)
        result = {"networks": {}}
        for channels in [None, *arguments.channels]:
            rows = networks(arguments.own, wav, channels, arguments.rounds, folder)
            result["networks"][channels or "shipped"] = rows
        result["mfcc"] = mfcc(arguments.own, wav, arguments.kernels.split(","),
                              arguments.rounds, folder)
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
