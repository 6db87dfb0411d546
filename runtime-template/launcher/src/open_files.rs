//! How many files and connections the service may have open.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// As many as macOS lets a process have.
const ENOUGH: u64 = 10_240;

/// Raises the limit of this process, which what it turns into inherits, to `ENOUGH` or what the user may have.
///
/// macOS gives a process 256: less than a few hundred clients need. Where the limit cannot be raised it stays, since the
/// service works with it until so many come.
pub fn raise_limit() {
    let Ok((now, most)) = getrlimit(Resource::RLIMIT_NOFILE) else { return };
    let wanted = most.min(ENOUGH);
    if now < wanted {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, wanted, most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_low_limit_is_raised_and_a_high_one_stays() {
        let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        setrlimit(Resource::RLIMIT_NOFILE, 256, most).unwrap();
        raise_limit();
        assert_eq!(getrlimit(Resource::RLIMIT_NOFILE).unwrap().0, most.min(ENOUGH));
        // N.B. macOS refuses what is infinite, which its hard limit is.
        let high = most.min(ENOUGH + 1);
        setrlimit(Resource::RLIMIT_NOFILE, high, most).unwrap();
        raise_limit();
        assert_eq!(getrlimit(Resource::RLIMIT_NOFILE).unwrap().0, high);
    }
}
