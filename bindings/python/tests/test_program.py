"""The program gives the same bits."""

import math
import random

import pytest

import spkver

NAMES = [f"{name}-{number}" for name in ("anna", "boris", "chloe", "david") for number in (1, 2, 3)]


def single(number):
    """The float32 that the program's JSON writes in its fewest digits."""
    numpy = pytest.importorskip("numpy")
    return float(numpy.float32(number))


def test_compare(program, verifier, voice):
    for other in ["anna-2", "boris-1", "noise"]:
        both = voice("anna-1"), voice(other)
        own, theirs = verifier.compare(*both, p_target=0.9, c_fa=10), program(
            "compare", *both, "--p-target", 0.9, "--c-fa", 10
        )
        assert own.decision == theirs["decision"] and theirs["model"] == verifier.model
        assert own.probability == theirs["p"] and own.threshold == single(theirs["threshold"])
        assert own.reason == theirs["reason"]
        if own.reason:
            assert own.reason_text == f"{other}.wav: {theirs['reason_text']}" and own.llr is theirs["llr"]
        else:
            assert own.llr == single(theirs["llr"])


def test_a_store_is_shared(program, verifier, voice, tmp_path):
    path = tmp_path / "voiceprints.sqlite"
    with spkver.Store(path) as store:
        store.add(verifier.enroll("anna", [voice("anna-1"), voice("anna-2")]), verifier)
    program("enroll", "boris", voice("boris-1"), "--store", path)
    with spkver.Store(path) as store:
        listed = program("list", "--store", path)["speakers"]
        assert [{k: s[k] for k in ("name", "num_utterances", "speech_seconds")} for s in listed] == [
            {k: s[k] for k in ("name", "num_utterances", "speech_seconds")} for s in store.list()
        ]
        for name in ["anna", "boris"]:
            theirs = program("verify", name, voice("anna-3"), "--store", path)
            own = store.verify(name, voice("anna-3"), verifier)
            assert own.decision == theirs["decision"] and own.llr == single(theirs["llr"])
            assert theirs["files"][0]["quality"] == verifier.embed(voice("anna-3")).quality


def test_scores_and_figures(program, verifier, voice, tmp_path):
    pairs = [(a, b) for i, a in enumerate(NAMES) for b in NAMES[i + 1 :]]
    labels = [int(a[:-2] == b[:-2]) for a, b in pairs]
    trials, scores = tmp_path / "trials.txt", tmp_path / "scores.txt"
    lines = [f"{label} {a}.wav {b}.wav\n" for label, (a, b) in zip(labels, pairs)]
    trials.write_text("".join(lines))
    speakers = tmp_path / "utt2spk"
    speakers.write_text("".join(f"{name}.wav {name[:-2]}\n" for name in NAMES))
    root = voice("anna-1").parent
    report = program(
        "evaluate", trials, "--root", root, "--scores-out", scores, "--utt2spk", speakers, "--bootstrap", 100
    )["lists"][0]
    own = verifier.score([(f"{a}.wav", f"{b}.wav") for a, b in pairs], root=root)
    written = [float(line.split()[2]) for line in scores.read_text().splitlines()]
    assert [float(score) for score in own] == written

    both = [a[:-2] for a, _ in pairs], [b[:-2] for _, b in pairs]
    figures = spkver.evaluate(own, labels, both, bootstrap=100)
    same_figures(figures, report)
    assert figures.speakers == report["speakers"] == 4
    for name in ("eer", "cllr", "min_cllr"):
        theirs = report["intervals"][name]
        # Not to the bit: equal scores may be summed in another order.
        assert figures.intervals[name] == pytest.approx((theirs["low"], theirs["high"]), rel=1e-12)


def test_figures_of_scores_alone(program, tmp_path):
    drawn = random.Random(1)
    labels = [drawn.random() < 0.3 for _ in range(3000)]
    scores = [drawn.gauss(2 if label else -3, 2) for label in labels]
    scores[5] = scores[9] = math.nan
    path = tmp_path / "scores.txt"
    path.write_text("".join(f"{score!r} {int(label)}\n" for score, label in zip(scores, labels)))
    report = program("evaluate", path, "--p-target", "0.01,0.3", "--threshold", "0.5")["lists"][0]
    same_figures(spkver.evaluate(scores, labels, p_target=(0.01, 0.3), threshold=0.5), report)


def same_figures(own, theirs):
    for name in ("eer", "cllr", "min_cllr", "eer_with_refused", "targets", "nontargets", "refused_targets"):
        assert getattr(own, name) == theirs[name], name
    assert list(own.min_dcf) == [dcf["min"] for dcf in theirs["dcf"]]
    assert list(own.act_dcf) == [dcf["act"] for dcf in theirs["dcf"]]
    rates = theirs["rates"][0]
    assert (own.false_reject, own.false_accept) == (rates["miss"], rates["false_alarm"])
