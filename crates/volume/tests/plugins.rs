//! A volume plugin, as small as it can be, on a socket.

use corten_store::Store;
use corten_volume::{CreateRequest, Volumes};
use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    os::unix::net::UnixListener,
    path::Path,
    sync::{Arc, Mutex},
};

type Calls = Arc<Mutex<Vec<(String, serde_json::Value)>>>;

/// Serves a plugin `name` whose volumes are directories below `files`; answers what it was
/// asked.
fn plugin(directory: &Path, name: &str, files: &Path) -> Calls {
    let listener = UnixListener::bind(directory.join(format!("{name}.sock"))).expect("listens");
    let calls = Calls::default();
    let (seen, files) = (calls.clone(), files.to_owned());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(stream);
            let (mut line, mut length) = (String::new(), 0);
            reader.read_line(&mut line).expect("a request");
            let method = line.split(' ').nth(1).unwrap_or("/")[1..].to_owned();
            while line != "\r\n" {
                line.clear();
                reader.read_line(&mut line).expect("a header");
                if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().expect("a number");
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).expect("a body");
            let body: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
            let answer = answer(&method, &body, &files).to_string();
            seen.lock().expect("calls").push((method, body));
            let mut stream = reader.into_inner();
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
                answer.len()
            );
            stream.write_all(head.as_bytes()).expect("answers");
            stream.write_all(answer.as_bytes()).expect("answers");
        }
    });
    calls
}

fn answer(method: &str, body: &serde_json::Value, files: &Path) -> serde_json::Value {
    let name = body["Name"].as_str().unwrap_or_default();
    let path = files.join(name);
    let told = |name: &str| serde_json::json!({ "Name": name, "Mountpoint": files.join(name), "Status": { "kind": "test" } });
    match method {
        "Plugin.Activate" => serde_json::json!({ "Implements": ["VolumeDriver"] }),
        "VolumeDriver.Create" if body["Opts"]["bad"] == "yes" => {
            serde_json::json!({ "Err": "this cannot be" })
        }
        "VolumeDriver.Create" => {
            fs::create_dir(path).expect("a directory");
            serde_json::json!({ "Err": "" })
        }
        "VolumeDriver.Remove" => {
            fs::remove_dir_all(path).expect("removes");
            serde_json::json!({})
        }
        "VolumeDriver.Mount" => serde_json::json!({ "Mountpoint": path }),
        "VolumeDriver.Get" => serde_json::json!({ "Volume": told(name) }),
        "VolumeDriver.List" => {
            let names = fs::read_dir(files).expect("files").flatten();
            let names = names.map(|it| told(&it.file_name().to_string_lossy()));
            serde_json::json!({ "Volumes": names.collect::<Vec<_>>() })
        }
        "VolumeDriver.Capabilities" => {
            serde_json::json!({ "Capabilities": { "Scope": "global" } })
        }
        _ => serde_json::json!({ "Err": null }),
    }
}

#[test]
fn a_plugins_volume_is_made_mounted_listed_and_removed_by_it() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let (sockets, files) = (
        directory.path().join("plugins"),
        directory.path().join("files"),
    );
    fs::create_dir(&sockets).expect("directory");
    fs::create_dir(&files).expect("directory");
    fs::create_dir(files.join("older")).expect("a volume from before");
    let calls = plugin(&sockets, "shelf", &files);
    let open = || {
        let store = Store::open(&directory.path().join("state.db")).expect("store");
        let root = directory.path().join("volumes");
        Volumes::open_with_plugins(&root, Arc::new(store), vec![sockets.clone()]).expect("volumes")
    };
    let volumes = open();
    let request = |name: &str, options: &[(&str, &str)]| CreateRequest {
        name: name.into(),
        driver: "shelf".into(),
        options: Some(
            options
                .iter()
                .map(|(k, v)| ((*k).into(), (*v).into()))
                .collect(),
        ),
        ..CreateRequest::default()
    };
    let error = volumes
        .create(request("no", &[("bad", "yes")]))
        .expect_err("refused");
    assert_eq!(error.to_string(), "create no: this cannot be");
    let (volume, made) = volumes
        .create(request("books", &[("size", "3")]))
        .expect("creates");
    assert!(made && volume.driver == "shelf");
    assert_eq!(volumes.scope(&volume), "global");
    let details = volumes
        .details(&volume)
        .expect("answers")
        .expect("a plugin's");
    assert_eq!(
        details.mountpoint,
        files.join("books").display().to_string()
    );
    assert_eq!(details.status["kind"], "test");
    assert_eq!(volumes.foreign()[0].1.name, "older");
    assert_eq!(
        volumes.inspect("older").expect("the plugin has it").driver,
        "shelf"
    );
    volumes.acquire("books", "c0ffee").expect("acquires");
    assert_eq!(
        volumes.mount("books", "c0ffee").expect("mounts"),
        files.join("books")
    );
    drop(volumes);

    // The daemon restarts; the container went on.
    let volumes = open();
    volumes.acquire("books", "c0ffee").expect("acquires");
    volumes.adopt("books", "c0ffee");
    volumes.unmount("books", "c0ffee").expect("unmounts");
    volumes.release("c0ffee");
    volumes.remove("books").expect("removes");
    assert!(!files.join("books").exists());
    let calls = calls.lock().expect("calls");
    let of = |method: &str| {
        let found = calls.iter().find(|(it, _)| it == method);
        found.map(|(_, body)| body.clone()).expect("was called")
    };
    let created = calls
        .iter()
        .rev()
        .find(|(it, _)| it == "VolumeDriver.Create");
    assert_eq!(created.expect("called").1["Opts"]["size"], "3");
    assert_eq!(of("VolumeDriver.Mount")["ID"], "c0ffee");
    assert_eq!(of("VolumeDriver.Unmount")["ID"], "c0ffee");
}
