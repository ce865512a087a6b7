"""DataFrames of pandas and polars, in and out, without importing either."""

from ._errors import UsageError


def library(table):
    """ "pandas" or "polars" for one of their DataFrames, else None."""
    for cls in type(table).__mro__:
        name = cls.__module__.partition(".")[0]
        if name in ("pandas", "polars") and cls.__name__ == "DataFrame":
            return name
    return None


def pairs(trials):
    """The recordings of each side of the trials: two lists of one length."""
    if library(trials):
        missing = [name for name in ("enroll", "test") if name not in trials.columns]
        if missing:
            names = ", ".join(map(str, trials.columns))
            raise UsageError(f"no column {missing[0]!r} among {names}; expected enroll and test")
        return list(trials["enroll"]), list(trials["test"])
    enroll, test = [], []
    for number, trial in enumerate(trials):
        try:
            one, other = trial
        except (TypeError, ValueError):
            raise UsageError(f"trial {number} is no pair (enroll, test)") from None
        enroll.append(one)
        test.append(other)
    return enroll, test


def scored(trials, scores, reasons):
    """The scores (num_trials,), or the DataFrame with them."""
    kind = library(trials)
    if kind == "pandas":
        return trials.assign(score=scores, reason=reasons)
    if kind == "polars":
        import polars

        return trials.with_columns(
            polars.Series("score", scores, dtype=polars.Float32),
            polars.Series("reason", reasons, dtype=polars.String),
        )
    return scores
