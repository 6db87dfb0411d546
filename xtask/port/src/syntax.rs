//! The parsed source as a flat list of nodes in the order of the text.
//!
//! A flat list has what the rules need and a tree of cursors lacks: a parent in one step, a subtree as a
//! range of numbers, and no recursion, so that no input can exhaust the stack here.

mod grammar;

use std::cell::RefCell;
use std::ops::Range;

use tree_sitter::{Parser, Point, TreeCursor};

use grammar::GRAMMAR;
pub(crate) use grammar::{Field, Kind};

/// Trees deeper than this are refused: CPython itself gives up at a few hundred levels of nesting, and the
/// second parser's tree is walked with recursion.
const MAX_DEPTH: usize = 900;

/// The number of a node; a node's subtree is the run of numbers behind its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NodeId(u32);

impl NodeId {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

#[derive(Clone, Copy)]
struct Node {
    kind: Kind,
    field: Field,
    named: bool,
    start: u32,
    end: u32,
    parent: NodeId,
    /// One past the last node of the subtree.
    last: u32,
}

/// A parsed module.
pub(crate) struct Syntax<'s> {
    pub(crate) source: &'s str,
    nodes: Vec<Node>,
}

/// Why a text has no usable tree.
pub(crate) enum Unparsed {
    /// The first place where the parser had to guess.
    Error(usize),
    /// Nested deeper than any Python reads.
    TooDeep(usize),
    /// The parser gave no tree at all.
    Nothing,
}

thread_local! {
    // Making a parser costs more than parsing a small file.
    static PARSER: RefCell<Option<Parser>> = RefCell::new(parser());
}

fn parser() -> Option<Parser> {
    let mut parser = Parser::new();
    parser.set_language(&GRAMMAR.language).ok()?;
    Some(parser)
}

fn parse(source: &str, range: Option<tree_sitter::Range>) -> Option<tree_sitter::Tree> {
    PARSER.with_borrow_mut(|slot| {
        let parser = slot.as_mut()?;
        let ranges = range.as_slice();
        parser.set_included_ranges(ranges).ok()?;
        parser.parse(source, None)
    })
}

impl<'s> Syntax<'s> {
    pub(crate) fn parse(source: &'s str) -> Result<Self, Unparsed> {
        if u32::try_from(source.len()).is_err() {
            return Err(Unparsed::Nothing);
        }
        let tree = parse(source, None).ok_or(Unparsed::Nothing)?;
        if tree.root_node().has_error() {
            return Err(Unparsed::Error(first_error(&tree)));
        }
        let mut syntax = Self { source, nodes: Vec::with_capacity(source.len() / 2) };
        syntax.read(&mut tree.walk(), None, 0)?;
        Ok(syntax)
    }

    /// Appends a tree, as a child of `parent` when there is one.
    fn read(&mut self, cursor: &mut TreeCursor<'_>, parent: Option<NodeId>, depth: usize) -> Result<(), Unparsed> {
        let grammar = &*GRAMMAR;
        let mut open: Vec<usize> = Vec::new();
        loop {
            let node = cursor.node();
            let id = self.nodes.len();
            if depth + open.len() > MAX_DEPTH {
                return Err(Unparsed::TooDeep(node.start_byte()));
            }
            let above = open.last().map(|index| NodeId(*index as u32)).or(parent).unwrap_or(NodeId(0));
            self.nodes.push(Node {
                kind: grammar.kinds.get(usize::from(node.kind_id())).copied().unwrap_or(Kind::Other),
                field: cursor
                    .field_id()
                    .and_then(|field| grammar.fields.get(usize::from(field.get())).copied())
                    .unwrap_or(Field::Other),
                named: node.is_named(),
                start: node.start_byte() as u32,
                end: node.end_byte() as u32,
                parent: above,
                last: id as u32 + 1,
            });
            if cursor.goto_first_child() {
                open.push(id);
                continue;
            }
            loop {
                if cursor.goto_next_sibling() {
                    break;
                }
                let Some(done) = open.pop() else {
                    return Ok(());
                };
                cursor.goto_parent();
                self.nodes[done].last = self.nodes.len() as u32;
                if self.nodes[done].kind == Kind::String {
                    self.read_annotation(NodeId(done as u32), depth + open.len() + 1)?;
                    self.nodes[done].last = self.nodes.len() as u32;
                }
            }
        }
    }

    /// Parses an annotation in quotes and hangs its tree below the string, so that every rule sees the
    /// names in it with their true byte offsets.
    fn read_annotation(&mut self, string: NodeId, depth: usize) -> Result<(), Unparsed> {
        let parts: Vec<_> = self.children(string).take(4).collect();
        let [start, content, _] = parts[..] else {
            return Ok(());
        };
        let plain = matches!(self.text(start), "\"" | "'" | "\"\"\"" | "'''")
            && self.kind(content) == Kind::StringContent
            && self.children(content).next().is_none();
        if !plain || !self.is_annotation(string) {
            return Ok(());
        }
        let range = self.range(content);
        let Some(tree) = parse(
            self.source,
            Some(tree_sitter::Range {
                start_byte: range.start,
                end_byte: range.end,
                // Only offsets are ever asked of this tree.
                start_point: Point::new(0, 0),
                end_point: Point::new(0, usize::MAX >> 40),
            }),
        ) else {
            return Ok(());
        };
        let root = tree.root_node();
        // Text that is no expression, such as the choices of a `Literal` spelt elsewhere, stays a string.
        if root.has_error()
            || root.named_child_count() != 1
            || root.named_child(0).is_none_or(|node| node.kind() != "expression_statement")
        {
            return Ok(());
        }
        let before = self.nodes.len();
        self.read(&mut tree.walk(), Some(string), depth)?;
        self.nodes[before].kind = Kind::StringAnnotation;
        Ok(())
    }

    /// Whether a string stands where a type is expected, and means one.
    fn is_annotation(&self, string: NodeId) -> bool {
        let mut below = string;
        for node in self.ancestors(string) {
            match self.kind(node) {
                Kind::Call | Kind::Lambda | Kind::ComparisonOperator | Kind::ConcatenatedString | Kind::Block => {
                    return false;
                }
                Kind::Subscript | Kind::GenericType | Kind::TypeParameter => {
                    let (base, first) = match self.kind(node) {
                        Kind::TypeParameter => (None, self.named_children(node).next()),
                        Kind::Subscript => (self.child(node, Field::Value), self.child(node, Field::Subscript)),
                        _ => (self.named_children(node).next(), None),
                    };
                    let base = base.or_else(|| {
                        self.parent(node)
                            .filter(|parent| self.kind(*parent) == Kind::GenericType)
                            .and_then(|parent| self.named_children(parent).next())
                    });
                    let name = base.map_or("", |base| self.text(base));
                    let name = name.rsplit('.').next().unwrap_or(name);
                    // The rest of an `Annotated` is data for libraries.
                    if name == "Literal" || (name == "Annotated" && first.is_some_and(|first| first != below)) {
                        return false;
                    }
                }
                Kind::Type => {
                    let above = self.parent(node).map_or(Kind::Other, |parent| self.kind(parent));
                    if above != Kind::TypeParameter {
                        return true;
                    }
                }
                _ => {}
            }
            below = node;
        }
        false
    }

    pub(crate) fn root(&self) -> NodeId {
        NodeId(0)
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = NodeId> + use<> {
        (0..self.nodes.len() as u32).map(NodeId)
    }

    pub(crate) fn kind(&self, id: NodeId) -> Kind {
        self.node(id).kind
    }

    pub(crate) fn field(&self, id: NodeId) -> Field {
        self.node(id).field
    }

    pub(crate) fn range(&self, id: NodeId) -> Range<usize> {
        self.start(id)..self.end(id)
    }

    pub(crate) fn start(&self, id: NodeId) -> usize {
        self.node(id).start as usize
    }

    pub(crate) fn end(&self, id: NodeId) -> usize {
        self.node(id).end as usize
    }

    pub(crate) fn text(&self, id: NodeId) -> &'s str {
        &self.source[self.range(id)]
    }

    pub(crate) fn parent(&self, id: NodeId) -> Option<NodeId> {
        (id.0 != 0).then(|| self.node(id).parent)
    }

    pub(crate) fn is_named(&self, id: NodeId) -> bool {
        self.node(id).named
    }

    /// The nodes above one, nearest first.
    pub(crate) fn ancestors(&self, id: NodeId) -> impl Iterator<Item = NodeId> {
        std::iter::successors(self.parent(id), |node| self.parent(*node))
    }

    pub(crate) fn children(&self, id: NodeId) -> impl Iterator<Item = NodeId> {
        let end = self.node(id).last;
        let first = id.0 + 1;
        std::iter::successors((first < end).then_some(NodeId(first)), move |node| {
            let next = self.node(*node).last;
            (next < end).then_some(NodeId(next))
        })
    }

    /// The children that are more than punctuation and comments.
    pub(crate) fn named_children(&self, id: NodeId) -> impl Iterator<Item = NodeId> {
        self.children(id).filter(|child| {
            self.is_named(*child) && !matches!(self.kind(*child), Kind::Comment | Kind::LineContinuation)
        })
    }

    /// The nodes of the subtree, without its root.
    pub(crate) fn descendants(&self, id: NodeId) -> impl Iterator<Item = NodeId> + use<> {
        (id.0 + 1..self.node(id).last).map(NodeId)
    }

    pub(crate) fn child(&self, id: NodeId, field: Field) -> Option<NodeId> {
        self.children(id).find(|child| self.field(*child) == field && self.is_named(*child))
    }

    /// The child that is exactly this punctuation or keyword.
    pub(crate) fn token(&self, id: NodeId, text: &str) -> Option<NodeId> {
        self.children(id).find(|child| !self.is_named(*child) && self.text(*child) == text)
    }

    /// Whether `inner` is `outer` or lies below it.
    pub(crate) fn contains(&self, outer: NodeId, inner: NodeId) -> bool {
        outer <= inner && inner.0 < self.node(outer).last
    }

    fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }
}

/// The offset of the first error, found without recursion.
fn first_error(tree: &tree_sitter::Tree) -> usize {
    let mut cursor = tree.walk();
    loop {
        let node = cursor.node();
        if node.is_error() || node.is_missing() {
            return node.start_byte();
        }
        if node.has_error() && cursor.goto_first_child() {
            continue;
        }
        while !cursor.goto_next_sibling() {
            if !cursor.goto_parent() {
                return 0;
            }
        }
    }
}
