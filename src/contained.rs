//! Turns a panic in a third-party parser into an error. Parsers of audio, Parquet and the like may
//! panic on a damaged or hostile file; the process must go on.

use std::{
    cell::Cell,
    panic::{self, AssertUnwindSafe, catch_unwind},
    sync::Once,
};

thread_local! {
    static CONTAINED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work` and returns its result, or `damaged()` if it panics. After a panic, do not use
/// anything that `work` was changing.
pub fn contained<T, E>(
    work: impl FnOnce() -> Result<T, E>,
    damaged: impl FnOnce() -> E,
) -> Result<T, E> {
    let before = CONTAINED.replace(true);
    let outcome = catch_unwind(AssertUnwindSafe(work));
    CONTAINED.set(before);
    outcome.unwrap_or_else(|_| Err(damaged()))
}

/// From now on, the panics that become errors are not printed. This changes the panic hook of the whole
/// process, so it is for programs to call, once they start; the library never does.
pub fn silence() {
    static SILENCE: Once = Once::new();
    SILENCE.call_once(|| {
        let print = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !CONTAINED.get() {
                print(info);
            }
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::contained;

    #[test]
    fn a_panic_is_an_error_also_within_another() {
        let found = |wanted| [1, 2].iter().position(|&n| n == wanted).expect("none is");
        let inner = |wanted| contained(|| Ok(found(wanted)), || "inner");
        assert_eq!(inner(2), Ok(1));
        assert_eq!(inner(3), Err("inner"));
        assert_eq!(contained(|| Ok(inner(3)), || "outer"), Ok(Err("inner")));
        let both = || inner(3).or_else(|_| Ok(found(3)));
        assert_eq!(contained(both, || "outer"), Err("outer"));
    }
}
