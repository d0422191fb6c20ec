//! The language of definitions: expressions over values, bodies of attributes and blocks.
//!
//! Specification: hashicorp/hcl, native syntax 2 and its JSON form.

pub mod body;
pub mod eval;
pub mod operators;
pub mod read;
pub mod scope;
pub mod template;

pub use body::{Attribute, Block, Body, Expr};
pub use scope::{Globals, Scope, UserFunction, Uses};
