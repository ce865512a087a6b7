//! Other people's parsers on what strangers wrote: work in, its result out, or none where it
//! panicked. That is a damaged file, not the end of this process, and nothing to print.

use std::{
    cell::Cell,
    panic::{self, AssertUnwindSafe, catch_unwind},
    sync::Once,
};

thread_local! {
    static CONTAINED: Cell<bool> = const { Cell::new(false) };
}

/// What `work` gives; none after a panic. What it changes should not be looked at then.
pub fn contained<T>(work: impl FnOnce() -> T) -> Option<T> {
    static SILENCE: Once = Once::new();
    SILENCE.call_once(|| {
        let print = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !CONTAINED.get() {
                print(info);
            }
        }));
    });
    let before = CONTAINED.replace(true);
    let outcome = catch_unwind(AssertUnwindSafe(work));
    CONTAINED.set(before);
    outcome.ok()
}

#[cfg(test)]
mod tests {
    use super::contained;

    #[test]
    fn a_panic_is_none_also_within_another() {
        let inner = || contained(|| [1, 2].iter().position(|&n| n == 3).expect("none is"));
        assert_eq!(contained(|| inner().is_none()), Some(true));
        assert_eq!(contained(|| 7), Some(7));
    }
}
