"""Error rates of scores with labels."""

from collections import namedtuple

from ._errors import UsageError
from ._spkver import figures

_LABELS = {"target": 1, "nontarget": 0}

Evaluation = namedtuple(
    "Evaluation",
    [
        "eer",
        "min_dcf",
        "act_dcf",
        "cllr",
        "min_cllr",
        "false_reject",
        "false_accept",
        "eer_with_refused",
        "intervals",
        "p_target",
        "threshold",
        "targets",
        "nontargets",
        "refused_targets",
        "refused_nontargets",
        "speakers",
    ],
)
Evaluation.__doc__ = """How often scores are wrong.

eer : float
    Equal error rate, 0 to 1.
min_dcf, act_dcf : tuple of float
    Detection cost for each of ``p_target``: the least over thresholds, and at the threshold that is right
    for log-likelihood ratios. 1 is a system that answers always the same.
cllr, min_cllr : float
    In bits; and after the best monotonic map, what calibration cannot repair.
false_reject, false_accept : float
    Share of the targets rejected and of the nontargets accepted at ``threshold``.
eer_with_refused : float
    EER over all trials, those without a score rejected at every threshold.
intervals : dict or None
    95 % intervals, (low, high), of eer, min_dcf, act_dcf, cllr, min_cllr, false_reject and false_accept.
    None if there are too few trials or speakers.
targets, nontargets, refused_targets, refused_nontargets : int
    Numbers of trials, and how many of them have no score.
speakers : int or None
    How many there are, if they were given.
"""


def evaluate(
    scores,
    labels,
    speakers=None,
    *,
    p_target=(0.01, 0.05),
    c_miss=1.0,
    c_fa=1.0,
    threshold=0.0,
    bootstrap=1000,
    seed=1,
):
    """Measures scores, as the program's ``spkver evaluate`` does.

    Parameters
    ----------
    scores : array or list, shape (num_trials,)
        Log-likelihood ratios, or any scores that are higher for one speaker. nan or None: refused.
    labels : array or list, shape (num_trials,)
        1, True or "target" for a trial of one speaker, 0, False or "nontarget" for one of two.
    speakers : pair of lists of num_trials names
        The speaker of the enrollment and of the test of each trial. The intervals are then over
        speakers. Without them they are over trials, and too narrow where a speaker has several trials.
    p_target : float or tuple of float
        Priors of a target, for the detection costs.
    c_miss, c_fa : float
        Costs of a false reject and of a false accept.
    threshold : float
        For the shares of false rejects and false accepts.
    bootstrap : int
        Replicates for the intervals; 0 for none.
    seed : int
        Of the bootstrap. The same seed gives the same intervals.

    Returns
    -------
    Evaluation
    """
    priors = tuple(p_target) if hasattr(p_target, "__iter__") else (p_target,)
    numbered = None if speakers is None else _numbered(*speakers)
    measured = figures(
        _doubles(scores), _flags(labels), numbered, priors, c_miss, c_fa, threshold, bootstrap, seed
    )
    intervals = measured.pop("intervals")
    return Evaluation(
        **_tuples(measured.pop("figures")),
        **measured,
        intervals=None if intervals is None else _tuples(intervals),
        p_target=priors,
        threshold=threshold,
    )


def _tuples(values):
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}


def _doubles(scores):
    """(N,) -> bytes of N float64"""
    from array import array

    nan = float("nan")
    return array("d", [nan if score is None else float(score) for score in _list(scores)]).tobytes()


def _flags(labels):
    """(N,) -> bytes of N labels, 0 or 1"""
    try:
        flags = [_LABELS[label] if isinstance(label, str) else int(label) for label in _list(labels)]
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f'a label {error}; expected 1 or "target", 0 or "nontarget"') from None
    wrong = next((flag for flag in flags if flag not in (0, 1)), None)
    if wrong is not None:
        raise UsageError(f'a label {wrong}; expected 1 or "target", 0 or "nontarget"')
    return bytes(flags)


def _numbered(enroll, test):
    """Speakers as numbers from 0, in the order of first mention."""
    enroll, test = _list(enroll), _list(test)
    numbers = {}
    both = [
        (numbers.setdefault(one, len(numbers)), numbers.setdefault(other, len(numbers)))
        for one, other in zip(enroll, test)
    ]
    if len(enroll) != len(test):
        raise UsageError(f"{len(enroll)} speakers of enrollments and {len(test)} of tests")
    return [one for one, _ in both], [other for _, other in both]


def _list(values):
    """A list of plain Python values, also of an array or a column."""
    for method in ("tolist", "to_list"):
        if hasattr(values, method):
            return getattr(values, method)()
    return list(values)
