//! Edits by byte range.

use std::ops::Range;

/// Replacements of byte ranges of one source text.
#[derive(Default)]
pub(crate) struct Edits {
    edits: Vec<Edit>,
}

#[derive(Clone)]
struct Edit {
    range: Range<usize>,
    text: String,
}

/// Two edits that touch the same bytes, which would be a fault of the rules; the offset where they meet.
pub(crate) struct Overlap(pub(crate) usize);

impl Edits {
    pub(crate) fn replace(&mut self, range: Range<usize>, text: impl Into<String>) {
        self.edits.push(Edit { range, text: text.into() });
    }

    /// Inserts text; several insertions at one offset keep the order in which they were asked for.
    pub(crate) fn insert(&mut self, offset: usize, text: impl Into<String>) {
        self.replace(offset..offset, text);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }

    /// Removes the edits that lie inside a range and gives that range's text as they would have made it.
    pub(crate) fn take(&mut self, source: &str, range: Range<usize>, more: Edits) -> Result<String, Overlap> {
        let (mut inside, outside): (Vec<_>, Vec<_>) = std::mem::take(&mut self.edits)
            .into_iter()
            .partition(|edit| range.start <= edit.range.start && edit.range.end <= range.end);
        self.edits = outside;
        inside.extend(more.edits);
        for edit in &mut inside {
            edit.range = edit.range.start - range.start..edit.range.end - range.start;
        }
        Edits { edits: inside }.apply(&source[range])
    }

    /// The same as [`Self::take`] without removing anything.
    pub(crate) fn preview(&self, source: &str, range: Range<usize>, more: Edits) -> Result<String, Overlap> {
        let inside = self.edits.iter().filter(|edit| range.start <= edit.range.start && edit.range.end <= range.end);
        Edits { edits: inside.cloned().collect() }.take(source, range, more)
    }

    pub(crate) fn apply(mut self, source: &str) -> Result<String, Overlap> {
        // A stable sort, so that insertions at one offset stay in order and come before a replacement there.
        self.edits.sort_by_key(|edit| (edit.range.start, edit.range.end));
        let mut text = String::with_capacity(source.len() + 256);
        let mut position = 0;
        for edit in &self.edits {
            if edit.range.start < position {
                return Err(Overlap(edit.range.start));
            }
            text.push_str(&source[position..edit.range.start]);
            text.push_str(&edit.text);
            position = edit.range.end;
        }
        text.push_str(&source[position..]);
        Ok(text)
    }
}
