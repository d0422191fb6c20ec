//! Measures unpacking: `unpack ARCHIVE DIRECTORY` applies a layer (or extracts a plain
//! tree with `--copy`) into a new directory and prints how long that took.
use corten_archive::{ApplyOptions, ExtractOptions, apply, extract};
use std::{error::Error, fs::File, os::fd::AsFd, path::Path, time::Instant};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (copy, rest) = match arguments.split_first() {
        Some((flag, rest)) if flag == "--copy" => (true, rest),
        _ => (false, &arguments[..]),
    };
    let [archive, directory] = rest else {
        return Err("usage: unpack [--copy] ARCHIVE DIRECTORY".into());
    };
    std::fs::create_dir(directory)?;
    let root = File::open(directory)?;
    let start = Instant::now();
    let file = std::io::BufReader::new(File::open(archive)?);
    let (bytes, entries) = if copy {
        let done = extract(
            file,
            root.as_fd(),
            Path::new("/"),
            &ExtractOptions::default(),
        )?;
        (done.size_bytes, done.entries)
    } else {
        let done = apply(file, root.as_fd(), &ApplyOptions::default())?;
        println!("{} unsettled={}", done.diff_id, !done.unsettled.is_empty());
        (done.uncompressed_bytes, done.entries)
    };
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{entries} entries, {} MB, {seconds:.3} s",
        bytes / 1_000_000
    );
    Ok(())
}
