//! Arguments that `up` and `down` pass to Harbor.

/// Services and flags.
#[derive(clap::Args)]
pub struct HarborArgs {
    /// Harbor's services; without any, `up` starts the default services and speaches, and `down` stops all
    #[arg(value_name = "SERVICES")]
    pub services: Vec<String>,
    /// Flags that are passed to Harbor unchanged, such as `-- --open`
    #[arg(last = true, value_name = "FLAGS")]
    pub flags: Vec<String>,
}
