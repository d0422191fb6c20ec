//! The keys of the menu while output is shown, and the watch that they turn on and off.

use super::{
    super::{
        menu::{self, Key, Menu},
        watch::Watch,
    },
    Course, Session,
};
use crate::error::CliError;
use std::pin::Pin;
use tokio::sync::mpsc::UnboundedReceiver;

/// Files being watched.
type Going<'t> = Pin<Box<dyn Future<Output = Result<(), CliError>> + 't>>;
/// The same, if they are.
pub(super) type Watching<'t> = Option<Going<'t>>;

impl Session<'_> {
    /// What is to be done when files change.
    pub(super) fn rules(&self) -> Result<Watch<'_>, CliError> {
        Watch::new(self.compose, self.project, &self.services, &self.printer)
    }

    /// `--watch`, until the user has enough of it.
    pub(super) fn watch<'t>(&'t self, watch: Watch<'t>) -> Going<'t> {
        self.printer.menu_watches(true);
        Box::pin(async move {
            let result = watch.run(&self.watch_off).await;
            self.printer.menu_watches(false);
            result
        })
    }

    /// The menu, and the keys that are pressed while it is there.
    pub(super) fn open_menu(&self) -> Option<UnboundedReceiver<Key>> {
        if !menu::is_wanted(self.compose) {
            return None;
        }
        let (menu, keys) = Menu::open()?;
        self.printer.set_menu(Some(menu));
        Some(keys)
    }

    pub(super) fn pressed<'t>(
        &'t self,
        key: Key,
        course: &mut Course,
        watching: &mut Watching<'t>,
    ) -> Result<(), CliError> {
        let above = self.printer.above();
        match key {
            Key::Detach => course.detached = true,
            Key::Line => self.compose.call.app.line("")?,
            Key::Watch if watching.is_some() => self.watch_off.notify_one(),
            Key::Watch => match self.rules() {
                Ok(rules) => *watching = Some(self.watch(rules)),
                Err(error) => self.compose.call.app.line(&error.to_string())?,
            },
        }
        drop(above);
        Ok(())
    }
}

/// The next key; without a menu there never is one.
pub(super) async fn pressed(keys: &mut Option<UnboundedReceiver<Key>>) -> Option<Key> {
    match keys {
        Some(keys) => keys.recv().await,
        None => std::future::pending().await,
    }
}

/// What a watch that goes on comes to.
pub(super) async fn going_on(watching: &mut Watching<'_>) -> Result<(), CliError> {
    match watching {
        Some(watching) => watching.await,
        None => std::future::pending().await,
    }
}
