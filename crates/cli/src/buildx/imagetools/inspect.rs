//! `buildx imagetools inspect`.

use super::{
    load::{self, Part, Wanted},
    remote::{self, Remote},
    shape::{DESCRIPTOR, SHOWN_INDEX, shaped},
};
use crate::{
    app::Call,
    buildx::error,
    error::CliError,
    output::{
        Json, tabs,
        template::{
            Format, Functions, Value,
            value::{Object, text, typed},
        },
    },
};
use corten_distribution::FetchedManifest;
use corten_oci::{Index, ManifestOrIndex, Platform, Reference};
use std::{collections::BTreeMap, rc::Rc};

/// Shows an image of a registry.
pub async fn run(call: &Call<'_>) -> Result<u8, CliError> {
    crate::build::refuse_builder(call)?;
    let format = call.parsed.text("format");
    let raw = call.parsed.is_on("raw");
    if raw && !format.is_empty() {
        return Err(error("format and raw cannot be used together"));
    }
    let name = remote::reference(call.arg(0))?;
    let remote = Remote::open(call.app, name).await?;
    let fetched = remote.manifest().await?;
    if raw {
        // No line of ours: the bytes are what the digest is of.
        call.app.out(&String::from_utf8_lossy(&fetched.bytes))?;
        return Ok(0);
    }
    // The stock plugin up to 0.29 shows the listing also for templates that only begin with
    // `.Manifest`; later ones and this do for the whole manifest.
    let bare: String = format.split_whitespace().collect();
    if matches!(bare.as_str(), "" | "{{.Manifest}}") {
        call.app.out(&listing(&remote.name, &fetched))?;
        return Ok(0);
    }
    let template = Format::with(Functions::Indented, "", format);
    let template = template.map_err(|why| error(&why.to_string()))?;
    let wanted = Wanted {
        sbom: format.contains("SBOM"),
        provenance: format.contains("Provenance"),
    };
    let parts = load::load(&remote, &fetched, wanted).await?;
    let value = input(call.arg(0), &remote.name, &fetched, &parts)?;
    let (text, fault) = template.execute_partly(&value);
    call.app.out(&text)?;
    match fault {
        None => Ok(0),
        Some(why) => Err(error(&why.to_string())),
    }
}

/// Name, type and digest, and what an index lists.
fn listing(name: &Reference, fetched: &FetchedManifest) -> String {
    let (kind, digest) = (&fetched.descriptor.media_type, &fetched.descriptor.digest);
    let head = format!("Name:\t{name}\nMediaType:\t{kind}\nDigest:\t{digest}\n");
    let mut text = tabs::align(&head, 0, 1);
    if let ManifestOrIndex::Index(index) = &fetched.document {
        text.push_str(&tabs::align("\t\nManifests:\t\n", 0, 1));
        text.push_str(&entries(name, index));
    }
    text
}

fn entries(name: &Reference, index: &Index) -> String {
    let mut text = String::new();
    let mut block = String::new();
    for (at, entry) in index.manifests.iter().enumerate() {
        if at > 0 {
            block.push_str("\t\n");
        }
        let tag = name.tag().map(|it| format!(":{it}")).unwrap_or_default();
        let mut line = |key: &str, value: &str| block.push_str(&format!("  {key}:\t{value}\n"));
        line("Name", &format!("{}{tag}@{}", name.name(), entry.digest));
        line("MediaType", &entry.media_type);
        let Some(platform) = &entry.platform else {
            continue;
        };
        line("Platform", &shown(platform));
        line_if(&mut line, "OSVersion", platform.os_version.as_deref());
        let features = platform.os_features.as_ref().map(|it| it.join(", "));
        line_if(&mut line, "OSFeatures", features.as_deref());
        let urls = entry.urls.as_ref().map(|it| it.join(", "));
        line_if(&mut line, "URLs", urls.as_deref());
        let annotations = entry.annotations.iter().flatten();
        let annotations: String = annotations
            .map(|(key, value)| format!("    {key}:\t{value}\n"))
            .collect();
        if !annotations.is_empty() {
            line("Annotations", "");
            text.push_str(&tabs::align(&std::mem::take(&mut block), 0, 1));
            text.push_str(&tabs::align(&annotations, 0, 1));
        }
    }
    text + &tabs::align(&block, 0, 1)
}

fn line_if(line: &mut impl FnMut(&str, &str), key: &str, value: Option<&str>) {
    if let Some(value) = value.filter(|it| !it.is_empty()) {
        line(key, value);
    }
}

/// A platform as it is written down: not in the usual spelling.
fn shown(platform: &Platform) -> String {
    match platform.os.as_str() {
        "" => "unknown".into(),
        _ => platform.to_string(),
    }
}

/// What a template is filled in with.
fn input(
    given: &str,
    name: &Reference,
    fetched: &FetchedManifest,
    parts: &BTreeMap<String, Part>,
) -> Result<Value, CliError> {
    let several = parts.len() > 1;
    let ty = match several {
        true => "imagetools.tplInputs",
        false => "imagetools.tplInput",
    };
    let manifest = manifest(name, fetched)?;
    let one = |part: &dyn Fn(&Part) -> Option<Json>| {
        let mut all = parts
            .iter()
            .filter_map(|(platform, it)| Some((platform.clone(), part(it)?)));
        match several {
            true => Some(Json::Object(all.collect())),
            false => all.next().map(|(_, it)| it),
        }
    };
    let image = one(&|part| Some(part.config.clone()));
    let sbom = one(&|part| part.sbom.clone());
    let provenance = one(&|part| part.provenance.clone());
    let manifest_type = match &fetched.document {
        ManifestOrIndex::Index(_) => "imagetools.index",
        ManifestOrIndex::Manifest(_) => "imagetools.manifest",
    };
    let types = match several {
        true => [
            "map[string]*v1.Image",
            "map[string]imagetools.sbomStub",
            "map[string]imagetools.provenanceStub",
        ],
        false => [
            "*v1.Image",
            "imagetools.sbomStub",
            "imagetools.provenanceStub",
        ],
    };
    let fields = vec![
        text(given),
        typed(manifest_type, Some(&manifest)),
        typed(types[0], image.as_ref()),
        typed(types[1], sbom.as_ref().or(Some(&Json::Object(Vec::new())))),
        typed(
            types[2],
            provenance.as_ref().or(Some(&Json::Object(Vec::new()))),
        ),
    ];
    let mut json = vec![
        ("name".to_owned(), given.into()),
        ("manifest".to_owned(), manifest),
    ];
    json.extend(image.map(|it| ("image".to_owned(), it)));
    // Provenance and lists of packages are methods in Go: no JSON shows them.
    Ok(Value::Struct(Rc::new(Object {
        of: crate::output::template::find(ty),
        fields,
        json: Json::Object(json),
    })))
}

/// What is shown of the manifest: of one image its descriptor, of several their index.
fn manifest(name: &Reference, fetched: &FetchedManifest) -> Result<Json, CliError> {
    let descriptor = &fetched.descriptor;
    let own = [
        (
            "mediaType".to_owned(),
            descriptor.media_type.as_str().into(),
        ),
        ("digest".to_owned(), descriptor.digest.to_string().into()),
        ("size".to_owned(), Json::Int(fetched.bytes.len() as i64)),
    ];
    Ok(match &fetched.document {
        ManifestOrIndex::Manifest(_) => shaped(&Json::Object(own.into()), DESCRIPTOR),
        ManifestOrIndex::Index(_) => {
            let mut index = remote::json(name, &fetched.bytes)?;
            if let Json::Object(members) = &mut index {
                members.retain(|(key, _)| !matches!(key.as_str(), "digest" | "size"));
                let [_, digest, size] = own;
                members.extend([digest, size]);
            }
            shaped(&index, SHOWN_INDEX)
        }
    })
}
