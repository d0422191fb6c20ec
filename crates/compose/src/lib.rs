//! Compose: files to a project, a project to a plan, and the plan's steps through the API.
//!
//! **What it is for.** [`load()`] reads the Compose files that people have and says what they
//! mean ([`Project`]), with the words of the Compose specification and the results of stock
//! Compose: the same canonical form, names, labels and hashes, so that either tool manages
//! the other's projects.
//!
//! **Invariants.** Loading is pure but for reading the files that are named ([`Files`]):
//! the same files, environment and options give the same project. Every value keeps the
//! [`Place`] it was written at, and every error names it. One table (`schema`) says what
//! may be written, how it is merged and how it is printed. Files may be hostile: aliases,
//! nesting and variables are bounded, and a path in a file is only ever read, never written.
//!
//! [`plan`] says what has to be done, as data and without asking anybody; [`apply`] does it
//! through the API, as much at the same time as the plan allows.
//!
//! **What it never knows.** The engine's insides, how containers are made; the command line
//! and how things look on a terminal.
#![forbid(unsafe_code)]

mod advice;
pub mod apply;
pub mod body;
mod canonical;
mod consistency;
mod contents;
pub mod dotenv;
mod error;
pub mod hash;
pub mod json;
pub mod labels;
mod load;
mod merge;
mod node;
pub mod output;
mod paths;
mod place;
pub mod plan;
mod platforms;
mod project;
mod schema;
pub mod template;
pub mod variables;
pub mod yaml;

pub use error::ComposeError;
pub use load::{Disk, Files, Loaded, Request, Source, Steps, load, load_telling, normalized_name};
pub use node::{Map, Node, Tag, Value};
pub use place::Place;
pub use platforms::Target;
pub use project::Project;
