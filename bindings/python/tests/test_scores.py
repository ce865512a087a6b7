"""Trials and their scores, from lists and DataFrames, and how often they are wrong."""

import math

import pytest

import spkver

PAIRS = [("anna-1", "anna-2"), ("anna-1", "boris-1"), ("silence", "anna-2"), ("boris-1", "anna-1")]


def test_scores_are_those_of_compare(verifier, voice):
    numpy = pytest.importorskip("numpy")
    pairs = [(voice(a), voice(b)) for a, b in PAIRS]
    scores = verifier.score(pairs)
    assert scores.dtype == numpy.float32 and scores.shape == (4,)
    for pair, score in zip(pairs, scores):
        llr = verifier.compare(*pair).llr
        assert math.isnan(score) if llr is None else float(score) == llr
    assert scores[1] == scores[3]
    embedded = [(verifier.embed(a), verifier.embed(b)) for a, b in pairs]
    assert numpy.array_equal(verifier.score(embedded), scores, equal_nan=True)
    named = [(f"{a}.wav", f"{b}.wav") for a, b in PAIRS]
    assert numpy.array_equal(verifier.score(named, root=pairs[0][0].parent), scores, equal_nan=True)
    assert verifier.score([]).shape == (0,)


def test_a_wrong_root_is_no_refusal(verifier, voice):
    pytest.importorskip("numpy")
    with pytest.raises(FileNotFoundError):
        verifier.score([(voice("anna-1"), "no-such.wav")])
    with pytest.raises(spkver.UsageError, match="trial 0 is no pair"):
        verifier.score([voice("anna-1")])


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_dataframe_gets_scores_and_reasons(verifier, voice, library):
    frames = pytest.importorskip(library)
    enroll, test = zip(*[(str(voice(a)), str(voice(b))) for a, b in PAIRS])
    trials = frames.DataFrame({"enroll": enroll, "test": test, "number": [1, 2, 3, 4]})
    scored = verifier.score(trials)
    assert type(scored) is type(trials) and "score" not in trials.columns
    assert list(scored.columns) == ["enroll", "test", "number", "score", "reason"]
    reasons = list(scored["reason"])
    assert reasons[2] == "silence" and all(reason is None or reason != reason for reason in reasons[:2])
    scores = list(scored["score"])
    assert scores[0] == verifier.compare(enroll[0], test[0]).llr and math.isnan(scores[2])
    figures = spkver.evaluate(scored["score"], [1, 0, 1, 0], bootstrap=0)
    assert (figures.eer, figures.targets, figures.refused_targets, figures.intervals) == (0, 2, 1, None)
    with pytest.raises(spkver.UsageError, match="no column 'test'"):
        verifier.score(frames.DataFrame({"enroll": enroll}))


def test_figures_by_hand():
    # Of four targets one is below a nontarget, of four nontargets one above a target.
    scores = [3.0, 2.0, 1.0, -1.0, 0.5, -2.0, -3.0, -4.0]
    labels = ["target"] * 4 + ["nontarget"] * 4
    figures = spkver.evaluate(scores, labels, p_target=0.5, bootstrap=200)
    assert figures.eer == 0.25 and figures.p_target == (0.5,)
    assert (figures.false_reject, figures.false_accept) == (0.25, 0.25)
    assert figures.act_dcf == (0.5,) and figures.min_dcf == (0.25,)
    softplus = lambda z: math.log2(1 + math.exp(z))
    cllr = sum(softplus(-s) for s in scores[:4]) / 8 + sum(softplus(s) for s in scores[4:]) / 8
    assert abs(figures.cllr - cllr) < 1e-12 and figures.min_cllr < figures.cllr
    low, high = figures.intervals["eer"]
    assert 0 <= low <= 0.25 <= high <= 1
    assert len(figures.intervals["min_dcf"]) == 1
    again = spkver.evaluate(scores, [1] * 4 + [0] * 4, p_target=0.5, bootstrap=200)
    assert again == figures


def test_refused_trials_are_counted():
    figures = spkver.evaluate([2.0, None, math.nan, -1.0], [1, 1, 0, 0], bootstrap=0)
    assert (figures.targets, figures.nontargets) == (2, 2)
    assert (figures.refused_targets, figures.refused_nontargets) == (1, 1)
    assert figures.eer == 0 and figures.eer_with_refused > 0


def test_what_has_no_figures_is_refused():
    for scores, labels in [([1.0], [1]), ([1.0, 2.0], [1]), ([1.0, 2.0], [1, 2]), ([1.0, 2.0], ["yes", "no"])]:
        with pytest.raises(spkver.UsageError):
            spkver.evaluate(scores, labels)
    with pytest.raises(spkver.UsageError, match="its speakers say otherwise"):
        spkver.evaluate([1.0, 2.0], [1, 0], (["a", "a"], ["a", "a"]))
