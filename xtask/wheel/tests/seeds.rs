//! Writes archives to begin fuzzing with to the directory that the environment variable `SEEDS` names.

mod fixture;

use fixture::{Wheel, put, stream};

/// The change that makes a seed.
type Change = fn(&mut Wheel);

#[test]
#[ignore = "writes files for the fuzzer"]
fn seeds_are_written() {
    let Some(directory) = std::env::var_os("SEEDS").map(std::path::PathBuf::from) else {
        eprintln!("DID NOT RUN: the environment variable `SEEDS` does not name a directory to write to");
        return;
    };
    let changes: [(&str, Change); 6] = [
        ("plain", |_| {}),
        ("stored", |wheel| wheel.members.iter_mut().for_each(|member| member.method = 0)),
        ("streamed", |wheel| wheel.members.iter_mut().for_each(|member| stream(member, true, false))),
        ("zip64", |wheel| {
            wheel.zip64 = true;
            wheel.edit_end = put(8, [0xff; 12]);
        }),
        ("comment", |wheel| wheel.comment = b"made by hand".to_vec()),
        ("executable", |wheel| wheel.member("a/__init__.py").mode = 0o100_755),
    ];
    for (name, change) in changes {
        let mut wheel = Wheel::good();
        change(&mut wheel);
        // The fuzzer takes what follows an even byte as an archive, and makes one of its own of anything else.
        fs_err::write(directory.join(name), [vec![0], wheel.build()].concat()).unwrap();
        fs_err::write(directory.join(format!("{name}-changed")), [name.as_bytes(), &[1; 60]].concat()).unwrap();
    }
}
