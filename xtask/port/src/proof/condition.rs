//! Conditions that keep code from running at the target, in the second parser's tree.

use ruff_python_ast::{BoolOp, CmpOp, Expr, UnaryOp};

use super::scan::Scan;
use crate::guard::{Truth, compare_version};

impl Scan<'_> {
    /// The value of a condition at the target, if it is known.
    pub(super) fn truth(&self, test: &Expr) -> Truth {
        match test {
            Expr::UnaryOp(unary) if unary.op == UnaryOp::Not => self.truth(&unary.operand).not(),
            Expr::BoolOp(operation) => {
                let mut values = operation.values.iter().map(|value| self.truth(value));
                let first = values.next().unwrap_or(Truth::Unknown);
                match operation.op {
                    BoolOp::And => values.fold(first, Truth::and),
                    BoolOp::Or => values.fold(first, Truth::or),
                }
            }
            Expr::BooleanLiteral(literal) if !literal.value => Truth::No,
            Expr::NumberLiteral(_) => match number(test) {
                Some(0) => Truth::No,
                _ => Truth::Unknown,
            },
            Expr::Name(name) if name.id.as_str() == "TYPE_CHECKING" => Truth::TypeChecking,
            Expr::Attribute(attribute) if attribute.attr.as_str() == "TYPE_CHECKING" => Truth::TypeChecking,
            Expr::Name(name) => self.constant(name.id.as_str()),
            Expr::Compare(comparison) => match (&*comparison.left, &*comparison.ops, &*comparison.comparators) {
                (left, [operator], [right]) => self.comparison(left, *operator, right),
                _ => Truth::Unknown,
            },
            _ => Truth::Unknown,
        }
    }

    /// A name of the module that is bound once, to a version check: `PY311 = sys.version_info >= (3, 11)`.
    fn constant(&self, name: &str) -> Truth {
        let module = self.scopes.first().and_then(|module| module.origins.get(name));
        match (self.constants.get(name), module.map(Vec::len)) {
            (Some(test), Some(1)) if self.resolve(name) == module.map(Vec::as_slice) => self.truth(test),
            _ => Truth::Unknown,
        }
    }

    fn comparison(&self, left: &Expr, operator: CmpOp, right: &Expr) -> Truth {
        let (left, length) = match left {
            Expr::Subscript(subscript) => match &*subscript.slice {
                Expr::Slice(slice) if slice.lower.is_none() && slice.step.is_none() => {
                    (&*subscript.value, slice.upper.as_deref().and_then(number).map(|n| n as usize))
                }
                index if number(index) == Some(0) => (&*subscript.value, Some(1)),
                _ => return Truth::Unknown,
            },
            _ => (left, None),
        };
        let major = self.is(left, &["sys.version_info.major"]);
        if !major && !self.is(left, &["sys.version_info"]) {
            return Truth::Unknown;
        }
        let wanted = match right {
            Expr::Tuple(tuple) => tuple.elts.iter().map(number).collect::<Option<Vec<_>>>(),
            _ => number(right).map(|number| vec![number]),
        };
        let operator = match operator {
            CmpOp::GtE => ">=",
            CmpOp::Gt => ">",
            CmpOp::LtE => "<=",
            CmpOp::Lt => "<",
            CmpOp::Eq => "==",
            CmpOp::NotEq => "!=",
            _ => return Truth::Unknown,
        };
        let length = if major { Some(1) } else { length };
        wanted.map_or(Truth::Unknown, |wanted| compare_version(self.target, operator, &wanted, length))
    }
}

fn number(expression: &Expr) -> Option<u32> {
    match expression {
        Expr::NumberLiteral(literal) => match &literal.value {
            ruff_python_ast::Number::Int(number) => number.as_u64().and_then(|number| u32::try_from(number).ok()),
            _ => None,
        },
        _ => None,
    }
}
