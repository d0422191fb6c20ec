//! Commands on containers, one file a verb.

pub mod attach;
pub mod commit;
pub mod copy;
pub mod create;
pub mod details;
pub mod each;
pub mod exec;
pub mod list;
pub mod logs;
pub mod options;
pub mod ports;
pub mod reach;
pub mod run;
pub mod signals;
pub mod start;
pub mod stats;
pub mod streams;
pub mod update;
