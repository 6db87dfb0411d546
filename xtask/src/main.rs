//! Provisions relocatable speaches runtimes.

fn main() -> std::process::ExitCode {
    xtask::main()
}
