//! For which platforms the images of services are built, and on which their containers run.
//!
//! A file may name several platforms for a build and one for the containers, and
//! `DOCKER_DEFAULT_PLATFORM` one for all services that name none. `build` makes all of them;
//! what is about to run needs the one.

use crate::{ComposeError, Map, Node, Project, Value};

/// What images are built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Wherever they are wanted: all platforms of the files (`compose build`).
    Everywhere,
    /// The engine, at once: one platform, which the builder chooses where none is named.
    Here,
}

impl Project {
    /// Writes into these services which platform they run on and which ones they are built
    /// for. Services without a `build` section stay as they are. Doing it again changes
    /// nothing.
    ///
    /// # Errors
    /// When `DOCKER_DEFAULT_PLATFORM` or the service's own platform is none of those that
    /// its image is built for.
    pub fn choose_platforms(
        &mut self,
        names: &[String],
        target: Target,
    ) -> Result<(), ComposeError> {
        let default = self.env.get("DOCKER_DEFAULT_PLATFORM").cloned();
        let default = default.filter(|it| !it.is_empty());
        let services = self.tree.map_mut().and_then(|it| it.get_mut("services"));
        let Some(services) = services.and_then(Node::map_mut) else {
            return Ok(());
        };
        for name in names {
            if let Some(service) = services.get_mut(name).and_then(Node::map_mut) {
                choose(name, service, default.as_deref(), target)?;
            }
        }
        Ok(())
    }
}

fn choose(
    name: &str,
    service: &mut Map,
    default: Option<&str>,
    target: Target,
) -> Result<(), ComposeError> {
    let own = service.get("platform").and_then(Node::text);
    let own = own.filter(|it| !it.is_empty()).map(str::to_owned);
    let Some(build) = service.get_mut("build") else {
        return Ok(());
    };
    let place = build.place.clone();
    let listed = build.get("platforms").and_then(Node::list);
    let listed = listed.unwrap_or_default().iter().filter_map(Node::text);
    let mut platforms: Vec<String> = listed.map(str::to_owned).collect();
    if let Some(own) = &own {
        let fits = platforms.is_empty() || platforms.contains(own);
        if !fits {
            return Err(ComposeError::Platform {
                service: name.to_owned(),
                platform: own.clone(),
            });
        }
        if platforms.is_empty() || target == Target::Here {
            platforms = vec![own.clone()];
        }
    }
    // Docker Compose 2.40: what runs is where its own attribute says, without a look at the
    // variable; what is only built must suit both.
    let default = default.filter(|_| own.is_none() || target == Target::Everywhere);
    if let Some(default) = default {
        let fits = platforms.is_empty() || platforms.iter().any(|it| it == default);
        if !fits {
            return Err(ComposeError::DefaultPlatform {
                service: name.to_owned(),
                platform: default.to_owned(),
            });
        }
        if platforms.is_empty() || target == Target::Here {
            platforms = vec![default.to_owned()];
        }
    }
    let runs_on = own.or_else(|| default.map(str::to_owned));
    if runs_on.is_none() && target == Target::Here && platforms.len() > 1 {
        // The builder knows best which of them runs here.
        platforms.clear();
    }
    let text = |text: String| Node::at(&place, Value::Text(text));
    if let Some(build) = build.map_mut() {
        let platforms: Vec<Node> = platforms.into_iter().map(text).collect();
        match platforms.is_empty() {
            true => drop(build.remove("platforms")),
            false => {
                let list = Node::at(&place, Value::List(platforms));
                build.insert("platforms".into(), list);
            }
        }
    }
    if let Some(platform) = runs_on {
        service.insert("platform".into(), text(platform));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Files, Request, Source, Steps, load};

    struct None;

    impl Files for None {
        fn read(&self, _: &std::path::Path) -> std::io::Result<String> {
            Err(std::io::ErrorKind::NotFound.into())
        }
        fn fetched(&self, _: &str) -> Option<std::io::Result<std::path::PathBuf>> {
            Option::None
        }
    }

    fn chosen(service: &str, default: &str, target: Target) -> Result<String, ComposeError> {
        let request = Request {
            files: vec![Source::Text {
                name: "compose.yaml".into(),
                text: format!("services: {{ web: {{ {service} }}}}"),
            }],
            directory: "/nowhere".into(),
            name: Option::None,
            fallback_name: "p".into(),
            env: [("DOCKER_DEFAULT_PLATFORM".to_owned(), default.to_owned())]
                .into_iter()
                .collect(),
            profiles: Vec::new(),
            steps: Steps::default(),
        };
        let mut project = load(&request, &None).unwrap().project;
        for _ in 0..2 {
            project.choose_platforms(&["web".to_owned()], target)?;
        }
        let web = &project.services()["web"];
        let listed = web.find(&["build", "platforms"]).and_then(Node::list);
        let listed: Vec<&str> = listed
            .unwrap_or_default()
            .iter()
            .filter_map(Node::text)
            .collect();
        let runs_on = web.text_at(&["platform"]).unwrap_or("-");
        Ok(format!("{runs_on} {}", listed.join(",")))
    }

    #[test]
    fn a_build_is_for_all_platforms_and_what_runs_for_one() {
        use Target::{Everywhere, Here};
        const BOTH: &str = "build: { context: ., platforms: [linux/amd64, linux/arm64] }";
        const OWN: &str = "platform: linux/arm64, ";
        for (service, default, target, wanted) in [
            (BOTH.to_owned(), "", Everywhere, "- linux/amd64,linux/arm64"),
            (BOTH.to_owned(), "", Here, "- "),
            (
                BOTH.to_owned(),
                "linux/arm64",
                Everywhere,
                "linux/arm64 linux/amd64,linux/arm64",
            ),
            (
                BOTH.to_owned(),
                "linux/arm64",
                Here,
                "linux/arm64 linux/arm64",
            ),
            (
                format!("{OWN}{BOTH}"),
                "",
                Everywhere,
                "linux/arm64 linux/amd64,linux/arm64",
            ),
            (format!("{OWN}{BOTH}"), "", Here, "linux/arm64 linux/arm64"),
            // What runs is where its own attribute says.
            (
                format!("{OWN}build: ."),
                "linux/s390x",
                Here,
                "linux/arm64 linux/arm64",
            ),
            ("build: .".to_owned(), "", Here, "- "),
            (
                "build: .".to_owned(),
                "linux/s390x",
                Everywhere,
                "linux/s390x linux/s390x",
            ),
            // Without a build, the pull asks for the variable's.
            ("image: a".to_owned(), "linux/s390x", Here, "- "),
        ] {
            let found = chosen(&service, default, target).unwrap();
            assert_eq!(found, wanted, "{service} {default:?} {target:?}");
        }
        for (service, target) in [
            (BOTH.to_owned(), Everywhere),
            (BOTH.to_owned(), Here),
            (format!("{OWN}build: ."), Everywhere),
        ] {
            let error = chosen(&service, "linux/s390x", target).unwrap_err();
            assert_eq!(
                error.to_string(),
                "service \"web\" build.platforms does not support value set by \
                 DOCKER_DEFAULT_PLATFORM: linux/s390x"
            );
        }
    }
}
