//! Tells the program which architecture it was built for.
fn main() {
    let arch = std::env::var("CARGO_CFG_TARGET_ARCH").unwrap_or_default();
    println!("cargo::rustc-env=CORTEN_ARCH={arch}");
    println!("cargo::rerun-if-changed=build.rs");
}
