//! The index beside the store: it follows the store, and looking for it disturbs nobody.

use crate::{Crowd, SIZE, noise, program::Place};
use spkver::{
    identify::{Event, LastIndex, Plan, Search},
    scoring::OperatingPoint,
    storage::{index::Index, model, voiceprints::Store},
    verifier::{SpeakerName, Verifier},
};
use std::fs;

/// A program that serves identify and enrol requests, while `spkver` is used on the same store: what
/// either was told is enrolled stays so. (On Unix a process that closes any handle of a file loses all
/// its locks on it, SQLite's too.)
#[test]
fn looking_for_the_index_takes_no_lock_from_an_open_store() {
    let place = Place::new();
    place.done("enroll anna @anna-1");
    let verifier = model::embedded().unwrap();
    let mut store = Store::open_or_create(&place.store(), None).unwrap();
    let name = |name: &str| SpeakerName::new(name).unwrap();
    let anna = store.get(&name("anna")).unwrap();
    for round in 0..3 {
        assert!(Index::find(&store, &verifier).is_none());
        drop(Index::build(&store, &verifier).unwrap());
        // The other program ends, and would tidy up the store if nobody else had it open.
        place.done(&format!("enroll theirs-{round} @boris-1"));
        let ours = name(&format!("ours-{round}"));
        assert!(
            store
                .add(&ours, verifier.id(), 0, &anna.utterances)
                .unwrap()
        );
    }
    // As if it were killed here: nothing is put in order.
    std::mem::forget(store);
    let listed = place.done("list").stdout;
    for round in 0..3 {
        for whose in ["ours", "theirs"] {
            let wanted = format!("{whose}-{round}");
            assert!(listed.contains(&wanted), "{wanted} is lost:\n{listed}");
        }
    }
}

#[test]
fn the_index_follows_the_store() {
    let crowd = Crowd::new(1200);
    let place = &crowd.place;
    let newcomer = noise(1, SIZE, 9);
    place.npy("newcomer.npy", &newcomer);
    let before = crowd.best(1, "newcomer.npy");
    assert!(place.index().is_file());
    // As long as nothing changes it is made once.
    let line = "identify -v --embeddings newcomer.npy";
    let answer = crowd.say(line);
    assert!(!answer.stderr.contains("indexed"), "{}", answer.stderr);
    fs::remove_file(place.index()).unwrap();
    let answer = crowd.say(line);
    let said = "1200 voiceprints indexed, beside the store";
    assert!(answer.stderr.contains(said), "{}", answer.stderr);

    place.write("name.txt", "newcomer\n");
    crowd.done("store import-vectors newcomer.npy name.txt");
    assert_eq!(crowd.best(1, "newcomer.npy"), [["newcomer"]]);
    // Erased from the store is erased from the index, at once.
    place.done("remove newcomer");
    assert!(!place.index().exists());
    assert_eq!(crowd.best(1, "newcomer.npy"), before);

    // Damage: cut short, a header of another version, another place's index, somebody's text.
    let good = fs::read(place.index()).unwrap();
    let flipped = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 0x10;
        bytes
    };
    for bad in [
        good[..good.len() - 1].to_vec(),
        good[..100].to_vec(),
        vec![],
        b"text".to_vec(),
        flipped(0),
        flipped(9),
        flipped(60),
        flipped(90),
        flipped(110),
    ] {
        fs::write(place.index(), &bad).unwrap();
        assert_eq!(crowd.best(1, "newcomer.npy"), before);
        assert_eq!(fs::read(place.index()).unwrap(), good, "made anew");
    }
    // Numbers that are not the store's: the points of all rows negated.
    let points_at = good.len() - 1200 * SIZE * 4;
    let mut bad = good.clone();
    for byte in bad[points_at..].iter_mut().skip(3).step_by(4) {
        *byte ^= 0x80;
    }
    fs::write(place.index(), &bad).unwrap();
    assert_eq!(crowd.best(1, "newcomer.npy"), before);
    assert_eq!(fs::read(place.index()).unwrap(), good, "made anew");

    // Where it cannot be written it is done without; but nobody is erased as long as it stays.
    fs::remove_file(place.index()).unwrap();
    fs::create_dir(place.index()).unwrap();
    assert_eq!(crowd.best(1, "newcomer.npy"), before);
    let answer = place.say("remove s7");
    answer.refused(5, "voiceprints.sqlite.index: cannot remove");
    fs::remove_dir(place.index()).unwrap();
    place.done("remove s7");
}

/// Opens a search, and says among how many speakers.
fn num_searched(
    place: &Place,
    verifier: &Verifier,
    last: &LastIndex,
    on_event: &mut dyn FnMut(Event),
) -> usize {
    let store = Store::open(&place.store(), None).unwrap();
    let plan = Plan {
        store: store.as_ref().unwrap(),
        verifier,
        top: 1,
        point: OperatingPoint::default(),
    };
    let search = Search::open(plan, Some(last), on_event).unwrap();
    search.num_speakers()
}

/// A service searches once for each request. An index that is in no file is built once all the same.
#[test]
fn an_index_in_memory_is_built_again_only_where_the_store_has_changed() {
    let place = Place::new();
    place.done("enroll anna @anna-1");
    let verifier = model::embedded().unwrap();
    let last = LastIndex::default();
    let search = || {
        let mut built = false;
        let num_speakers = num_searched(&place, &verifier, &last, &mut |event| {
            built |= event == Event::Indexing;
        });
        (num_speakers, built)
    };
    assert_eq!([search(), search()], [(1, true), (1, false)]);
    place.done("enroll boris @boris-1");
    assert_eq!([search(), search()], [(2, true), (2, false)]);
    place.done("remove anna");
    assert_eq!([search(), search()], [(1, true), (1, false)]);
    last.forget();
    assert_eq!(search(), (1, true));
}

/// An index that was built before a voiceprint was erased stayed in memory until the next search.
#[test]
fn an_index_in_memory_is_not_held_where_a_voiceprint_was_erased_meanwhile() {
    let place = Place::new();
    place.done("enroll anna @anna-1");
    place.done("enroll boris @boris-1");
    let verifier = model::embedded().unwrap();
    let last = LastIndex::default();
    let is_held = || !format!("{last:?}").contains("None");
    let search_during = |other: &dyn Fn()| {
        num_searched(&place, &verifier, &last, &mut |event| {
            if matches!(event, Event::Indexed { .. }) {
                other();
            }
        });
    };
    search_during(&|| {
        place.done("remove anna");
        last.forget();
    });
    assert!(!is_held());
    search_during(&|| ());
    assert!(is_held());
}

#[test]
fn a_thousand_speakers_are_worth_a_file() {
    for (num_speakers, kept, told) in [
        (999, false, "999 voiceprints indexed, in memory"),
        (1000, true, "1000 voiceprints indexed, beside the store"),
    ] {
        let crowd = Crowd::new(num_speakers);
        crowd.place.npy("test.npy", &noise(1, SIZE, 3));
        let answer = crowd.say("--verbose identify --embeddings test.npy");
        assert!(answer.stderr.contains(told), "{}", answer.stderr);
        assert_eq!(crowd.place.index().exists(), kept);
    }
}

/// A process that closes any descriptor of a file lets go of all its locks on it, SQLite's too.
#[cfg(target_os = "linux")]
#[test]
fn looking_for_an_index_keeps_the_locks_on_the_store() {
    use std::os::unix::fs::MetadataExt;
    let place = Place::new();
    place.done("enroll anna @anna-1");
    let path = place.store();
    let inode = format!(":{} ", fs::metadata(&path).unwrap().ino());
    let num_locks = || {
        let locks = fs::read_to_string("/proc/locks").unwrap();
        locks.lines().filter(|line| line.contains(&inode)).count()
    };
    let verifier = model::embedded().unwrap();
    let store = Store::open_or_create(&path, None).unwrap();
    assert_eq!(store.list().unwrap().speakers.len(), 1);
    // SQLite locks a file that it has open; in some containers this list does not show it.
    let before = num_locks();
    if before == 0 {
        return println!(
            "SKIPPED: /proc/locks does not list the locks of {}",
            path.display()
        );
    }
    assert!(Index::find(&store, &verifier).is_none());
    Index::build(&store, &verifier).unwrap();
    assert_eq!(num_locks(), before);
    drop(store);
    assert_eq!(num_locks(), 0);
}
