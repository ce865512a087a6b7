"""Samples of any rate and type, and batches."""

import multiprocessing
import os
import signal
import threading

import pytest

import spkver

numpy = pytest.importorskip("numpy")


def test_samples_and_files_give_the_same_bits(verifier, voice, pcm):
    file = verifier.embed(voice("anna-1")).values
    whole = pcm("anna-1")
    floats = whole / numpy.float32(32768)
    for samples in [
        whole,
        floats,
        floats.astype("f8"),
        floats.astype(">f4"),
        whole.astype("i4") * 65536,
        floats.reshape(1, -1),
        floats.reshape(-1, 1),
        numpy.repeat(floats, 2)[::2],
        floats.tolist(),
    ]:
        assert (verifier.embed(samples, 16000).values == file).all()


def test_any_rate(verifier, voice, pcm):
    samples = numpy.repeat(pcm("anna-1"), 3)
    embedding = verifier.embed(samples, rate_hz=48000)
    assert embedding.quality["original_rate_hz"] == 48000
    assert verifier.compare(embedding, voice("anna-2")).accepted


def test_what_is_no_mono_recording_is_refused(verifier, voice):
    samples = numpy.zeros(16000, "f4")
    for wrong, words in [
        ((samples,), "rate_hz is missing"),
        ((samples.reshape(2, -1), 16000), r"shape \(2, 8000\)"),
        ((samples.astype("c8"), 16000), "type complex64"),
        ((voice("anna-1"), 16000), "rate_hz is for samples"),
    ]:
        with pytest.raises(spkver.UsageError, match=words):
            verifier.embed(*wrong)
    for wrong in [(samples[:0], 16000), (samples, 7), (samples + numpy.nan, 16000)]:
        with pytest.raises(spkver.Error) as error:
            verifier.embed(*wrong)
        assert error.value.code == "audio"


def test_a_batch_is_in_order_and_no_recording_stops_it(verifier, voice, pcm):
    names = ["anna-1", "boris-1", "silence", "chloe-1"]
    singles = [verifier.embed(voice(name)) for name in names]
    for batch in [
        verifier.embed_batch([*map(voice, names), "no-such.wav"]),
        verifier.embed_batch([*map(pcm, names), pcm("anna-1")[:0]], rate_hz=16000),
    ]:
        for single, one in zip(singles, batch):
            assert bool(single) == bool(one)
            assert (single.values == one.values).all() if one else one.code == "silence"
        assert batch[4].code in ("not_found", "audio") and batch[4].quality is None
    rates = [16000, 48000]
    one, other = verifier.embed_batch([pcm("anna-1"), numpy.repeat(pcm("anna-1"), 3)], rates)
    assert other.quality["original_rate_hz"] == 48000
    assert verifier.embed_batch([]) == []
    with pytest.raises(spkver.UsageError, match="2 rates for 1 recordings"):
        verifier.embed_batch([pcm("anna-1")], rates)
    with pytest.raises(spkver.UsageError, match="type complex64"):
        verifier.embed_batch([pcm("anna-1").astype("c8")], 16000)


def test_other_threads_run_during_a_batch(verifier, pcm):
    ticks, stop = [], threading.Event()

    def tick():
        while not stop.wait(0.001):
            ticks.append(1)

    thread = threading.Thread(target=tick)
    thread.start()
    before = len(ticks)
    verifier.embed_batch([pcm("anna-1")] * 20, 16000)
    during = len(ticks) - before
    stop.set()
    thread.join()
    assert during > 0


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_ctrl_c_stops_a_batch(verifier, pcm):
    samples = pcm("anna-1")
    # What a shell runs in the background ignores this signal.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        verifier.embed_batch([samples] * 1_000_000, 16000)  # many hours
    timer.join()
    assert verifier.embed(samples, 16000)


def _embed_in_child(path, answers):
    answers.put(float(spkver.Verifier().embed_batch([path])[0].values[0]))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_process_does_not_hang(verifier, voice):
    own = verifier.embed_batch([voice("anna-1")])[0].values[0]
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    child = context.Process(target=_embed_in_child, args=(voice("anna-1"), answers))
    child.start()
    assert answers.get(timeout=60) == float(own)
    child.join()
