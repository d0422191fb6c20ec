//! A vertex done: what it stands on is here.

use crate::{
    Error, Result, copy,
    graph::{Known, Node},
    known::{InputKey, by_content, copy_key},
    owner,
    put::{put_all, set_time},
    solve::{Files, Output, Solver},
    step::{StepKeys, Work},
    vertex::{CopyOp, MountOp, Op},
};
use corten_oci::Digest;
use corten_sys::root::Root;
use std::{os::fd::AsFd, path::Path, sync::Arc};

impl Solver<'_> {
    /// The output, and whether the cache had it. `same`: the inputs are called as they were
    /// before they were made.
    pub(crate) async fn make(
        &self,
        node: &Node,
        known: &Known,
        inputs: &[Arc<Output>],
        same: bool,
    ) -> Result<(Output, bool)> {
        let vertex = &node.vertex;
        let keys = |content: Digest, anew: bool| StepKeys {
            content,
            definition: known.definition.clone(),
            shape: node.shape.clone(),
            anew: anew || vertex.no_cache || inputs[0].anew,
        };
        match &vertex.op {
            Op::Image { layers, pull } => {
                layers.iter().for_each(|layer| self.lease.hold(layer));
                if let Some(pull) = pull {
                    pull.pull().await?;
                }
                let output = Output {
                    key: known.definition.clone(),
                    layers: layers.clone(),
                    files: Files::Layers,
                    made: None,
                    anew: false,
                };
                Ok((output, pull.is_none()))
            }
            Op::Scratch => Ok((self.source(vertex).await?, true)),
            Op::Context(_) | Op::Inline { .. } | Op::Http(_) | Op::Git(_) => {
                Ok((self.source(vertex).await?, false))
            }
            Op::Directory { path, user } => {
                let content = match same {
                    true => known.definition.clone(),
                    false => {
                        let mut key = crate::key::Key::new("step 1");
                        vertex.op.add_to(&mut key);
                        key.digest(&inputs[0].key);
                        key.finish()
                    }
                };
                let (path, user) = (path.clone(), user.clone());
                let epoch = self.request.source_date_epoch;
                let keys = keys(content, false);
                self.step(vertex, keys, &inputs[0], async move |_, _| {
                    Ok(Work::Change(Box::new(move |root: &Root| {
                        make_directory(root, &path, &user, epoch)
                    })))
                })
                .await
            }
            Op::Copy(op) => {
                let (content, selected) =
                    Box::pin(self.copied_key(node, op, known, inputs, same)).await?;
                let op = op.clone();
                let keys = keys(content, false);
                self.step(vertex, keys, &inputs[0], async move |_, _| {
                    Ok(Work::Change(Box::new(move |root: &Root| {
                        put_all(root, &op, &selected)
                    })))
                })
                .await
            }
            Op::Exec(exec) => {
                let content = match same {
                    true => known.definition.clone(),
                    false => self.exec_key(vertex, &by_content(inputs)).await?,
                };
                let bound = exec.mounts.iter().any(|mount| match mount {
                    MountOp::Bind { input, .. } => inputs[*input].anew,
                    _ => false,
                });
                let keys = keys(content, bound);
                self.step(vertex, keys, &inputs[0], async move |id, root| {
                    Box::pin(self.exec(vertex, exec, inputs, id, root)).await?;
                    Ok(Work::Done)
                })
                .await
            }
        }
    }

    /// The key of a copy by what it copies, and that.
    async fn copied_key(
        &self,
        node: &Node,
        op: &CopyOp,
        known: &Known,
        inputs: &[Arc<Output>],
        same: bool,
    ) -> Result<(Digest, Vec<crate::known::Selected>)> {
        let vertex = &node.vertex;
        let (selected, of_definition) = match known.take_selected() {
            Some(selected) => (selected, same),
            None => {
                let here = |index: usize| inputs.get(index).cloned();
                (self.selected(vertex, op, here).await?, false)
            }
        };
        let key = match of_definition {
            true => known.definition.clone(),
            false => {
                let inputs: Vec<InputKey<'_>> = by_content(inputs);
                copy_key(vertex, op, &inputs, &selected)
            }
        };
        Ok((key, selected))
    }
}

fn make_directory(root: &Root, path: &str, user: &str, epoch: Option<i64>) -> Result<()> {
    let owner = match user {
        "" => None,
        user => Some(owner::owner(user, root)?),
    };
    let path = Path::new(path);
    let made = copy::make_directories(root, path, owner, 0o755);
    let (directory, created) = made.map_err(|error| match copy::no_place(error) {
        Error::Invalid(sentence)
            if sentence != format!("mkdir {}: not a directory", path.display()) =>
        {
            match sentence.ends_with(": not a directory") {
                true => Error::Invalid(format!("lstat {}: not a directory", path.display())),
                false => Error::Invalid(sentence),
            }
        }
        other => other,
    })?;
    if let (Some(epoch), true) = (epoch, created) {
        set_time(directory.as_fd(), epoch);
    }
    Ok(())
}
