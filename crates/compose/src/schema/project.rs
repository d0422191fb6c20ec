//! The attributes of a project and of everything in it but services.

use super::Emit::{Given, Never, Struct};
use super::Merge::Pools;
use super::Path::Host;
use super::Shape::{
    Bool, External, Includes, Int, ListOf, MapOf, Mapping, Object, OneOrTexts, Options, Text, Texts,
};
use super::{Field, SERVICE, Shape, Table};

const fn f(name: &'static str, shape: Shape) -> Field {
    Field::new(name, shape)
}

/// A whole file, and the project that files become.
pub(crate) const PROJECT: Table = &[
    f("version", Shape::Label).emit(Never),
    f("name", Text),
    f("include", Includes(INCLUDE)).emit(Never),
    f("services", MapOf(SERVICE)),
    f("networks", MapOf(NETWORK)),
    f("volumes", MapOf(VOLUME)),
    f("secrets", MapOf(SECRET)),
    f("configs", MapOf(CONFIG)),
    f("models", MapOf(MODEL)),
];

const INCLUDE: Table = &[
    f("path", OneOrTexts),
    f("env_file", OneOrTexts),
    f("project_directory", Text),
];

const NETWORK: Table = &[
    f("name", Text),
    f("driver", Text),
    f("driver_opts", Options),
    f("ipam", Object(IPAM)).emit(Struct),
    f("external", External),
    f("internal", Bool),
    f("attachable", Bool),
    f("labels", Mapping),
    f("enable_ipv4", Bool).emit(Given),
    f("enable_ipv6", Bool).emit(Given),
];

const IPAM: Table = &[
    f("driver", Text),
    f("config", ListOf(POOL)).merge(Pools),
    f("options", Options).emit(Never),
];

const POOL: Table = &[
    f("subnet", Text),
    f("gateway", Text),
    f("ip_range", Text),
    f("aux_addresses", Options),
];

const VOLUME: Table = &[
    f("name", Text),
    f("driver", Text),
    f("driver_opts", Options),
    f("external", External),
    f("labels", Mapping),
];

const SECRET: Table = &[
    f("name", Text),
    f("file", Text).path(Host),
    f("environment", Text),
    f("external", External),
    f("labels", Mapping),
    f("driver", Text),
    f("driver_opts", Options),
    f("template_driver", Text),
];

const CONFIG: Table = &[
    f("name", Text),
    f("file", Text).path(Host),
    f("environment", Text),
    f("content", Text),
    f("external", External),
    f("labels", Mapping),
    f("template_driver", Text),
];

const MODEL: Table = &[
    f("name", Text),
    f("model", Text),
    f("context_size", Int),
    f("runtime_flags", Texts),
];
