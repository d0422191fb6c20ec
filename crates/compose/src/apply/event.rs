//! What is told of things while a plan is carried out.

/// How far a thing has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Something is being done.
    Working,
    /// It is done.
    Done,
    /// It failed, or something is to be known.
    Warning,
    /// It failed.
    Error,
}

/// What happens to a thing, for a display.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// `Container p-web-1`, `Network p_default`, `Volume p_data`; a service; a layer.
    pub id: String,
    /// The thing that this one is a part of: a layer's service. Empty for most.
    pub parent: String,
    /// How far it has come.
    pub phase: Phase,
    /// What is said beside its name: `Pulling`, `copy f to web:/`. Empty for most.
    pub text: String,
    /// What has become of it, shown in the phase's colour: `Creating`, `Created`, `Healthy`.
    pub status: String,
    /// How much of it is done, where that is counted.
    pub amount: Amount,
}

/// How much of a thing is done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amount {
    /// Bytes done.
    pub current: i64,
    /// Bytes in all; 0: not known.
    pub total: i64,
    /// 0 to 100.
    pub percent: i64,
}

impl Event {
    /// A thing of which nothing is said yet.
    pub fn of(id: impl Into<String>, phase: Phase) -> Self {
        Self {
            id: id.into(),
            parent: String::new(),
            phase,
            text: String::new(),
            status: String::new(),
            amount: Amount::default(),
        }
    }

    /// With words beside its name.
    pub fn text(self, text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            ..self
        }
    }

    /// With what has become of it.
    pub fn status(self, status: impl Into<String>) -> Self {
        Self {
            status: status.into(),
            ..self
        }
    }
}

/// Where events and warnings go.
pub trait Progress {
    /// Something happened.
    fn event(&self, event: Event);
    /// The user should know.
    fn warn(&self, sentence: &str);
}
