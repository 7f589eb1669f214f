//! Which names schemas and tables may have in a directory, so that none of them leaves the catalog's root.

use crate::engine::{Error, Result};

/// The longest file name of the usual Linux file systems.
const NAME_BYTES_MAX: usize = 255;

/// The directory that makes its parent a table.
const LOG_DIRECTORY: &str = "_delta_log";

/// What a name is for; the text of its errors.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Schema,
    Table,
}

impl Kind {
    pub(super) const fn noun(self) -> &'static str {
        match self {
            Self::Schema => "schema",
            Self::Table => "table",
        }
    }
}

/// Refuses a name that cannot be the last component of a path below the root, or that listings leave out.
pub(super) fn check(kind: Kind, name: &str) -> Result<()> {
    match fault(name) {
        None => Ok(()),
        Some(fault) => Err(Error::InvalidArgument(format!("{} name {name:?} {fault}", kind.noun()))),
    }
}

/// Why a name is refused.
fn fault(name: &str) -> Option<String> {
    if name.is_empty() {
        Some("is empty".to_owned())
    } else if name.len() > NAME_BYTES_MAX {
        Some(format!("has {} bytes; at most {NAME_BYTES_MAX} are possible", name.len()))
    } else if name.starts_with('.') {
        Some("starts with a dot; such directories are not part of a catalog".to_owned())
    } else if name == LOG_DIRECTORY {
        Some("is what tables call their logs; a schema that held it would be taken for a table".to_owned())
    } else {
        let bad = name.chars().find(|c| matches!(c, '/' | '\\') || c.is_control());
        bad.map(|bad| format!("holds {bad:?}; slashes, backslashes and control characters are not possible"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_and_odd_names_pass() {
        for name in ["orders", "a b", "it's", "\"q\"", "v1.2", "größe", "表", "_x", "-", "%41"] {
            check(Kind::Table, name).unwrap_or_else(|e| panic!("{name}: {e}"));
        }
    }

    #[test]
    fn names_that_leave_the_root_or_hide_are_refused() {
        for name in
            ["", ".", "..", "../x", "/etc", "a/b", "a\\b", ".hidden", "_delta_log", "a\0b", "a\nb", &"x".repeat(256)]
        {
            let error = check(Kind::Schema, name).expect_err(name);
            assert!(matches!(error, Error::InvalidArgument(_)), "{name}: {error}");
        }
    }
}
