//! What names mean while an expression is evaluated.

use crate::value::Value;
use hcl_edit::expr::Expression;
use std::{collections::BTreeMap, rc::Rc};

/// A function that a file defines.
#[derive(Debug)]
pub struct UserFunction {
    /// Names of the parameters.
    pub params: Vec<String>,
    /// The name that takes all further arguments.
    pub variadic: Option<String>,
    /// What it gives.
    pub result: super::Expr,
}

/// Names that every expression may use.
#[derive(Debug, Default)]
pub struct Globals {
    /// Variables, attributes of the file's top level, and blocks that were evaluated.
    pub variables: BTreeMap<String, Value>,
    /// Functions of the files.
    pub functions: BTreeMap<String, Rc<UserFunction>>,
}

/// Names of the inside over those of the outside.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    globals: &'a Globals,
    local: Option<&'a BTreeMap<String, Value>>,
    outer: Option<&'a Scope<'a>>,
}

impl<'a> Scope<'a> {
    /// Nothing but what is global.
    pub fn global(globals: &'a Globals) -> Self {
        Self {
            globals,
            local: None,
            outer: None,
        }
    }

    /// With further names.
    pub fn with(&'a self, local: &'a BTreeMap<String, Value>) -> Self {
        Self {
            globals: self.globals,
            local: Some(local),
            outer: Some(self),
        }
    }

    /// The value of a name.
    pub fn variable(&self, name: &str) -> Option<&Value> {
        let mut scope = Some(self);
        while let Some(at) = scope {
            if let Some(value) = at.local.and_then(|it| it.get(name)) {
                return Some(value);
            }
            scope = at.outer;
        }
        self.globals.variables.get(name)
    }

    /// Only what is global: what functions of the files see.
    pub fn outermost(&self) -> Scope<'a> {
        Scope::global(self.globals)
    }

    /// A function of the files.
    pub fn function(&self, name: &str) -> Option<&Rc<UserFunction>> {
        self.globals.functions.get(name)
    }

    /// Names that resemble one.
    pub fn like(&self, name: &str) -> Option<&'a str> {
        let names = self.globals.variables.keys().map(String::as_str);
        suggestion(name, names)
    }
}

/// A known name that differs in less than three letters.
pub fn suggestion<'n>(given: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    /// Letters that may differ, as hashicorp/hcl has it.
    const DISTANCE: usize = 3;
    let mut names = names;
    names.find(|name| distance(given, name) < DISTANCE)
}

fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (number, a) in left.chars().enumerate() {
        let mut before = row[0];
        row[0] = number + 1;
        for (at, b) in right.iter().enumerate() {
            let replaced = before + usize::from(a != *b);
            before = row[at + 1];
            row[at + 1] = replaced.min(row[at] + 1).min(before + 1);
        }
    }
    row[right.len()]
}

/// Names of variables and functions that an expression uses but does not itself define.
#[derive(Debug, Default)]
pub struct Uses {
    /// The variable, the names that follow it, as far as they are written plainly, and
    /// whether anything follows it.
    pub variables: Vec<(Vec<String>, bool)>,
    /// Functions.
    pub functions: Vec<String>,
}

impl Uses {
    /// Those of an expression.
    pub fn of(expression: &Expression) -> Self {
        let mut uses = Self::default();
        uses.expression(expression, &mut Vec::new());
        uses
    }

    fn variable(&mut self, path: Vec<String>, followed: bool, hidden: &[String]) {
        if !hidden.contains(&path[0]) {
            self.variables.push((path, followed));
        }
    }

    fn expression(&mut self, expression: &Expression, hidden: &mut Vec<String>) {
        match expression {
            Expression::Null(_) | Expression::Bool(_) | Expression::Number(_) => {}
            Expression::String(_) => {}
            Expression::Array(items) => items.iter().for_each(|it| self.expression(it, hidden)),
            Expression::Object(entries) => {
                for (key, value) in entries.iter() {
                    if let Some(key) = key.as_expr().filter(|it| !it.is_variable()) {
                        self.expression(key, hidden);
                    }
                    self.expression(value.expr(), hidden);
                }
            }
            Expression::StringTemplate(template) => self.template(template.iter(), hidden),
            Expression::HeredocTemplate(heredoc) => self.template(heredoc.template.iter(), hidden),
            Expression::Parenthesis(inner) => self.expression(inner.inner(), hidden),
            Expression::Variable(name) => self.variable(vec![name.to_string()], false, hidden),
            Expression::Conditional(it) => {
                self.expression(&it.cond_expr, hidden);
                self.expression(&it.true_expr, hidden);
                self.expression(&it.false_expr, hidden);
            }
            Expression::FuncCall(call) => {
                self.functions.push(call.name.name.to_string());
                call.args.iter().for_each(|it| self.expression(it, hidden));
            }
            Expression::Traversal(it) => {
                match &it.expr {
                    Expression::Variable(name) => {
                        let mut path = vec![name.to_string()];
                        path.extend(it.operators.iter().map_while(super::eval::step));
                        self.variable(path, true, hidden);
                    }
                    other => self.expression(other, hidden),
                }
                for operator in &it.operators {
                    if let hcl_edit::expr::TraversalOperator::Index(index) = operator.value() {
                        self.expression(index, hidden);
                    }
                }
            }
            Expression::UnaryOp(it) => self.expression(&it.expr, hidden),
            Expression::BinaryOp(it) => {
                self.expression(&it.lhs_expr, hidden);
                self.expression(&it.rhs_expr, hidden);
            }
            Expression::ForExpr(it) => {
                self.expression(&it.intro.collection_expr, hidden);
                let before = hidden.len();
                hidden.extend(it.intro.key_var.as_ref().map(|it| it.to_string()));
                hidden.push(it.intro.value_var.to_string());
                let inner = it.key_expr.iter().chain([&it.value_expr]);
                let inner = inner.chain(it.cond.as_ref().map(|it| &it.expr));
                for expression in inner {
                    self.expression(expression, hidden);
                }
                hidden.truncate(before);
            }
        }
    }

    fn template<'e>(
        &mut self,
        elements: impl Iterator<Item = &'e hcl_edit::template::Element>,
        hidden: &mut Vec<String>,
    ) {
        use hcl_edit::template::{Directive, Element};
        for element in elements {
            match element {
                Element::Literal(_) => {}
                Element::Interpolation(it) => self.expression(&it.expr, hidden),
                Element::Directive(directive) => match &**directive {
                    Directive::If(it) => {
                        self.expression(&it.if_expr.cond_expr, hidden);
                        self.template(it.if_expr.template.iter(), hidden);
                        if let Some(other) = &it.else_expr {
                            self.template(other.template.iter(), hidden);
                        }
                    }
                    Directive::For(it) => {
                        let it = &it.for_expr;
                        self.expression(&it.collection_expr, hidden);
                        let before = hidden.len();
                        hidden.extend(it.key_var.as_ref().map(|it| it.to_string()));
                        hidden.push(it.value_var.to_string());
                        self.template(it.template.iter(), hidden);
                        hidden.truncate(before);
                    }
                },
            }
        }
    }
}
