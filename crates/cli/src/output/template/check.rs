//! What Go finds out while it reads a template: functions and variables that are not there.

use super::functions::Functions;
use crate::flags::go_quote;
use gotmpl::parse::{BranchNode, DefineNode, Expr, ListNode, Node, PipeNode};

/// The first complaint about `tree` and what it defines.
pub fn complaint(tree: &ListNode, defines: &[DefineNode], functions: Functions) -> Option<String> {
    let mut check = Check {
        functions,
        variables: vec!["$".into()],
    };
    let mut lists = std::iter::once(tree).chain(defines.iter().map(|it| &it.body));
    lists.find_map(|list| check.list(list).err())
}

struct Check {
    functions: Functions,
    variables: Vec<String>,
}

impl Check {
    fn list(&mut self, list: &ListNode) -> Result<(), String> {
        let known = self.variables.len();
        let done = list.nodes.iter().try_for_each(|node| self.node(node));
        self.variables.truncate(known);
        done
    }

    fn node(&mut self, node: &Node) -> Result<(), String> {
        match node {
            Node::List(list) => self.list(list),
            Node::Action(action) => self.pipeline(&action.pipe),
            Node::If(branch) | Node::Range(branch) | Node::With(branch) => self.branch(branch),
            Node::Template(call) => call.pipe.iter().try_for_each(|pipe| self.pipeline(pipe)),
            Node::Text(_) | Node::Define(_) | Node::Break(_) | Node::Continue(_) => Ok(()),
        }
    }

    fn branch(&mut self, branch: &BranchNode) -> Result<(), String> {
        let known = self.variables.len();
        self.pipeline(&branch.pipe)?;
        self.list(&branch.body)?;
        if let Some(list) = &branch.else_body {
            self.list(list)?;
        }
        self.variables.truncate(known);
        Ok(())
    }

    fn pipeline(&mut self, pipe: &PipeNode) -> Result<(), String> {
        for name in pipe.decl.iter().filter(|_| pipe.is_assign) {
            self.variable(name)?;
        }
        let mut expressions = pipe.commands.iter().flat_map(|it| &it.args);
        expressions.try_for_each(|it| self.expression(it))?;
        let new = pipe.decl.iter().map(ToString::to_string);
        self.variables.extend(new);
        Ok(())
    }

    fn expression(&mut self, expr: &Expr) -> Result<(), String> {
        match expr {
            Expr::Identifier(_, name) if !self.functions.know(name) => {
                Err(format!("function {} not defined", go_quote(name)))
            }
            Expr::Variable(_, name, _) => self.variable(name),
            Expr::Pipe(_, pipe) => self.pipeline(pipe),
            Expr::Chain(_, inner, _) => self.expression(inner),
            _ => Ok(()),
        }
    }

    fn variable(&self, name: &str) -> Result<(), String> {
        match self.variables.iter().any(|it| it == name) {
            true => Ok(()),
            false => Err(format!("undefined variable {}", go_quote(name))),
        }
    }
}
