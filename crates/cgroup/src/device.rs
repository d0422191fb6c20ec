//! Device rules: what an ordered list of them comes to.

use crate::CgroupError;
use corten_oci::runtime::DeviceRule;
use std::fmt;

/// Kind of a device node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NodeKind {
    Character,
    Block,
}

/// What a process may do with a device: `m` make a node, `r` read, `w` write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Access(pub(crate) u8);

impl Access {
    pub(crate) const MAKE: u8 = 1;
    pub(crate) const READ: u8 = 2;
    pub(crate) const WRITE: u8 = 4;
    pub(crate) const ALL: Self = Self(7);

    fn parse(text: &str) -> Option<Self> {
        let mut bits = 0;
        for letter in text.chars() {
            bits |= match letter {
                'm' => Self::MAKE,
                'r' => Self::READ,
                'w' => Self::WRITE,
                _ => return None,
            };
        }
        Some(if bits == 0 { Self::ALL } else { Self(bits) })
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (bit, letter) in [(Self::READ, "r"), (Self::WRITE, "w"), (Self::MAKE, "m")] {
            if self.0 & bit != 0 {
                f.write_str(letter)?;
            }
        }
        Ok(())
    }
}

/// Devices that differ from the default. `None` numbers are wildcards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Exception {
    pub(crate) kind: NodeKind,
    pub(crate) major: Option<u32>,
    pub(crate) minor: Option<u32>,
    pub(crate) access: Access,
}

impl Exception {
    fn same_devices(&self, other: &Self) -> bool {
        (self.kind, self.major, self.minor) == (other.kind, other.major, other.minor)
    }

    fn overlaps(&self, other: &Self) -> bool {
        let meet =
            |one: Option<u32>, two: Option<u32>| one.is_none() || two.is_none() || one == two;
        self.kind == other.kind
            && meet(self.major, other.major)
            && meet(self.minor, other.minor)
            && self.access.0 & other.access.0 != 0
    }
}

impl fmt::Display for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            NodeKind::Character => 'c',
            NodeKind::Block => 'b',
        };
        let number = |number: Option<u32>| number.map_or("*".to_owned(), |n| n.to_string());
        write!(
            f,
            "{kind} {}:{} {}",
            number(self.major),
            number(self.minor),
            self.access
        )
    }
}

/// A default and the exceptions from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Policy {
    allow_by_default: bool,
    exceptions: Vec<Exception>,
}

impl Policy {
    /// Evaluates rules in order, from "deny everything" (GO-2022-0396): a list without a
    /// rule for all devices shall not leave the rest open.
    pub(crate) fn from_rules(rules: &[DeviceRule]) -> Result<Self, CgroupError> {
        let mut policy = Self {
            allow_by_default: false,
            exceptions: Vec::new(),
        };
        for rule in rules {
            policy.add(rule)?;
        }
        Ok(policy)
    }

    fn add(&mut self, rule: &DeviceRule) -> Result<(), CgroupError> {
        let invalid = || CgroupError::InvalidValue {
            limit: "devices",
            value: describe(rule),
        };
        let access = Access::parse(&rule.access).ok_or_else(invalid)?;
        let kinds: &[NodeKind] = match rule.kind.as_str() {
            "" | "a" => {
                // In the kernel's list `a` stands for everything, whatever follows it.
                *self = Self {
                    allow_by_default: rule.allow,
                    exceptions: Vec::new(),
                };
                return Ok(());
            }
            "c" | "u" => &[NodeKind::Character],
            "b" => &[NodeKind::Block],
            _ => return Err(invalid()),
        };
        let number = |number: Option<i64>| match number {
            None | Some(-1) => Ok(None),
            Some(number) => u32::try_from(number).map(Some).map_err(|_| invalid()),
        };
        let (major, minor) = (number(rule.major)?, number(rule.minor)?);
        for &kind in kinds {
            let exception = Exception {
                kind,
                major,
                minor,
                access,
            };
            if rule.allow == self.allow_by_default {
                self.withdraw(exception).map_err(|()| invalid())?;
            } else {
                self.except(exception);
            }
        }
        Ok(())
    }

    fn except(&mut self, exception: Exception) {
        match self
            .exceptions
            .iter_mut()
            .find(|known| known.same_devices(&exception))
        {
            Some(known) => known.access.0 |= exception.access.0,
            None => self.exceptions.push(exception),
        }
    }

    /// Takes an exception back. The kernel's list cannot hold a hole in a wildcard, so
    /// that is refused rather than passed over.
    fn withdraw(&mut self, hole: Exception) -> Result<(), ()> {
        for known in self
            .exceptions
            .iter_mut()
            .filter(|known| known.same_devices(&hole))
        {
            known.access.0 &= !hole.access.0;
        }
        self.exceptions.retain(|known| known.access.0 != 0);
        // A wider hole swallows narrower exceptions; a narrower one would need a split.
        let inside = |known: &Exception| {
            (hole.major.is_none() || hole.major == known.major)
                && (hole.minor.is_none() || hole.minor == known.minor)
        };
        for known in &mut self.exceptions {
            if known.overlaps(&hole) {
                if !inside(known) {
                    return Err(());
                }
                known.access.0 &= !hole.access.0;
            }
        }
        self.exceptions.retain(|known| known.access.0 != 0);
        Ok(())
    }

    pub(crate) fn allows_everything(&self) -> bool {
        self.allow_by_default && self.exceptions.is_empty()
    }

    pub(crate) fn allows_by_default(&self) -> bool {
        self.allow_by_default
    }

    pub(crate) fn exceptions(&self) -> &[Exception] {
        &self.exceptions
    }

    /// The exceptions as `devices.allow` and `devices.deny` take them.
    pub(crate) fn list(&self) -> Vec<String> {
        self.exceptions.iter().map(ToString::to_string).collect()
    }
}

fn describe(rule: &DeviceRule) -> String {
    let number = |number: Option<i64>| number.map_or("*".to_owned(), |n| n.to_string());
    let verb = if rule.allow { "allow" } else { "deny" };
    format!(
        "{verb} {} {}:{} {}",
        rule.kind,
        number(rule.major),
        number(rule.minor),
        rule.access
    )
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn rule(text: &str) -> DeviceRule {
        let mut words = text.split(' ');
        let allow = words.next() == Some("allow");
        let kind = words.next().unwrap_or_default().to_owned();
        let mut numbers = words
            .next()
            .unwrap_or("*:*")
            .split(':')
            .map(|n| n.parse().ok());
        let (major, minor) = (numbers.next().flatten(), numbers.next().flatten());
        let access = words.next().unwrap_or("rwm").to_owned();
        DeviceRule {
            allow,
            kind,
            major,
            minor,
            access,
        }
    }

    fn policy(rules: &[&str]) -> Option<(bool, Vec<String>)> {
        let rules: Vec<DeviceRule> = rules.iter().map(|text| rule(text)).collect();
        let policy = Policy::from_rules(&rules).ok()?;
        Some((policy.allows_by_default(), policy.list()))
    }

    #[test]
    fn an_allow_list_alone_denies_the_rest() {
        assert_eq!(
            policy(&["allow c 1:3"]),
            Some((false, vec!["c 1:3 rwm".to_owned()]))
        );
    }

    #[test]
    fn the_last_rule_for_all_devices_starts_anew() {
        assert_eq!(
            policy(&["deny a", "allow c 1:3", "allow a"]),
            Some((true, vec![]))
        );
        assert_eq!(
            policy(&["allow a", "deny b 8:0 w"]),
            Some((true, vec!["b 8:0 w".into()]))
        );
    }

    #[test]
    fn rights_add_up_and_are_taken_back() {
        let rules = [
            "allow c *:* m",
            "allow c 1:3 r",
            "allow c 1:3 w",
            "deny c 1:3 r",
        ];
        assert_eq!(
            policy(&rules),
            Some((false, vec!["c *:* m".to_owned(), "c 1:3 w".to_owned()]))
        );
        assert_eq!(
            policy(&["allow c 1:3", "deny c 1:*"]),
            Some((false, vec![]))
        );
    }

    #[test]
    fn a_hole_in_a_wildcard_is_refused() {
        assert_eq!(policy(&["allow c 1:* rwm", "deny c 1:3 w"]), None);
        assert_eq!(policy(&["allow x 1:3"]), None);
        assert_eq!(policy(&["allow c 1:3 z"]), None);
    }
}
