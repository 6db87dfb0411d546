//! The speaches source: checked against its pin, edited, and placed into a runtime.

pub mod install;
pub mod port;
pub mod pyproject;
pub mod source;

use crate::base::digest::Sha256;
use install::Recipe;
use source::Source;

#[derive(Clone)]
pub struct SpeachesInput {
    /// The source, when it is at hand; else it is fetched and checked against the pin.
    pub source: Option<Source>,
    pub sha256: Sha256,
    pub recipe: Recipe,
}

impl SpeachesInput {
    /// The name of its tree in the store.
    pub fn key(&self) -> Sha256 {
        self.recipe.key(self.sha256)
    }
}
