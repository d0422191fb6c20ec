//! Prints the canonical form of a project: `config DIRECTORY [hash|json] [FILE…]`.

use corten_compose::{
    Disk, Request, Source, Steps, hash, json, load, normalized_name, output, yaml,
};
use std::path::PathBuf;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let directory = PathBuf::from(arguments.next().unwrap_or_else(|| ".".into()));
    let form = arguments.next().unwrap_or_else(|| "yaml".into());
    let mut files: Vec<Source> = arguments
        .map(|file| Source::File(directory.join(file)))
        .collect();
    if files.is_empty() {
        files.push(Source::File(directory.join("compose.yaml")));
    }
    let name = directory.file_name().unwrap_or_default().to_string_lossy();
    // `config --hash` of stock Compose leaves env files unread.
    let steps = Steps {
        environment: form != "hash",
        ..Steps::default()
    };
    let request = Request {
        files,
        fallback_name: normalized_name(&name),
        directory,
        name: None,
        env: std::env::vars().collect(),
        profiles: Vec::new(),
        steps,
    };
    match load(&request, &Disk) {
        Ok(loaded) => {
            let mut project = loaded.project;
            if form == "hash" {
                for (name, service) in project.services() {
                    println!("{name} {}", hash::service(service));
                }
                return;
            }
            project.drop_unused();
            if form == "json" {
                println!(
                    "{}",
                    json::pretty(&output::project_json(&project.tree)).replace('$', "$$")
                );
            } else {
                print!(
                    "{}",
                    yaml::write(&output::project_yaml(&project.tree)).replace('$', "$$")
                );
            }
        }
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(1);
        }
    }
}
