//! Saved state: one named, versioned [`Unit`] for each saveable thing, with named fields inside, so that fields may be
//! added (unknown ones are skipped, missing ones take their default).

use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// One piece of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unit {
    /// What kind of thing was saved ("pit", "cpu").
    pub kind: String,
    /// The version of its fields. It grows only when the meaning of an old field changes.
    pub version: u32,
    /// MessagePack with named fields.
    pub data: Vec<u8>,
}

/// Why a unit cannot be restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The unit belongs to something else.
    #[error("the snapshot has a unit of kind '{found}' where '{expected}' was expected")]
    Kind {
        /// What the reader is.
        expected: String,
        /// What the unit says.
        found: String,
    },
    /// The unit was written by a newer program.
    #[error("unit '{kind}' has version {found}, and this program reads up to {known}: use a newer lyrebird")]
    Version {
        /// What kind of unit.
        kind: String,
        /// Its version.
        found: u32,
        /// The newest version that this program knows.
        known: u32,
    },
    /// The bytes make no sense.
    #[error("unit '{kind}' is damaged: {reason}")]
    Damaged {
        /// What kind of unit.
        kind: String,
        /// What was wrong.
        reason: String,
    },
}

impl Unit {
    /// Packs a saved-state struct.
    pub fn pack<T: Serialize>(kind: &str, version: u32, state: &T) -> Unit {
        // Writing to a Vec cannot fail, and our state structs have no maps with unnamed keys.
        let data = rmp_serde::to_vec_named(state).expect("saved state is plain data");
        Unit { kind: kind.into(), version, data }
    }

    /// Unpacks it, if it is of this kind and of a version not newer than `known`.
    pub fn unpack<T: DeserializeOwned>(&self, kind: &str, known: u32) -> Result<T, RestoreError> {
        if self.kind != kind {
            return Err(RestoreError::Kind { expected: kind.into(), found: self.kind.clone() });
        }
        if self.version > known {
            return Err(RestoreError::Version { kind: kind.into(), found: self.version, known });
        }
        rmp_serde::from_slice(&self.data)
            .map_err(|error| RestoreError::Damaged { kind: kind.into(), reason: error.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize, Deserialize, Default, PartialEq, Debug)]
    #[serde(default)]
    struct Old {
        a: u8,
    }
    #[derive(Serialize, Deserialize, Default, PartialEq, Debug)]
    #[serde(default)]
    struct New {
        a: u8,
        b: u16,
    }

    #[test]
    fn fields_may_be_added_and_left_out() {
        let old = Unit::pack("chip", 1, &Old { a: 7 });
        assert_eq!(old.unpack::<New>("chip", 1).unwrap(), New { a: 7, b: 0 });
        let new = Unit::pack("chip", 1, &New { a: 8, b: 9 });
        assert_eq!(new.unpack::<Old>("chip", 1).unwrap(), Old { a: 8 });
        assert!(matches!(new.unpack::<Old>("other", 1), Err(RestoreError::Kind { .. })));
        assert!(matches!(new.unpack::<Old>("chip", 0), Err(RestoreError::Version { .. })));
        let damaged = Unit { data: vec![0xc1], ..new };
        assert!(matches!(damaged.unpack::<Old>("chip", 1), Err(RestoreError::Damaged { .. })));
    }
}
