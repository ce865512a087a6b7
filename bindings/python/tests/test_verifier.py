"""Embed, enroll, verify and compare."""

import math
import pickle

import pytest

import spkver


def test_a_speaker_is_enrolled_and_verified(verifier, voice):
    anna = verifier.enroll("Anna", [voice("anna-1"), voice("anna-2")])
    assert (anna.name, len(anna), anna.recordings) == ("Anna", 2, ["anna-1.wav", "anna-2.wav"])
    assert anna.speech_seconds > 2
    same = verifier.verify(anna, voice("anna-3"))
    assert same and same.accepted and same.decision == "accept"
    assert same.llr > 0 and same.probability > 0.5 and same.reason is None
    other = verifier.verify(anna, voice("boris-1"))
    assert not other and other.decision == "reject" and other.llr < 0 < 0.5 - other.probability
    assert repr(other).startswith("Verification(\"reject\", LLR -")


def test_the_operating_point_is_that_of_the_program(verifier, voice):
    both = voice("anna-1"), voice("anna-2")
    assert verifier.compare(*both).threshold == 0
    point = verifier.compare(*both, p_target=0.9, c_fa=5)
    assert point.p_target == 0.9 and abs(point.threshold - math.log(5 / 9)) < 1e-6
    assert verifier.compare(*both, threshold=1e6).decision == "reject"
    for wrong in [{"p_target": 1}, {"c_miss": -1}, {"threshold": math.nan}, {"threshold": 1, "c_fa": 2}]:
        with pytest.raises(spkver.UsageError):
            verifier.compare(*both, **wrong)


def test_an_embedding_is_a_vector_with_facts(verifier, voice):
    numpy = pytest.importorskip("numpy")
    anna = verifier.embed(voice("anna-1"))
    assert anna and anna.label == "anna-1.wav" and anna.speech_seconds > 1
    assert anna.values.dtype == numpy.float32 and anna.values.shape == (verifier.embedding_size,)
    assert len(anna) == verifier.embedding_size and anna.quality["original_rate_hz"] == 16000
    assert str(anna.values[0]) not in repr(anna)
    kept = spkver.Embedding(anna.values, anna.model)
    assert verifier.compare(kept, anna).llr == verifier.compare(anna, anna).llr
    with pytest.raises(spkver.UsageError, match="never makes"):
        verifier.enroll("anna", spkver.Embedding(anna.values / numpy.linalg.norm(anna.values), anna.model))
    again = pickle.loads(pickle.dumps(anna))
    assert (again.values == anna.values).all() and again.quality == anna.quality and again.label == anna.label


def test_a_refusal_is_a_value_with_a_reason(verifier, voice):
    silence = verifier.embed(voice("silence"))
    assert not silence and silence.code == "silence" and silence.label == "silence.wav"
    assert silence.text == "the recording is silent" and "microphone" in silence.remedy
    assert silence.quality["speech_seconds"] == 0
    answer = verifier.compare(voice("anna-1"), silence)
    assert not answer and answer.decision == "inconclusive" and answer.reason == "silence"
    assert answer.llr is None and answer.probability is None
    assert answer.reason_text == "silence.wav: the recording is silent" and answer.remedy == silence.remedy
    with pytest.raises(spkver.Error, match="silence.wav: the recording is silent") as error:
        verifier.enroll("anna", [voice("anna-1"), silence])
    assert error.value.code == "audio"


def test_errors_have_stable_codes(verifier, voice, contrary, tmp_path):
    with pytest.raises(FileNotFoundError, match="no-such.wav: cannot read") as error:
        verifier.embed("no-such.wav")
    assert isinstance(error.value, spkver.NotFoundError) and error.value.code == "not_found"
    text = tmp_path / "text.wav"
    text.write_text("no audio")
    with pytest.raises(spkver.Error) as error:
        verifier.embed(text)
    assert error.value.code == "audio"
    with pytest.raises(spkver.Error) as error:
        spkver.Verifier(text)
    assert error.value.code == "model"
    with pytest.raises(spkver.Error, match="does not sound like the other") as error:
        verifier.enroll("anna", [voice("anna-1"), voice("anna-2"), contrary])
    assert error.value.code == "audio"
    with pytest.raises(ValueError):
        verifier.enroll("two\nlines", voice("anna-1"))
    with pytest.raises(spkver.UsageError):
        verifier.enroll("anna", [])
    for wrong in [None, 5, object()]:
        with pytest.raises(spkver.UsageError, match="neither an Embedding nor a path"):
            verifier.compare(wrong, voice("anna-1"))


def test_models_are_not_mixed(verifier, voice):
    numpy = pytest.importorskip("numpy")
    other = spkver.Embedding(numpy.ones(verifier.embedding_size, "f4"), "0" * 64)
    for work in [
        lambda: verifier.compare(other, voice("anna-1")),
        lambda: verifier.enroll("anna", other),
        lambda: verifier.score([(other, voice("anna-1"))]),
    ]:
        with pytest.raises(spkver.Error) as error:
            work()
        assert error.value.code == "model_mismatch"
    with pytest.raises(spkver.UsageError):
        spkver.Embedding([math.nan], "0" * 64)
    with pytest.raises(spkver.UsageError):
        spkver.Embedding([1.0], "no id")
