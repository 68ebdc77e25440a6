//! The meaning of each instruction, written once over [`crate::algebra::Algebra`]. One file a family; [`exec`] picks the
//! function by the op's shape.
