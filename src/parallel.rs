//! Work on several threads at once, with results in the order of the items. Without the feature
//! `threads` the same work is done on one thread, and gives the same bits.

#[cfg(feature = "threads")]
pub use rayon::current_num_threads as num_threads;

/// Threads that [`map`] can use.
#[cfg(not(feature = "threads"))]
pub fn num_threads() -> usize {
    1
}

/// The result of `work` for each item, in the order of the items.
pub fn map<I, R>(items: I, work: impl Fn(I::Item) -> R + Send + Sync) -> Vec<R>
where
    I: IntoIterator<Item: Send>,
    R: Send,
{
    let items = items.into_iter();
    #[cfg(feature = "threads")]
    {
        use rayon::prelude::*;
        items
            .collect::<Vec<_>>()
            .into_par_iter()
            .map(work)
            .collect()
    }
    #[cfg(not(feature = "threads"))]
    items.map(work).collect()
}

/// Runs `here` on this thread, and meanwhile `aside` on others if there are any. Returns both
/// results.
pub fn both<A: Send, B>(aside: impl FnOnce() -> A + Send, here: impl FnOnce() -> B) -> (A, B) {
    #[cfg(feature = "threads")]
    if num_threads() > 1 {
        let mut result = None;
        let of_here = rayon::in_place_scope(|scope| {
            scope.spawn(|_| result = Some(aside()));
            here()
        });
        return (result.expect("a scope ends after its tasks"), of_here);
    }
    (aside(), here())
}

/// Sorts by `order`. Only items that are the same in every bit may compare as equal: otherwise the
/// result would depend on the number of threads.
#[cfg(feature = "eval")]
pub fn sort_by<T: Send>(
    items: &mut [T],
    order: impl Fn(&T, &T) -> std::cmp::Ordering + Send + Sync,
) {
    #[cfg(feature = "threads")]
    {
        use rayon::prelude::*;
        items.par_sort_unstable_by(order);
    }
    #[cfg(not(feature = "threads"))]
    items.sort_unstable_by(order);
}

#[cfg(test)]
mod tests {
    #[test]
    fn results_come_in_the_order_of_the_items() {
        let numbers: Vec<u32> = (0..1000).collect();
        let squares = super::map(&numbers, |n| n * n);
        assert!(squares.iter().zip(0..).all(|(square, n)| *square == n * n));
        let sums = super::map(numbers.chunks(7), |chunk| chunk.iter().sum::<u32>());
        assert_eq!(sums.len(), 143);
        assert_eq!(sums[1], (7..14).sum::<u32>());
    }

    #[test]
    fn both_are_done_and_each_keeps_its_result() {
        let mut seen = vec![];
        let numbers: Vec<u32> = (0..100).collect();
        let sum = || super::map(&numbers, |n| n * 2).iter().sum::<u32>();
        assert_eq!(super::both(sum, || seen.push(1)), (9900, ()));
        assert_eq!(seen, [1]);
    }
}
