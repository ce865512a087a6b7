"""Listening while the recording is made."""

import pytest

import spkver

numpy = pytest.importorskip("numpy")


def test_the_end_is_as_of_a_file(verifier, voice, pcm):
    listener = spkver.Listener(verifier, 16000)
    assert listener.heard is None
    samples = pcm("anna-1")
    states = [listener.push(samples[at : at + 1600]) for at in range(0, len(samples), 1600)]
    assert states[-1].seconds == pytest.approx(len(samples) / 16000)
    assert any(state.is_new for state in states) and listener.heard
    assert all(state.llr is None and state.decision is None for state in states)
    heard = listener.finish()
    assert (heard.values == verifier.embed(voice("anna-1")).values).all()
    for work in [listener.finish, lambda: listener.push(samples)]:
        with pytest.raises(spkver.UsageError, match="has finished"):
            work()


def test_a_claim_has_scores(verifier, voice, pcm):
    anna = verifier.enroll("anna", voice("anna-2"))
    listener = spkver.Listener(verifier, 48000, anna)
    state = listener.push(numpy.repeat(pcm("anna-1"), 3))
    assert state.llr > 0 and state.decision in (None, "accept")
    other = spkver.Listener(verifier, 16000, anna)
    assert other.push(pcm("boris-1")).llr < 0


def test_silence_has_a_reason_and_no_score(verifier, voice):
    anna = verifier.enroll("anna", voice("anna-2"))
    listener = spkver.Listener(verifier, 8000, anna)
    state = listener.push(numpy.zeros(16000, "f4"))
    assert state.is_new and state.llr is None and state.decision is None
    assert listener.heard.code == "silence" and listener.finish().code == "silence"


def test_wrong_calls_are_refused(verifier, voice):
    with pytest.raises(spkver.Error) as error:
        spkver.Listener(verifier, 7)
    assert error.value.code == "audio"
    with pytest.raises(spkver.UsageError, match="claimed voiceprint"):
        spkver.Listener(verifier, 16000, false_accept=0.01)
    listener = spkver.Listener(verifier, 16000)
    with pytest.raises(spkver.Error):
        listener.push(numpy.array([numpy.nan]))
    assert listener.push(numpy.zeros(800)).seconds == pytest.approx(0.05)
