//! Code that does not run at the target: behind a version check, or behind `TYPE_CHECKING`.

use std::cmp::Ordering;

use crate::scope::Scopes;
use crate::syntax::{Field, Kind, NodeId, Syntax};
use crate::target::Target;

/// Whether a place of the program is reached at the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// As far as can be seen, yes.
    Runs,
    /// Only type checkers look at it.
    TypeChecking,
    /// A version check keeps the target out.
    Never,
    /// An exception there is caught by the program itself.
    Caught,
}

/// The value of a condition at the target, if it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Truth {
    Yes,
    No,
    /// `TYPE_CHECKING`: no at run time, yes for a type checker.
    TypeChecking,
    Unknown,
}

impl Truth {
    pub(crate) fn not(self) -> Self {
        match self {
            Self::Yes => Self::No,
            Self::No | Self::TypeChecking => Self::Yes,
            Self::Unknown => Self::Unknown,
        }
    }

    pub(crate) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (Self::TypeChecking, _) | (_, Self::TypeChecking) => Self::TypeChecking,
            (Self::Yes, Self::Yes) => Self::Yes,
            _ => Self::Unknown,
        }
    }

    pub(crate) fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Yes, _) | (_, Self::Yes) => Self::Yes,
            (Self::No, Self::No) => Self::No,
            (Self::TypeChecking | Self::No, Self::TypeChecking | Self::No) => Self::TypeChecking,
            _ => Self::Unknown,
        }
    }
}

/// How `sys.version_info`, or the part `sys.version_info[:length]`, compares at the target.
///
/// The full tuple is longer than what it is compared with, and a tuple is greater than its own beginning.
pub(crate) fn compare_version(target: Target, operator: &str, wanted: &[u32], length: Option<usize>) -> Truth {
    let actual = [u32::from(target.major()), u32::from(target.minor())];
    let known = length.map_or(actual.len(), |length| length.min(actual.len()));
    let whole = length.is_some_and(|length| length <= actual.len());
    let common = known.min(wanted.len());
    let order = match (actual[..common].cmp(&wanted[..common]), wanted.len().cmp(&known)) {
        (Ordering::Equal, Ordering::Greater) if whole => Ordering::Less,
        // `(3, 10, 5)`: the patch number of the target is not known.
        (Ordering::Equal, Ordering::Greater) => return Truth::Unknown,
        (Ordering::Equal, Ordering::Equal) if whole => Ordering::Equal,
        (Ordering::Equal, _) => Ordering::Greater,
        (order, _) => order,
    };
    let answer = match operator {
        ">=" => order.is_ge(),
        ">" => order.is_gt(),
        "<=" => order.is_le(),
        "<" => order.is_lt(),
        "==" => order.is_eq(),
        "!=" => order.is_ne(),
        _ => return Truth::Unknown,
    };
    if answer { Truth::Yes } else { Truth::No }
}

/// Reads guards off the tree.
pub(crate) struct Guards<'t, 's> {
    pub(crate) syntax: &'t Syntax<'s>,
    pub(crate) scopes: &'t Scopes<'t, 's>,
    pub(crate) target: Target,
}

impl Guards<'_, '_> {
    /// Whether a node is reached, where `caught` names the exceptions that it would raise at the target.
    pub(crate) fn reach(&self, node: NodeId, caught: &[&str]) -> Reach {
        let syntax = self.syntax;
        let mut below = node;
        let mut reach = Reach::Runs;
        // A handler around the definition of a function does not catch errors of its calls.
        let mut called_later = false;
        for above in syntax.ancestors(node) {
            let found = match syntax.kind(above) {
                Kind::IfStatement | Kind::ElifClause | Kind::ConditionalExpression => self.branch(above, below),
                Kind::BooleanOperator => self.short_circuit(above, below),
                Kind::FunctionDefinition | Kind::Lambda => {
                    called_later = true;
                    Reach::Runs
                }
                Kind::TryStatement | Kind::WithStatement if called_later || syntax.field(below) != Field::Body => {
                    Reach::Runs
                }
                Kind::TryStatement if self.is_about(below, caught) && self.catches(above, caught) => Reach::Caught,
                Kind::WithStatement if self.is_about(below, caught) && self.suppresses(above, caught) => Reach::Caught,
                _ => Reach::Runs,
            };
            reach = match (reach, found) {
                (_, Reach::Never) => return Reach::Never,
                (Reach::TypeChecking, _) | (_, Reach::TypeChecking) => Reach::TypeChecking,
                (Reach::Caught, _) | (_, Reach::Caught) => Reach::Caught,
                _ => Reach::Runs,
            };
            below = above;
        }
        reach
    }

    fn branch(&self, above: NodeId, below: NodeId) -> Reach {
        let syntax = self.syntax;
        if syntax.kind(above) == Kind::ConditionalExpression {
            let parts: Vec<_> = syntax.named_children(above).collect();
            let [yes, condition, no] = parts[..] else {
                return Reach::Runs;
            };
            let truth = self.truth(condition, 0);
            return if below == yes {
                reached(truth)
            } else if below == no {
                reached(truth.not())
            } else {
                Reach::Runs
            };
        }
        let Some(condition) = syntax.child(above, Field::Condition) else {
            return Reach::Runs;
        };
        if syntax.field(below) == Field::Consequence {
            return reached(self.truth(condition, 0));
        }
        if syntax.kind(above) != Kind::IfStatement || syntax.field(below) != Field::Alternative {
            return Reach::Runs;
        }
        // An `elif` or `else` runs when no condition before it held.
        let mut before = self.truth(condition, 0);
        for alternative in syntax.children(above).take_while(|child| *child != below) {
            if syntax.kind(alternative) == Kind::ElifClause
                && let Some(condition) = syntax.child(alternative, Field::Condition)
            {
                before = before.or(self.truth(condition, 0));
            }
        }
        reached(before.not())
    }

    /// `sys.version_info >= (3, 11) and asyncio.timeout`.
    fn short_circuit(&self, above: NodeId, below: NodeId) -> Reach {
        let mut parts = self.syntax.named_children(above);
        let (Some(left), Some(right)) = (parts.next(), parts.next()) else {
            return Reach::Runs;
        };
        if below != right {
            return Reach::Runs;
        }
        let truth = self.truth(left, 0);
        if self.syntax.token(above, "and").is_some() { reached(truth) } else { reached(truth.not()) }
    }

    fn truth(&self, condition: NodeId, depth: usize) -> Truth {
        let syntax = self.syntax;
        if depth > 16 {
            return Truth::Unknown;
        }
        let parts: Vec<_> = syntax.named_children(condition).collect();
        match syntax.kind(condition) {
            Kind::Parenthesized => parts.first().map_or(Truth::Unknown, |inner| self.truth(*inner, depth + 1)),
            Kind::NotOperator => parts.first().map_or(Truth::Unknown, |inner| self.truth(*inner, depth + 1).not()),
            Kind::BooleanOperator => {
                let [left, right] = parts[..] else {
                    return Truth::Unknown;
                };
                let (left, right) = (self.truth(left, depth + 1), self.truth(right, depth + 1));
                if syntax.token(condition, "and").is_some() { left.and(right) } else { left.or(right) }
            }
            Kind::False => Truth::No,
            Kind::Integer if syntax.text(condition) == "0" => Truth::No,
            Kind::ComparisonOperator => self.comparison(condition, &parts),
            Kind::Identifier | Kind::Attribute => {
                if self.scopes.is_any(condition, &["typing.TYPE_CHECKING", "typing_extensions.TYPE_CHECKING"]) {
                    return Truth::TypeChecking;
                }
                self.constant(condition, depth)
            }
            _ => Truth::Unknown,
        }
    }

    fn comparison(&self, condition: NodeId, parts: &[NodeId]) -> Truth {
        let syntax = self.syntax;
        let [left, right] = *parts else {
            return Truth::Unknown;
        };
        let Some(operator) = syntax.children(condition).find(|child| syntax.field(*child) == Field::Operators) else {
            return Truth::Unknown;
        };
        let operator = syntax.text(operator);
        let number = |node: NodeId| syntax.text(node).parse::<u32>().ok();
        let version = ["sys.version_info"];
        if syntax.kind(right) == Kind::Tuple {
            let Some(wanted) = syntax.named_children(right).map(number).collect::<Option<Vec<_>>>() else {
                return Truth::Unknown;
            };
            if self.scopes.is_any(left, &version) {
                return compare_version(self.target, operator, &wanted, None);
            }
            // `sys.version_info[:2]`
            if syntax.kind(left) == Kind::Subscript
                && let (Some(value), Some(slice)) =
                    (syntax.child(left, Field::Value), syntax.child(left, Field::Subscript))
                && self.scopes.is_any(value, &version)
                && let Some(length) = syntax.text(slice).strip_prefix(':').and_then(|text| text.trim().parse().ok())
            {
                return compare_version(self.target, operator, &wanted, Some(length));
            }
        }
        // `sys.version_info[0] >= 3`, `sys.version_info.major >= 3`
        if let Some(wanted) = number(right) {
            let major = match syntax.kind(left) {
                Kind::Subscript => {
                    syntax.child(left, Field::Value).is_some_and(|value| self.scopes.is_any(value, &version))
                        && syntax.child(left, Field::Subscript).is_some_and(|index| syntax.text(index) == "0")
                }
                _ => self.scopes.is_any(left, &["sys.version_info.major"]),
            };
            if major {
                return compare_version(self.target, operator, &[wanted], Some(1));
            }
        }
        Truth::Unknown
    }

    /// A name that is bound once, to a condition that can be read: `PY311 = sys.version_info >= (3, 11)`.
    fn constant(&self, name: NodeId, depth: usize) -> Truth {
        let syntax = self.syntax;
        if syntax.kind(name) != Kind::Identifier {
            return Truth::Unknown;
        }
        let Some((_, [binding])) = self.scopes.resolve(name) else {
            return Truth::Unknown;
        };
        let Some(assignment) = syntax.parent(binding.node) else {
            return Truth::Unknown;
        };
        if syntax.kind(assignment) != Kind::Assignment {
            return Truth::Unknown;
        }
        match syntax.child(assignment, Field::Right) {
            Some(value) if syntax.kind(value) == Kind::ComparisonOperator => self.truth(value, depth + 1),
            // `TYPE_CHECKING = False`, the idiom that spares the import of `typing`.
            Some(value) if syntax.kind(value) == Kind::False && syntax.text(name) == "TYPE_CHECKING" => {
                Truth::TypeChecking
            }
            _ => Truth::Unknown,
        }
    }

    /// Whether a handler around this body can only be there for what the body tries to reach.
    ///
    /// An import that may fail is such a case. Other exceptions have other causes too, unless there is only one
    /// statement that could raise them.
    fn is_about(&self, body: NodeId, caught: &[&str]) -> bool {
        caught.contains(&"ImportError") || self.syntax.named_children(body).count() == 1
    }

    fn catches(&self, statement: NodeId, caught: &[&str]) -> bool {
        let syntax = self.syntax;
        syntax.children(statement).filter(|child| syntax.kind(*child) == Kind::ExceptClause).any(|clause| {
            // A handler of everything says nothing about what was expected.
            let Some(value) = syntax.child(clause, Field::Value) else {
                return false;
            };
            let value = match syntax.kind(value) {
                Kind::AsPattern => syntax.named_children(value).next().unwrap_or(value),
                _ => value,
            };
            match syntax.kind(value) {
                Kind::Tuple => syntax.named_children(value).any(|name| caught.contains(&syntax.text(name))),
                _ => caught.contains(&syntax.text(value)),
            }
        })
    }

    fn suppresses(&self, statement: NodeId, caught: &[&str]) -> bool {
        let syntax = self.syntax;
        let Some(clause) = syntax.named_children(statement).find(|child| syntax.kind(*child) == Kind::WithClause)
        else {
            return false;
        };
        syntax.descendants(clause).any(|call| {
            syntax.kind(call) == Kind::Call
                && syntax
                    .child(call, Field::Function)
                    .is_some_and(|function| self.scopes.is_any(function, &["contextlib.suppress"]))
                && syntax
                    .child(call, Field::Arguments)
                    .is_some_and(|list| syntax.named_children(list).any(|name| caught.contains(&syntax.text(name))))
        })
    }
}

pub(crate) fn reached(truth: Truth) -> Reach {
    match truth {
        Truth::No => Reach::Never,
        Truth::TypeChecking => Reach::TypeChecking,
        Truth::Yes | Truth::Unknown => Reach::Runs,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_compares_as_the_longer_tuple_it_is() {
        let truth = |operator, wanted: &[u32], length| compare_version(Target::PYTHON_3_10, operator, wanted, length);
        assert_eq!(truth(">=", &[3, 10], None), Truth::Yes);
        assert_eq!(truth(">", &[3, 10], None), Truth::Yes);
        assert_eq!(truth("<=", &[3, 10], None), Truth::No);
        assert_eq!(truth("<", &[3, 11], None), Truth::Yes);
        assert_eq!(truth(">=", &[3], None), Truth::Yes);
        assert_eq!(truth(">=", &[3, 11, 2], None), Truth::No);
        assert_eq!(truth(">=", &[3, 10, 2], None), Truth::Unknown);
        assert_eq!(truth(">", &[3, 10], Some(2)), Truth::No);
        assert_eq!(truth("==", &[3, 10], Some(2)), Truth::Yes);
        assert_eq!(truth("==", &[3], Some(1)), Truth::Yes);
        assert_eq!(truth(">=", &[4], None), Truth::No);
    }
}
