//! Named contexts that are images of a layout of the client's (`oci-layout://`).

use crate::{
    Result,
    build::Inner,
    context::{Context, told},
    key::Key,
    materials::Material,
    progress::ProgressSender,
    request::ContextSource,
    session::Session,
};
use corten_images::LayoutImage;
use corten_oci::Platform;
use std::{collections::BTreeMap, sync::Arc};

/// An image whose layers are here, until this is dropped.
pub(crate) struct Opened {
    pub material: Material,
    _image: LayoutImage,
}

/// Brings the layers of such contexts here and puts what they are in their places.
pub(crate) async fn open(
    inner: &Inner,
    session: &dyn Session,
    progress: &ProgressSender,
    contexts: &mut BTreeMap<String, Arc<Context>>,
    platform: &Platform,
) -> Result<Vec<Opened>> {
    let mut list = Vec::new();
    for (name, context) in contexts {
        let asked = context.source.clone();
        let ContextSource::Layout { store, digest } = &asked else {
            continue;
        };
        let store = session.store(store)?;
        let mut key = Key::new("layout");
        key.text(name).digest(digest).text(&platform.to_string());
        let title = format!("[context {name}] OCI load from client");
        let vertex = key.finish();
        let image = told(progress, &title, &vertex, async {
            let fetching = inner.images.layout_image(&*store, digest, platform);
            Ok(Box::pin(fetching).await?)
        });
        let image = image.await?;
        let shown = platform.normalised().to_string().replace('/', "%2F");
        let uri = format!("pkg:oci/{name}?digest={digest}&platform={shown}");
        let source = ContextSource::Result {
            layers: image.config.diff_ids().to_vec(),
            config: Some(Box::new(image.config.clone())),
        };
        *context = Context::new(name, source, Default::default());
        list.push(Opened {
            material: Material::sha256(uri, digest),
            _image: image,
        });
    }
    Ok(list)
}
