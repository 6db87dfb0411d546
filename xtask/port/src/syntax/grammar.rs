//! The kinds of nodes and the fields of the grammar that rules ask for.

use std::sync::LazyLock;

use tree_sitter::Language;

macro_rules! kinds {
    ($(#[$attribute:meta])* $enum:ident, $($variant:ident = $name:literal,)*) => {
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum $enum { $($variant,)* Other }

        impl $enum {
            fn named(name: &str) -> Self {
                match name { $($name => Self::$variant,)* _ => Self::Other }
            }
        }
    };
}

kinds! {
    /// The kinds of nodes that rules ask for; everything else is `Other`.
    Kind,
    AliasedImport = "aliased_import",
    ArgumentList = "argument_list",
    AsPattern = "as_pattern",
    AsPatternTarget = "as_pattern_target",
    Assignment = "assignment",
    Attribute = "attribute",
    AugmentedAssignment = "augmented_assignment",
    Await = "await",
    BinaryOperator = "binary_operator",
    Block = "block",
    BooleanOperator = "boolean_operator",
    Call = "call",
    CaseClause = "case_clause",
    CasePattern = "case_pattern",
    ClassDefinition = "class_definition",
    ClassPattern = "class_pattern",
    Comment = "comment",
    ComparisonOperator = "comparison_operator",
    ConcatenatedString = "concatenated_string",
    ConditionalExpression = "conditional_expression",
    ConstrainedType = "constrained_type",
    DecoratedDefinition = "decorated_definition",
    DefaultParameter = "default_parameter",
    DeleteStatement = "delete_statement",
    DictionaryComprehension = "dictionary_comprehension",
    DictionarySplat = "dictionary_splat",
    DictionarySplatPattern = "dictionary_splat_pattern",
    DottedName = "dotted_name",
    ElifClause = "elif_clause",
    ElseClause = "else_clause",
    ExceptClause = "except_clause",
    ExpressionList = "expression_list",
    ExpressionStatement = "expression_statement",
    False = "false",
    ForInClause = "for_in_clause",
    ForStatement = "for_statement",
    FormatSpecifier = "format_specifier",
    FormatExpression = "format_expression",
    FunctionDefinition = "function_definition",
    FutureImport = "future_import_statement",
    GeneratorExpression = "generator_expression",
    GenericType = "generic_type",
    Global = "global_statement",
    Identifier = "identifier",
    IfStatement = "if_statement",
    Import = "import_statement",
    ImportFrom = "import_from_statement",
    Integer = "integer",
    Interpolation = "interpolation",
    KeywordArgument = "keyword_argument",
    KeywordPattern = "keyword_pattern",
    Lambda = "lambda",
    LambdaParameters = "lambda_parameters",
    LineContinuation = "line_continuation",
    List = "list",
    ListComprehension = "list_comprehension",
    ListPattern = "list_pattern",
    ListSplat = "list_splat",
    ListSplatPattern = "list_splat_pattern",
    MatchStatement = "match_statement",
    MemberType = "member_type",
    Module = "module",
    NamedExpression = "named_expression",
    Nonlocal = "nonlocal_statement",
    NotOperator = "not_operator",
    Parameters = "parameters",
    Parenthesized = "parenthesized_expression",
    PatternList = "pattern_list",
    RelativeImport = "relative_import",
    SetComprehension = "set_comprehension",
    Slice = "slice",
    SplatPattern = "splat_pattern",
    SplatType = "splat_type",
    String = "string",
    StringContent = "string_content",
    StringEnd = "string_end",
    StringStart = "string_start",
    Subscript = "subscript",
    TryStatement = "try_statement",
    Tuple = "tuple",
    TuplePattern = "tuple_pattern",
    Type = "type",
    TypeAlias = "type_alias_statement",
    TypeConversion = "type_conversion",
    TypeParameter = "type_parameter",
    TypedDefaultParameter = "typed_default_parameter",
    TypedParameter = "typed_parameter",
    WhileStatement = "while_statement",
    Wildcard = "wildcard_import",
    WithClause = "with_clause",
    WithItem = "with_item",
    WithStatement = "with_statement",
    // Not of the grammar: the root of an annotation that stands in quotes.
    StringAnnotation = " string annotation",
}

kinds! {
    /// The fields that rules ask for.
    Field,
    Alias = "alias",
    Alternative = "alternative",
    Arguments = "arguments",
    Attribute = "attribute",
    Body = "body",
    Condition = "condition",
    Consequence = "consequence",
    Definition = "definition",
    Expression = "expression",
    Function = "function",
    Key = "key",
    Left = "left",
    ModuleName = "module_name",
    Name = "name",
    Object = "object",
    Operators = "operators",
    Parameters = "parameters",
    ReturnType = "return_type",
    Right = "right",
    Subscript = "subscript",
    Superclasses = "superclasses",
    Type = "type",
    TypeParameters = "type_parameters",
    Value = "value",
}

impl Kind {
    /// Whether statements of this kind hold others.
    pub(crate) fn is_compound(self) -> bool {
        matches!(
            self,
            Self::ClassDefinition
                | Self::DecoratedDefinition
                | Self::ForStatement
                | Self::FunctionDefinition
                | Self::IfStatement
                | Self::MatchStatement
                | Self::TryStatement
                | Self::WhileStatement
                | Self::WithStatement
        )
    }
}

/// The language, and what its numbers of kinds and fields mean here.
pub(super) struct Grammar {
    pub(super) language: Language,
    pub(super) kinds: Vec<Kind>,
    pub(super) fields: Vec<Field>,
}

pub(super) static GRAMMAR: LazyLock<Grammar> = LazyLock::new(|| {
    let language = Language::from(tree_sitter_python::LANGUAGE);
    let count = u16::try_from(language.node_kind_count()).unwrap_or(u16::MAX);
    let kinds = (0..count)
        .map(|id| match language.node_kind_for_id(id) {
            Some(name) if language.node_kind_is_named(id) => Kind::named(name),
            _ => Kind::Other,
        })
        .collect();
    let count = u16::try_from(language.field_count()).unwrap_or(u16::MAX);
    let fields = (0..=count).map(|id| language.field_name_for_id(id).map_or(Field::Other, Field::named)).collect();
    Grammar { language, kinds, fields }
});
