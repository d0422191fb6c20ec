//! What can go wrong with logs.

use crate::messages;
use corten_base::{Kind, KindOf};
use std::io;
use std::path::PathBuf;
use thiserror::Error;

/// A log file cannot be written or read.
#[derive(Debug, Error)]
pub enum LogError {
    /// It cannot be opened.
    #[error("opening the log {path}")]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It cannot be read.
    #[error("reading the log {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Records cannot be written; those of this batch are lost, later ones may be kept.
    #[error("writing the log {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A full file cannot be put aside.
    #[error("rotating the log {path}")]
    Rotate {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The log cannot be watched for what is added.
    #[error("following the log {path}")]
    Follow {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl KindOf for LogError {
    fn kind(&self) -> Kind {
        match self {
            Self::Open { source, .. } if source.kind() == io::ErrorKind::NotFound => Kind::NotFound,
            Self::Open { .. }
            | Self::Read { .. }
            | Self::Write { .. }
            | Self::Rotate { .. }
            | Self::Follow { .. } => Kind::Internal,
        }
    }
}

/// A log option that is not accepted. `Display` is Docker's sentence; where Docker says
/// it when the container is created and where when it is started, see
/// [`OptionError::at_create`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OptionError {
    /// No such driver.
    #[error("{}", messages::no_driver(.0))]
    NoDriver(String),
    /// The driver has no such option.
    #[error("{}", messages::unknown(.name, .driver))]
    Unknown {
        /// The option.
        name: String,
        /// The driver.
        driver: String,
    },
    /// `mode` is neither `blocking` nor `non-blocking`.
    #[error("{}", messages::mode(.0))]
    Mode(String),
    /// A buffer without a mode that has one.
    #[error("{}", messages::BUFFER_WITHOUT_MODE)]
    BufferWithoutMode,
    /// `max-buffer-size` is no size.
    #[error("{}", messages::buffer_size(.0))]
    BufferSize(String),
    /// `max-size` is no size.
    #[error("{}", messages::size(.0))]
    Size(String),
    /// `max-size` is zero.
    #[error("{}", messages::SIZE_NOT_POSITIVE)]
    SizeNotPositive,
    /// `max-file` is no number.
    #[error("{}", messages::not_a_number(.0))]
    NotANumber(String),
    /// `max-file` is zero or less.
    #[error("{}", messages::TOO_FEW_FILES)]
    TooFewFiles,
    /// `compress` is neither true nor false.
    #[error("{}", messages::not_a_bool(.0))]
    NotABool(String),
    /// Nothing would ever be compressed.
    #[error("{}", messages::NOTHING_TO_COMPRESS)]
    NothingToCompress,
    /// An option that every driver shares.
    #[error("{}", messages::value(.name, .value))]
    Value {
        /// The option.
        name: &'static str,
        /// What was given.
        value: String,
    },
    /// `max-size` of `local` is no size.
    #[error("{}", messages::local_size(.0))]
    LocalSize(String),
    /// `max-file` of `local` is no number.
    #[error("{}", messages::local_files(.0))]
    LocalFiles(String),
    /// `compress` of `local` is neither true nor false.
    #[error("{}", messages::local_compress(.0))]
    LocalCompress(String),
    /// `local` would never compress anything.
    #[error("{}", messages::LOCAL_NOTHING_TO_COMPRESS)]
    LocalNothingToCompress,
    /// A value that a remote driver refuses when the container is created, with its
    /// sentence.
    #[error("{0}")]
    Refused(String),
}

impl OptionError {
    /// Whether Docker refuses the option when the container is created; else only its
    /// start fails, with `failed to create task for container: failed to initialize
    /// logging driver: ` before the sentence.
    pub fn at_create(&self) -> bool {
        match self {
            Self::NoDriver(_)
            | Self::Unknown { .. }
            | Self::Mode(_)
            | Self::BufferWithoutMode
            | Self::BufferSize(_)
            | Self::Value { .. }
            | Self::Refused(_) => true,
            Self::Size(_)
            | Self::SizeNotPositive
            | Self::NotANumber(_)
            | Self::TooFewFiles
            | Self::NotABool(_)
            | Self::NothingToCompress
            | Self::LocalSize(_)
            | Self::LocalFiles(_)
            | Self::LocalCompress(_)
            | Self::LocalNothingToCompress => false,
        }
    }
}

impl KindOf for OptionError {
    fn kind(&self) -> Kind {
        match self {
            error if error.at_create() => Kind::InvalidParameter,
            _ => Kind::Internal,
        }
    }
}
