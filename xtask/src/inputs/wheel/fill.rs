//! Fetches wheels and makes their trees. The processor unpacks one wheel while the network brings the next.

use std::collections::{BTreeMap, BinaryHeap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::Result;

use crate::base::digest::Sha256;
use crate::base::quantity::{cached_suffix, human_size, pluralize};
use crate::pins::lock::LockedWheel;
use crate::pins::target::Target;
use crate::report::Progress;
use crate::store::Store;
use crate::store::fetch::{CONNECTIONS, Download};
use crate::store::tree::Tree;

/// The wheels that have to be fetched, because neither they nor their trees are in the store.
pub fn missing<'a>(store: &Store, wheels: &'a [LockedWheel], target: &Target) -> Vec<&'a LockedWheel> {
    wheels
        .iter()
        .filter(|wheel| !wheel.has_tree(store, target.family()) && !store.has_file(wheel.sha256, wheel.size))
        .collect()
}

/// The trees of wheels, in order. `urls` says where those are that have no URL in the lock.
pub fn trees(
    store: &Store,
    wheels: &[LockedWheel],
    urls: &BTreeMap<Sha256, String>,
    target: &Target,
    progress: &dyn Progress,
) -> Result<Vec<Tree>> {
    let missing = missing(store, wheels, target);
    let there = wheels.iter().filter(|wheel| wheel.has_tree(store, target.family())).count();
    let fetching = if missing.is_empty() {
        None
    } else {
        let files = missing.iter().map(|wheel| (wheel.sha256, wheel.size));
        store.check_free_space(files, &pluralize(missing.len(), "wheel"))?;
        let total = missing.iter().map(|wheel| wheel.size).sum::<Option<u64>>();
        Some(progress.bytes("Fetching", &pluralize(missing.len(), "wheel"), total))
    };
    let unpacking = progress.items("Unpacking", "wheels", wheels.len());
    let is_missing = missing.iter().map(|wheel| wheel.sha256).collect::<HashSet<_>>();
    // A wheel of unknown size may be the largest.
    let weight = |index: usize| wheels[index].size.unwrap_or(u64::MAX);
    let mut order = (0..wheels.len()).collect::<Vec<_>>();
    order.sort_by_key(|index| std::cmp::Reverse(weight(*index)));
    let order = Mutex::new(VecDeque::from(order));
    // Half of the connections begin with the largest; half with the smallest, since nothing could be unpacked while all
    // wait for large ones.
    let next = |thread: usize| {
        let mut order = lock(&order);
        if thread.is_multiple_of(2) { order.pop_front() } else { order.pop_back() }
    };
    let results = Mutex::new(Vec::with_capacity(wheels.len()));
    let failed = AtomicBool::new(false);
    let done = |index: usize, result: Result<Tree>| {
        failed.fetch_or(result.is_err(), Ordering::Relaxed);
        lock(&results).push((index, result));
    };
    // Of those that were fetched the largest is next: one that comes last keeps one processor busy and the others not.
    let ready = Mutex::new(BinaryHeap::new());
    let unpack = || {
        let Some((_, index)) = lock(&ready).pop() else { return };
        done(index, wheels[index].tree(store, target.family()));
        unpacking.advance(1);
    };
    let (next, done, unpack, weight, ready, failed, is_missing, fetching) =
        (&next, &done, &unpack, &weight, &ready, &failed, &is_missing, fetching.as_deref());
    // As many threads as the network likes fetch; as many as there are processors unpack.
    rayon::in_place_scope(|processors| {
        std::thread::scope(|connections| {
            for thread in 0..CONNECTIONS.min(wheels.len()) {
                connections.spawn(move || {
                    while let Some(index) = next(thread) {
                        let wheel = &wheels[index];
                        let fetched = match fetching {
                            Some(bar) if is_missing.contains(&wheel.sha256) => store.fetch(&download(wheel, urls), bar),
                            _ => Ok(()),
                        };
                        match fetched {
                            Ok(()) => {
                                lock(ready).push((weight(index), index));
                                processors.spawn(move |_| unpack());
                            }
                            Err(error) => done(index, Err(error)),
                        }
                        if failed.load(Ordering::Relaxed) {
                            break;
                        }
                    }
                });
            }
        });
        if let Some(bar) = fetching.filter(|_| !failed.load(Ordering::Relaxed)) {
            let size = human_size(missing.iter().filter_map(|wheel| wheel.size).sum());
            let rest = cached_suffix(wheels.len() - missing.len());
            bar.done("Fetched", &format!("{} ({size}{rest})", pluralize(missing.len(), "wheel")));
        }
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(index, _)| *index);
    let trees = results.into_iter().map(|(_, result)| result).collect::<Result<Vec<_>>>()?;
    let new = trees.iter().filter(|tree| tree.is_new).map(Tree::size);
    let (count, size) = new.fold((0, 0), |(count, size), tree| (count + 1, size + tree));
    if count > 0 {
        let (size, rest) = (human_size(size), cached_suffix(there));
        unpacking.done("Unpacked", &format!("{} ({size}{rest})", pluralize(count, "wheel")));
    } else {
        unpacking.finish();
    }
    Ok(trees)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How to fetch a wheel. `urls` goes before what the lock says.
pub fn download(wheel: &LockedWheel, urls: &BTreeMap<Sha256, String>) -> Download {
    Download {
        label: wheel.name.file.clone(),
        urls: urls.get(&wheel.sha256).or(wheel.url.as_ref()).into_iter().cloned().collect(),
        size: wheel.size,
        sha256: wheel.sha256,
    }
}
