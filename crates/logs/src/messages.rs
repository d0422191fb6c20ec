//! Sentences that Docker's users know, to the letter (dockerd 28).

pub(crate) const BUFFER_WITHOUT_MODE: &str =
    "logger: max-buffer-size option is only supported with 'mode=non-blocking'";
pub(crate) const SIZE_NOT_POSITIVE: &str = "max-size must be a positive number";
pub(crate) const TOO_FEW_FILES: &str = "max-file cannot be less than 1";
pub(crate) const NOTHING_TO_COMPRESS: &str =
    "compress cannot be true when max-file is less than 2 or max-size is not set";

pub(crate) const LOCAL_NOTHING_TO_COMPRESS: &str =
    "compression cannot be enabled when max file count is 1";

pub(crate) fn no_driver(name: &str) -> String {
    format!("error looking up logging plugin {name}: plugin \"{name}\" not found")
}

pub(crate) fn unknown(name: &str, driver: &str) -> String {
    match driver {
        // Docker's own wording for this one.
        "local" => format!("unknown log opt '{name}' for log driver local"),
        driver => format!("unknown log opt '{name}' for {driver} log driver"),
    }
}

pub(crate) fn mode(mode: &str) -> String {
    format!("logger: logging mode not supported: {mode}")
}

pub(crate) fn buffer_size(text: &str) -> String {
    format!("error parsing option max-buffer-size: {}", size(text))
}

pub(crate) fn size(text: &str) -> String {
    format!("invalid size: '{text}'")
}

pub(crate) fn not_a_number(text: &str) -> String {
    format!("strconv.Atoi: parsing {text:?}: invalid syntax")
}

pub(crate) fn not_a_bool(text: &str) -> String {
    format!("strconv.ParseBool: parsing {text:?}: invalid syntax")
}

/// What Go says of an errno.
pub(crate) fn errno(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = match text.find(" (os error") {
        Some(at) => &text[..at],
        None => &text,
    };
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => String::new(),
    }
}

pub(crate) fn value(name: &str, value: &str) -> String {
    format!("invalid value for option {name}: {value}")
}

pub(crate) fn local_size(text: &str) -> String {
    format!("invalid value for max-size: {text}: {}", size(text))
}

pub(crate) fn local_files(text: &str) -> String {
    format!("invalid value for max-file: {text}: {}", not_a_number(text))
}

pub(crate) fn local_compress(text: &str) -> String {
    format!("error reading compress log option: {}", not_a_bool(text))
}
