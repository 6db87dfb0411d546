//! Provisions that are killed, and many at once: nothing is fetched twice, and the runtime is always the same.
#![cfg(unix)]

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::support::world::World;
use crate::support::*;
use camino::{Utf8Path, Utf8PathBuf};

fn start(command: &mut std::process::Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn end(child: Child) {
    Ended::of(child.wait_with_output().unwrap()).expect(0);
}

fn description(runtime: &Utf8Path) -> Vec<u8> {
    fs_err::read(runtime.join("runtime.json")).unwrap()
}

/// Bytes of the world's files that a store does not have.
fn missing(world: &World, store: &Utf8Path) -> u64 {
    let length = |path: Utf8PathBuf| fs_err::metadata(path).map_or(0, |metadata| metadata.len());
    let is_installed = store.join("trees/speaches").read_dir_utf8().is_ok_and(|mut trees| trees.next().is_some());
    let of = |file: &world::Served| {
        if file.path.ends_with(world::SOURCE) {
            // It is known by what is in it, and kept as what it is installed as.
            return if is_installed { 0 } else { file.size };
        }
        let here = |directory: &str| length(store.join(directory).join(&file.sha256));
        file.size - here("files").max(here("partial"))
    };
    world.files.iter().map(of).sum()
}

/// How often a provision is killed: `SPEACHES_TEST_KILLS`, or a few times.
fn kills() -> usize {
    std::env::var("SPEACHES_TEST_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(3)
}

#[test]
fn killed_provisions_are_taken_up_and_make_the_same_runtime() {
    let seed = fastrand::u64(..);
    fastrand::seed(seed);
    println!("seed {seed}");
    let scratch = scratch();
    let world = World::new(&scratch.path);
    let begun = Instant::now();
    let undisturbed = scratch.path.join("undisturbed");
    end(start(&mut world.provision(&scratch.path.join("store"), &undisturbed)));
    let longest = begun.elapsed();
    assert_eq!(world.sent(), world.total(), "each byte once");

    let (mut killed, mut episode) = (0, 0);
    while killed < kills() {
        episode += 1;
        let place = scratch.path.join(format!("episode {episode}"));
        let (store, out) = (place.join("store"), place.join("runtime"));
        let until = (killed + 1 + fastrand::usize(..8)).min(kills());
        while killed < until {
            let mut child = start(&mut world.provision(&store, &out));
            std::thread::sleep(Duration::from_secs_f64(longest.as_secs_f64() * fastrand::f64()));
            if child.try_wait().unwrap().is_some() {
                end(child);
                break;
            }
            child.kill().unwrap();
            child.wait().unwrap();
            killed += 1;
        }
        let (missing, before) = (missing(&world, &store), world.sent());
        end(start(&mut world.provision(&store, &out)));
        assert_eq!(world.sent() - before, missing, "after {killed} kills");
        assert!(description(&out) == description(&undisturbed), "after {killed} kills");
        let left = |directory: &Utf8Path| {
            directory
                .read_dir_utf8()
                .unwrap()
                .filter(|one| one.as_ref().unwrap().file_name().starts_with(".work-"))
                .count()
        };
        if left(&store.join("work")) > 0 {
            // A child of the killed one (a compiler, say) may have gone on while this run began; the next one removes it.
            println!("after {killed} kills a child has outlived its parent");
            end(start(&mut world.provision(&store, &place.join("once more"))));
        }
        assert_eq!((left(&place), left(&store.join("work"))), (0, 0), "after {killed} kills");
        fs_err::remove_dir_all(&place).unwrap();
    }
}

#[test]
fn provisions_at_once_fetch_each_byte_once() {
    fetch_each_byte_once(3);
}

#[test]
#[ignore = "minutes of work; the weekly workflow runs it"]
fn many_provisions_at_once_fetch_each_byte_once() {
    fetch_each_byte_once(8);
}

fn fetch_each_byte_once(count: usize) {
    let scratch = scratch();
    let world = World::new(&scratch.path);
    let store = scratch.path.join("store");
    let out = |number: usize| scratch.path.join(format!("runtime {number}"));
    let children = (0..count).map(|number| start(&mut world.provision(&store, &out(number)))).collect::<Vec<_>>();
    children.into_iter().for_each(end);
    assert_eq!(world.sent(), world.total(), "{count} at once");
    for number in 1..count {
        assert!(description(&out(number)) == description(&out(0)), "runtime {number} of {count}");
    }
}
